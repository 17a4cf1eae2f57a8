package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// endLook bounds how late an end is noticed: what is made meanwhile may end before what is waited for.
const endLook = time.Minute

// ending is what ends by itself: a mute, a binding.
type ending struct {
	what string // for the log
	at   time.Time
	end  func(ctx context.Context) error // tells the rooms, then ends it
}

// atEnds ends what ends by itself, when its time is over, until ctx ends. next returns the one that ends first; false if there is none.
func (e *Executor) atEnds(ctx context.Context, next func() (ending, bool)) {
	for wait := time.Duration(0); pace.Pause(ctx, wait, nil); {
		n, ok := next()
		if wait = time.Until(n.at); !ok || wait > endLook {
			wait = endLook
		}
		if wait > 0 {
			continue
		}
		if err := n.end(context.WithoutCancel(ctx)); err != nil && ctx.Err() == nil {
			e.o.Log.Error("cannot tell that something ended, trying again in a minute", "what", n.what, "error", err)
			wait = endLook
		}
	}
}

// nextMute is the mute that ends first.
func (e *Executor) nextMute() (ending, bool) {
	route, until := e.o.Mutes.nextEnd()
	return ending{"the mute of " + route, until, func(ctx context.Context) error { return e.endMute(ctx, route, until) }}, route != ""
}

// nextBinding is the subscription or binding that ends first.
func (e *Executor) nextBinding() (ending, bool) {
	b, ok := e.o.Bindings.NextEnd()
	return ending{fmt.Sprintf("binding #%d", b.ID), b.Until, func(ctx context.Context) error { return e.expire(ctx, b) }}, ok
}

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

// endMute tells the rooms of a route that its mute has ended, and then forgets it. After a crash in between it tells nobody again.
func (e *Executor) endMute(ctx context.Context, route string, until time.Time) error {
	view := e.o.View()
	for _, r := range view.Routes { // one that isn't configured any more has no rooms
		if r.Name != route {
			continue
		}
		err := e.tellRooms(ctx, view, r, "", "mute ended:"+strconv.FormatInt(until.Unix(), 10), func(room render.Room) string {
			return room.Lang.T("🔔 The route `%s` isn't muted any more. What is still open is posted within a minute.", webex.EscapeCode(route))
		})
		if err != nil {
			return err
		}
	}
	return e.o.Mutes.forget(ctx, route, until)
}

// expire tells the room of a binding that it has ended, and ends it. After a crash in between it tells nobody again.
func (e *Executor) expire(ctx context.Context, b store.Binding) error {
	view := e.o.View()
	l := view.voiceIn(b.Room).Lang
	what := l.T("⏰ The subscription #%s %s has ended. To have it again: %s.", strconv.FormatInt(b.ID, 10), inCode(binding.Words(b)), inCode(string(Subscribe)+" "+binding.Words(b)))
	if binding.IsSpace(b.Room) {
		what = l.T("⏰ The binding #%s %s has ended. To have it again: %s.", strconv.FormatInt(b.ID, 10), inCode(binding.Words(b)), inCode(string(Bind)+" "+binding.Words(b)))
	}
	if (scope{View: view}).rests(b).IsZero() { // else its room gets nothing
		n := store.Notice{
			Kind: store.NoticeAnswer, Room: b.Room, Bot: view.botOf(b.Room), State: store.NoticePending, CreatedAt: time.Now(), Dedup: fmt.Sprintf("binding expired:%d", b.ID),
			Markdown: inMarkdown(what),
		}
		if binding.IsSpace(b.Room) {
			n.Bot = b.Bot
		}
		if _, err := e.o.Store.AddNotice(ctx, n); err != nil {
			return err
		}
	}
	if _, err := e.o.Bindings.End(ctx, b.ID, store.BindingExpired); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	e.o.Log.Info("a binding expired", "binding", b.ID, "room", b.Room, "matches", binding.Words(b), "by", cmp.Or(b.Email, b.Person))
	return nil
}
