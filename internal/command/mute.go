package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Mute is a route that is muted for a while: problems that it sends to a room are posted when the mute ends, if they are still
// open then.
type Mute struct {
	Until time.Time `json:"until"`
	By    string    `json:"by,omitempty"`
	Words string    `json:"words,omitempty"`
}

// MuteStore keeps the mutes: store.Store.
type MuteStore interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// Mutes are the muted routes, by name, also those whose mute has ended until their rooms are told. They survive a restart.
type Mutes struct {
	store  MuteStore
	mu     sync.Mutex
	routes map[string]Mute
}

const mutesValue = "command.mutes"

// LoadMutes reads the mutes. If they are damaged, nothing is muted.
func LoadMutes(ctx context.Context, s MuteStore, log *slog.Logger) (*Mutes, error) {
	m := &Mutes{store: s, routes: map[string]Mute{}}
	value, err := s.Value(ctx, mutesValue)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return m, nil
	case err != nil && !store.Lasting(err):
		return nil, fmt.Errorf("reading the muted routes: %w", err)
	case err == nil:
		err = json.Unmarshal([]byte(value), &m.routes)
	}
	if err != nil {
		log.Error("cannot read the muted routes: no route is muted. Mute again those that should be", "error", err)
		m.routes = map[string]Mute{}
	}
	maps.DeleteFunc(m.routes, func(route string, mute Mute) bool {
		if config.Numbered(route) {
			log.Warn("a mute was dropped: its route has no name, and another route may have its position now. Name the route (routes[].name) and mute it again", "route", route, "until", mute.Until)
		}
		return config.Numbered(route)
	})
	return m, nil
}

// Muting adds a route's mute to its timing in a room. It holds nothing back from rooms that the route escalates to.
func (m *Mutes) Muting(t route.Timing, rule string) route.Timing {
	if t.Own {
		t.Muted = m.Until(rule)
	}
	return t
}

