// Package tryout shows what a configuration does without a running relay: the message that a payload becomes, the rooms that it goes
// to, and the rooms that the bots are in.
package tryout

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/text"
)

// Options select what to show.
type Options struct {
	Config    *config.Config // nil: defaults
	Templates string         // a directory of templates that replaces those of the configuration
	Room      string         // configured name; "": the first one of routing
	Now       time.Time
	Payloads  []string // files, "-", or "sample:NAME"
	Stdin     io.Reader
}

// Message is what a room would see.
type Message struct {
	Problem string `json:"problem,omitempty"`
	State   string `json:"state,omitempty"`
	Room    string `json:"room,omitempty"`
	// Presentation is the room's. A "line" has neither thread nor card. In a "card" the card is the message as long as it has buttons.
	Presentation string   `json:"presentation,omitempty"`
	Root         string   `json:"root,omitempty"`
	Thread       string   `json:"thread,omitempty"`
	Buttons      string   `json:"buttons,omitempty"`
	Card         any      `json:"card,omitempty"`
	Fallback     string   `json:"fallback,omitempty"` // text sent with the card, for notifications and clients without cards
	Samples      []string `json:"samples,omitempty"`
}

// samplePrefix marks the name of a built-in problem. "sample:list" lists them.
const samplePrefix = "sample:"

// Preview renders payloads as a room would see them. Nothing is sent or stored.
func Preview(o Options) (*Message, error) {
	if len(o.Payloads) == 1 && o.Payloads[0] == samplePrefix+"list" {
		return &Message{Samples: slices.Sorted(maps.Keys(render.Samples()))}, nil
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
		// It replaces the directories of the routes, too.
		c.Routes = slices.Clone(cfg.Routes)
		for i := range c.Routes {
			c.Routes[i].Templates = ""
		}
		cfg = &c
	}
	var failed error
	options := render.OptionsOf(cfg)
	options.TemplateFailed = func(template string, err error) { failed = fmt.Errorf("template %s: %w", template, err) }
	renderer, err := render.New(options)
	if err != nil {
		return nil, err
	}
	room, err := previewRoom(cfg, p, sendTo, o)
	if err != nil {
		return nil, err
	}
	room.MayRead = func([]string) bool { return true } // a sample's memory is invented
	v := &Message{Problem: p.Key.String(), State: string(p.State), Room: room.Name, Presentation: string(room.Presentation)}
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

// previewRoom returns the room that the preview is for.
func previewRoom(cfg *config.Config, p alert.Problem, sendTo string, o Options) (render.Room, error) {
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

// CheckTemplates loads all templates of a configuration and tries them on the built-in problems.
func CheckTemplates(cfg *config.Config) error {
	_, err := render.New(render.OptionsOf(cfg))
	return err
}
