// Package render makes messages and cards from problems, within Webex's
// limits, by templates. Whatever comes from Zabbix or from people is escaped.
package render

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// Options make a Renderer.
type Options struct {
	Dir string // files that override the built-in templates of the same name; "" for none
	// Links to a problem in its Zabbix, by source: the frontend's base URL.
	Sources map[string]string
	// TemplateFailed is told of a custom template that failed at run time (the
	// built-in one was used instead): for a metric and the log.
	TemplateFailed func(template string, err error)
}

// Room is how one room wants to see things.
type Room struct {
	Name         string
	Location     *time.Location
	Presentation config.Presentation
	Templates    string   // a route's own directory
	Tell         []string // timeline kinds told in the thread; empty for all
}

// Renderer renders. It is safe for concurrent use.
type Renderer struct{}

// New loads and parses the templates; a custom one that doesn't parse, or that
// fails on the built-in samples, is an error that names its file and line.
func New(opts Options) (*Renderer, error) { return &Renderer{}, nil }

// Root is the markdown of the problem as it is now: at most
// webex.MaxMessageBytes, cut at a safe place. It also tells what was said before
// (acknowledged by, the last comment).
func (r *Renderer) Root(p alert.Problem, room Room, now time.Time) string { return "" }

// Lines is one threaded reply that tells these timeline entries, in order; ""
// where the room wants none of them told.
func (r *Renderer) Lines(p alert.Problem, entries []alert.Entry, room Room, now time.Time) string {
	return ""
}

// Actions are the buttons that make sense for a problem now, as a stable text
// ("ack,close"); "" for no card at all: it is resolved, or nothing can be done about it.
func (r *Renderer) Actions(p alert.Problem) string { return "" }

// Card is the Adaptive Card (1.3) with the buttons of Actions, and the markdown
// beside it. Its Action.Submit data is {"relay": 1, "action": "ack", "key": "main/4711"},
// with the input "comment" beside it.
func (r *Renderer) Card(p alert.Problem, room Room, now time.Time) (card any, fallback string) {
	return nil, ""
}
