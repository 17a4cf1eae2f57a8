package command

import (
	"context"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// graphLane begins the names of the lanes in which graphs are drawn, one for each source: nothing waits for them, and they for nothing.
const graphLane = "graphs:"

// maxGraphs bounds the graphs of one command: each is a message.
const maxGraphs = 5

func graphVerbs() []verb {
	return []verb{{
		name: Graph, aliases: []string{"chart", "plot"}, role: viewer,
		usage: "graph [ID …] [LENGTH]", does: "draws the values that a problem's trigger watches, from before it began; with a length that much: `3h`, `2d`",
		examples: []string{"graph 4711", "graph 4711 3h", "graph 2d"},
		problems: true, spans: true, button: true, parse: parseGraph, work: &worker{role: func(View, Task) config.Role { return viewer }, begin: beginGraph, step: stepGraph},
	}}
}

// parseGraph parses "[ids] [LENGTH]".
func parseGraph(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	rest := strings.TrimLeft(t.rest, ": \n") // no words follow, whatever a colon means elsewhere
	head, l, after, ok := splitLength(rest)
	if !ok {
		head, after = rest, ""
	}
	t = n.scanIDs(v, head)
	words := strings.TrimLeft(t.rest, ":,- \n")
	if first, rest := firstWord(words); strings.EqualFold(first, "last") || strings.EqualFold(first, "for") { // "graph 4711 last 3h"
		words = strings.TrimSpace(rest)
	}
	switch {
	case t.ambiguous != "":
		return Request{}, misunderstood(v.name, "I'm not sure whether `%s` is an event id or a length, so I did nothing. %s", echo(t.ambiguous), howGraph)
	case words != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I did nothing. %s", echo(words), howGraph)
	case strings.Trim(after, ":.!? \n") != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s` after the length, so I did nothing. %s", echo(strings.TrimSpace(after)), howGraph)
	case ok && l.For <= 0:
		return Request{}, misunderstood(v.name, "A graph's length is a span, such as `3h` or `2d`. %s", howGraph)
	case l.For > history.MaxLength:
		return Request{}, misunderstood(v.name, "A graph shows at most a year. %s", howGraph)
	case len(t.refs) > maxGraphs:
		return Request{}, misunderstood(v.name, "That is more than %d graphs at once. Please split the command.", maxGraphs)
	}
	return Request{Verb: v.name, Refs: t.refs, Length: l}, nil
}

var howGraph = lang.Say("For example: `graph 4711`, `graph 4711 3h`, or in a problem's thread `graph 2d`.")

func beginGraph(ctx context.Context, e *Executor, s scope, c *store.Command, r *Request) ([]attempt, *refusal, error) {
	targets, refused, err := e.allowed(ctx, s, c, *r)
	if refused != nil || err != nil {
		return nil, refused, err
	}
	r.Task = &Task{}
	var attempts []attempt
	for _, t := range targets {
		// Own: the picture is the reply, wherever the command was written.
		a := attempt{Key: t.Key, Name: t.Problem.Name, Lane: graphLane + t.Key.Source, Own: true, Generation: t.Problem.Generation, Does: s.voice().T("draw the graph of %s", titled(t.Key, t.Problem.Name, s.Several))}
		if _, ok := t.Problem.Trigger(); !ok {
			a.Stage, a.Outcome = stageFailed, s.voice().T("🚫 Couldn't %s: only the problem of a trigger has values.", a.Does)
		}
		attempts = append(attempts, a)
	}
	return attempts, nil, nil
}

// stepGraph draws the graph of one problem. Reading changes nothing, so it is simply repeated after a failure.
func stepGraph(ctx context.Context, e *Executor, l *lane, b *batch, r round) (time.Duration, error) {
	b = b.some(0, 1)
	a := b.attempts[0]
	if r.late {
		return atOnce, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
	}
	found, err := e.current(ctx, b)
	if err != nil {
		return 0, err
	}
	view := e.o.View()
	say, p := b.voice(view), found[0].problem
	if refusal := found[0].refusal(a, say); refusal != "" {
		return atOnce, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	begun := time.Now()
	picture, err := history.Of(context.WithoutCancel(ctx), l.zabbix, history.Request{
		Problem: p, Asked: b.req.Length.For, Zone: say.room.Location, Lang: say.Lang, Title: titled(a.Key, p.Name, view.Several), Now: begun,
	})
	e.o.Graphs.Count(history.ForCommand, picture, err, time.Since(begun))
	switch {
	case err != nil && meaningOf(err) == refuses:
		return atOnce, e.endRefused(ctx, b, err)
	case err != nil:
		return e.tryAgain(ctx, l, b, err, r)
	}
	if b.req.Text != "" { // in the card's field when its button was pressed
		picture.Words += "\n\n" + say.T("Your comment was not sent. To send it: `comment %s …`.", webex.EscapeCode(idIn(a.Key, view.Several)))
	}
	title := titled(a.Key, a.Name, view.Several)
	part, done := "graph:"+a.Key.String(), say.T("✅ Drew the graph of %s", title)
	if picture.PNG == nil {
		done = say.T("✅ Read the values of %s", title)
		err = e.answer(ctx, b.job.command(), ":"+part, picture.Words, nil)
	} else {
		var missing string
		missing, err = e.attach(ctx, b.job.command(), part, picture.Words, store.File{Name: picture.Name, Type: "image/png", Content: picture.PNG})
		if err == nil && missing != "" {
			return atOnce, e.endAttemptsAs(ctx, b, stageFailed, "❌ "+picture.Words+missing)
		}
	}
	if err != nil {
		return 0, err
	}
	return atOnce, e.endAttemptsAs(ctx, b, stageDone, done)
}

// History returns the API of a source, for graphs; false if there is none.
func (e *Executor) History(source string) (history.Source, bool) {
	l, ok := e.lanes.Get(graphLane + source)
	if !ok || l.zabbix == nil {
		return nil, false
	}
	return l.zabbix, true
}
