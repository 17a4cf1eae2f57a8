package relay

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// PreviewOptions say what to look at.
type PreviewOptions struct {
	Config    *config.Config // nil: the defaults
	Templates string         // a directory that overrides the configuration's
	Room      string         // configured name; the one that routing gives first by default
	Now       time.Time
	Payloads  []string // files, "-", or "sample:NAME"
	Stdin     io.Reader
}

// Preview is what a room would see.
type Preview struct {
	Problem string `json:"problem,omitempty"`
	State   string `json:"state,omitempty"`
	Room    string `json:"room,omitempty"`
	// Presentation is the room's. A "line" has neither thread nor card. In a "card" with buttons the card is the message, and Root
	// stands beside it.
	Presentation string   `json:"presentation,omitempty"`
	Root         string   `json:"root,omitempty"`
	Thread       string   `json:"thread,omitempty"`
	Buttons      string   `json:"buttons,omitempty"`
	Card         any      `json:"card,omitempty"`
	Fallback     string   `json:"fallback,omitempty"` // what is sent beside the card, for notifications and clients without cards
	Samples      []string `json:"samples,omitempty"`
}

// samplePrefix begins the name of a built-in problem; "sample:list" asks for all.
const samplePrefix = "sample:"

// NewPreview renders payloads as a room would see them. Nothing is sent or kept.
func NewPreview(o PreviewOptions) (*Preview, error) {
	if len(o.Payloads) == 1 && o.Payloads[0] == samplePrefix+"list" {
		return &Preview{Samples: slices.Sorted(maps.Keys(render.Samples()))}, nil
	}
	p, sendTo, err := readProblem(o)
	if err != nil {
		return nil, err
	}
	cfg := o.Config
	if cfg == nil {
		cfg = &config.Config{Zabbix: []config.Source{{Name: p.Key.Source, URL: "https://zabbix.example.com"}}}
	}
	if o.Templates != "" {
		c := *cfg
		c.Templates.Dir = o.Templates
		// The directory that is tried counts everywhere, also where a route has its own.
		c.Routes = slices.Clone(cfg.Routes)
		for i := range c.Routes {
			c.Routes[i].Templates = ""
		}
		cfg = &c
	}
	var failed error
	renderer, err := newRenderer(cfg, nil, func(template string, err error) { failed = fmt.Errorf("template %s: %w", template, err) })
	if err != nil {
		return nil, err
	}
	room, err := previewRoom(cfg, p, sendTo, o)
	if err != nil {
		return nil, err
	}
	v := &Preview{Problem: p.Key.String(), State: string(p.State), Room: room.Name, Presentation: string(room.Presentation)}
	v.Root = renderer.Root(p, room, o.Now)
	if room.Presentation == config.PresentLine {
		return v, failed
	}
	v.Thread = renderer.Lines(p, p.Timeline, room, o.Now)
	if v.Buttons = renderer.Actions(p); v.Buttons != "" {
		v.Card, v.Fallback = renderer.Card(p, room, o.Now)
	}
	return v, failed
}

// previewRoom is the room that the preview is for.
func previewRoom(cfg *config.Config, p alert.Problem, sendTo string, o PreviewOptions) (render.Room, error) {
	room := render.Room{Name: "preview", Location: time.UTC, Presentation: config.PresentThread}
	if o.Config == nil {
		return room, nil
	}
	router, err := route.New(cfg)
	if err != nil {
		return room, err
	}
	name, rule := o.Room, ""
	for _, t := range router.Rooms(p, sendTo, o.Now) {
		if name == "" || t.Room == name {
			name, rule = t.Room, t.Route
			break
		}
	}
	settings, ok := delivery.RoomsOf(cfg)(name, rule)
	if !ok {
		return room, fmt.Errorf("unknown room %q (known: %s)", name, strings.Join(text.Names(o.Config.Rooms, func(r config.Room) string { return r.Name }), ", "))
	}
	return settings.Room, nil
}

