package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
)

// muteLook bounds how late the end of a mute is noticed: a mute may be shorter than the wait for the next end.
const muteLook = time.Minute

// nextEnd returns the route whose mute ended or ends first; "" if none is muted.
func (m *Mutes) nextEnd() (route string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, mute := range m.routes {
		if route == "" || mute.Until.Before(until) {
			route, until = name, mute.Until
		}
	}
	return route, until
}

// forget removes a mute that has ended, unless the route was muted again.
func (m *Mutes) forget(ctx context.Context, route string, until time.Time) error {
	return m.change(ctx, func(routes map[string]Mute) {
		if routes[route].Until.Equal(until) {
			delete(routes, route)
		}
	})
}

// endMutes tells the rooms of routes when their mutes end by themselves, until ctx ends.
func (e *Executor) endMutes(ctx context.Context) {
	for wait := time.Duration(0); pace.Pause(ctx, wait, nil); {
		route, until := e.o.Mutes.nextEnd()
		if wait = time.Until(until); route == "" || wait > muteLook {
			wait = muteLook
		}
		if wait > 0 {
			continue
		}
		if err := e.endMute(ctx, route, until); err != nil && ctx.Err() == nil {
			e.o.Log.Error("cannot tell rooms that a route isn't muted any more, trying again in a minute", "route", route, "error", err)
			wait = muteLook
		}
	}
}

// endMute tells the rooms of a route that its mute has ended, and then forgets it. After a crash in between it tells nobody again.
func (e *Executor) endMute(ctx context.Context, route string, until time.Time) error {
	view := e.o.View()
	for _, r := range view.Routes { // one that isn't configured any more has no rooms
		if r.Name != route {
			continue
		}
		err := e.tellRooms(context.WithoutCancel(ctx), view, r, "", "mute ended:"+strconv.FormatInt(until.Unix(), 10), func(*time.Location) string {
			return fmt.Sprintf("🔔 The route `%s` isn't muted any more. What is still open is posted within a minute.", webex.EscapeCode(route))
		})
		if err != nil {
			return err
		}
	}
	return e.o.Mutes.forget(context.WithoutCancel(ctx), route, until)
}