// Until returns when a route's mute ends or ended; zero if it wasn't muted.
func (m *Mutes) Until(route string) time.Time {
	if m == nil {
		return time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.routes[route].Until
}

// set mutes a route, or ends its mute if mute is zero. It stores the change before it takes effect.
func (m *Mutes) set(ctx context.Context, route string, mute Mute) error {
	return m.change(ctx, func(routes map[string]Mute) {
		routes[route] = mute
		if mute.Until.IsZero() {
			delete(routes, route)
		}
	})
}

func (m *Mutes) change(ctx context.Context, change func(routes map[string]Mute)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[string]Mute{}
	maps.Copy(next, m.routes)
	change(next)
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := m.store.SetValue(ctx, mutesValue, string(value)); err != nil {
		return err
	}
	m.routes = next
	return nil
}

func muteVerbs() []verb {
	return []verb{
		{
			name: MuteRoute, role: config.RoleAdmin, sets: true,
			usage: "mute ROUTE LENGTH [WORDS]", does: "keeps new problems of a route out of its rooms for a while. Those still open are posted when it ends. `rooms` names the routes",
			examples: []string{"mute db 2h migration", "mute db until mon 8:00"},
			lasts:    true, parse: parseMute, answer: answerMute,
		},
		{
			name: UnmuteRoute, role: config.RoleAdmin, sets: true,
			usage: "unmute ROUTE", does: "ends a mute: what is open is posted within a minute", examples: []string{"unmute db"},
			parse: parseUnmute, answer: answerUnmute,
		},
	}
}

// parseMute parses "ROUTE LENGTH [words]".
func parseMute(_ Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	head, l, after, ok := splitLength(t.rest)
	route := routeIn(head)
	switch {
	case !ok:
		return Request{}, misunderstood(v.name, "Which route, and for how long? For example: `mute db 2h`. `rooms` names the routes.")
	case route == "":
		return Request{}, misunderstood(v.name, "Which route? For example: `mute db 2h`. `rooms` names the routes.")
	case l.Forever:
		return Request{}, misunderstood(v.name, "A mute needs an end: `mute db 2d`. To mute a route for good, remove it from the configuration.")
	}
	return Request{Verb: v.name, Route: route, Length: l, Text: said.words(strings.TrimLeft(after, ": "))}, nil
}

func parseUnmute(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	route := routeIn(t.rest)
	if route == "" {
		return Request{}, misunderstood(v.name, "Which route? For example: `unmute db`. `rooms` names the routes.")
	}
	return Request{Verb: v.name, Route: route}, nil
}

// routeIn returns the name of a route as written.
func routeIn(words string) string {
	words = strings.Trim(words, ":,;=- ")
	if first, after := firstWord(words); strings.EqualFold(first, "route") && after != "" {
		words = after
	}
	return unquote(strings.Trim(words, ":,;.!- "))
}

// muteable finds the route that is meant, and checks that the person is an admin in each of its rooms.
func (s scope) muteable(r Request) (config.Route, string) {
	i := slices.IndexFunc(s.Routes, func(route config.Route) bool {
		return strings.EqualFold(route.Name, r.Route) || strings.EqualFold(route.Name, "route "+r.Route) // as a route without a name is called
	})
	if i < 0 {
		names, l := text.Names(s.Routes, func(route config.Route) string { return route.Name }), s.voice().Lang
		return config.Route{}, unknownName(l, l.T("❔ I don't know the route `%s`, so I did nothing.", echo(r.Route)), r.Route, "", names, l.T(" `rooms` names the routes."))
	}
	if name := s.Routes[i].Name; config.Numbered(name) {
		return config.Route{}, s.voice().T("🚫 `%s` has no name, only a position, which another route may have after the next reload. I did nothing. Give it a name in the configuration (`routes[].name`), then mute it by that.", echo(name))
	}
	for _, room := range s.Routes[i].Rooms {
		if !may(s.roleIn(room), r.Verb) {
			return config.Route{}, s.voice().T("🚫 The route `%s` leads to a room in which you aren't **%s**, so I did nothing.", echo(s.Routes[i].Name), config.RoleAdmin)
		}
	}
	return s.Routes[i], ""
}

func answerMute(ctx context.Context, e *Executor, s scope, r Request, _ []target, room render.Room) (reply, outcome string, err error) {
	route, refusal := s.muteable(r)
	if refusal != "" {
		return refusal, "", nil
	}
	by := actorName(room.Lang, alert.Actor{Name: s.Input.Person.Name, Email: s.Input.Person.Email})
	if err := e.o.Mutes.set(ctx, route.Name, Mute{r.Until, s.Input.Person.Email, r.Text}); err != nil {
		return "", "", err
	}
	said := func(room render.Room) string {
		line := room.Lang.T("🔇 %s muted the route `%s` until %s. New problems that it sends here are posted then, if they are still open.",
			by, webex.EscapeCode(route.Name), room.Moment(r.Until, time.Now()))
		if r.Text != "" {
			line += " " + room.Lang.Said(webex.EscapeMarkdown(text.Cut(r.Text, 500)))
		}
		return line
	}
	if err := e.tellRooms(ctx, s.View, route, s.Room, "mute:"+strconv.FormatInt(r.Until.Unix(), 10), said); err != nil {
		return "", "", err
	}
	return said(room), "", nil
}

func answerUnmute(ctx context.Context, e *Executor, s scope, r Request, _ []target, room render.Room) (reply, outcome string, err error) {
	route, refusal := s.muteable(r)
	until := e.o.Mutes.Until(route.Name)
	switch {
	case refusal != "":
		return refusal, "", nil
	case !until.After(time.Now()):
		return room.Lang.T("ℹ️ The route `%s` isn't muted.", webex.EscapeCode(route.Name)), "", nil
	}
	if err := e.o.Mutes.set(ctx, route.Name, Mute{}); err != nil {
		return "", "", err
	}
	by := actorName(room.Lang, alert.Actor{Name: s.Input.Person.Name, Email: s.Input.Person.Email})
	said := func(room render.Room) string {
		return room.Lang.T("🔔 %s unmuted the route `%s`. What is still open is posted within a minute.", by, webex.EscapeCode(route.Name))
	}
	if err := e.tellRooms(ctx, s.View, route, s.Room, "unmute:"+strconv.FormatInt(until.Unix(), 10), said); err != nil {
		return "", "", err
	}
	return said(room), "", nil
}

// tellRooms tells the rooms of a route about its mute, once; except has been told already.
func (e *Executor) tellRooms(ctx context.Context, v View, route config.Route, except, once string, said func(render.Room) string) error {
	for _, name := range route.Rooms {
		i := slices.IndexFunc(v.Rooms, func(r config.Room) bool { return r.Name == name })
		if i < 0 || name == except {
			continue
		}
		n := store.Notice{
			Kind: store.NoticeAnswer, Room: name, Bot: v.Rooms[i].Bot, Markdown: said(v.roomSettings(name)),
			Dedup: once + ":" + route.Name + ":" + name, State: store.NoticePending, CreatedAt: time.Now(),
		}
		if _, err := e.o.Store.AddNotice(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