// readProblem folds payloads into the problem they are about.
func readProblem(o PreviewOptions) (p alert.Problem, sendTo string, err error) {
	for _, name := range o.Payloads {
		if sample, ok := strings.CutPrefix(name, samplePrefix); ok {
			known := render.Samples()
			s, ok := known[sample]
			if !ok {
				return p, "", fmt.Errorf("unknown sample %q, expected one of\n  %s", sample, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			if p.Key != (alert.Key{}) {
				return p, "", fmt.Errorf("%s is a problem of its own: put it first", name)
			}
			p = s
			continue
		}
		body, err := readPayload(name, o.Stdin)
		if err != nil {
			return p, "", err
		}
		if name == "-" {
			name = "standard input"
		}
		payload, faults := zabbix.Parse(body)
		if len(faults) > 0 {
			var all []error
			for _, f := range faults {
				all = append(all, fmt.Errorf("%s: %s", name, f))
			}
			return p, "", errors.Join(all...)
		}
		if payload.Test {
			return p, "", fmt.Errorf("%s: macros are not resolved: this is from Zabbix's Test button, not a problem (use the payload of a real event)", name)
		}
		e, err := payload.Event(decodeOptions(o.Config, payload, o.Now))
		if err != nil {
			return p, "", fmt.Errorf("%s: %w", name, err)
		}
		if p.Key != (alert.Key{}) && p.Key != e.Key {
			return p, "", fmt.Errorf("%s is about %s, the previous payload about %s: use payloads of one problem", name, e.Key, p.Key)
		}
		p, _ = alert.Apply(p, e)
		sendTo = e.SendTo
	}
	return p, sendTo, nil
}

// maxPayload is what the receiver takes of one event.
const maxPayload = 1 << 20

func readPayload(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		defer f.Close()
		from = f
	}
	body, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	switch {
	case err == nil && len(bytes.TrimSpace(body)) == 0:
		err = errors.New("empty: expected the JSON object that Zabbix posts")
	case err == nil && len(body) > maxPayload:
		err = errors.New("longer than 1 MiB, which the relay would reject")
	}
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", name, err)
	}
	return body, nil
}

// decodeOptions are those of the payload's source: the named one, or the first.
// A payload out of a file was received when Zabbix's own clock in it says, not now:
// against another clock its time zone would come out wrong.
func decodeOptions(cfg *config.Config, payload zabbix.Payload, now time.Time) zabbix.DecodeOptions {
	d := zabbix.DecodeOptions{Source: payload.Source, ReceivedAt: now}
	if cfg != nil && len(cfg.Zabbix) > 0 {
		s := cfg.Zabbix[0]
		if named, ok := cfg.Source(payload.Source); ok {
			s = named
		}
		d.Source, d.Location = s.Name, s.TimeZone.Location
	}
	if d.Source == "" {
		d.Source = "main"
	}
	if sent, err := time.ParseInLocation("2006.01.02 15:04:05", payload.Macro("date")+" "+payload.Macro("time"), cmp.Or(d.Location, time.UTC)); err == nil {
		d.ReceivedAt = sent
	}
	return d
}

// RouteExplanation says where a problem goes, and why.
type RouteExplanation struct {
	Problem  string       `json:"problem"`
	Name     string       `json:"name"`
	Severity string       `json:"severity"`
	Steps    []route.Step `json:"steps"`
	Rooms    []string     `json:"rooms"`
	When     []RoomTiming `json:"when,omitempty"` // rooms that are told later than at once, or again
}

// RoomTiming is when a room hears of a problem, in words.
type RoomTiming struct {
	Room  string `json:"room"`
	Route string `json:"route,omitempty"`
	When  string `json:"when"`
}

// ExplainRoute routes payloads as the relay would.
func ExplainRoute(o PreviewOptions) (*RouteExplanation, error) {
	p, sendTo, err := readProblem(o)
	if err != nil {
		return nil, err
	}
	router, err := route.New(o.Config)
	if err != nil {
		return nil, err
	}
	e := &RouteExplanation{Problem: p.Key.String(), Name: p.Name, Severity: p.Severity.String(), Rooms: []string{}}
	var targets []route.Target
	e.Steps, targets = router.Explain(p, sendTo, o.Now)
	for _, t := range targets {
		e.Rooms = append(e.Rooms, t.Room)
		if when := router.When(t, p, o.Now); when != "" {
			e.When = append(e.When, RoomTiming{Room: t.Room, Route: t.Route, When: when})
		}
	}
	return e, nil
}

// CheckTemplates loads every template that a configuration names and tries it
// on the built-in samples.
func CheckTemplates(cfg *config.Config) error {
	_, err := newRenderer(cfg, nil, nil)
	return err
}
