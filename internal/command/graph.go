package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
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

var howGraph = phraseOf("For example: `graph 4711`, `graph 4711 3h`, or in a problem's thread `graph 2d`.")

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
	problems, damaged, err := e.graphed(ctx, a.Key)
	if err != nil {
		return 0, err
	}
	view := e.o.View()
	say := b.voice(view)
	p, known := problems[a.Key]
	switch {
	case damaged && !known:
		return atOnce, e.endAttemptsAs(ctx, b, stageFailed, damagedProblem(a.Key, say))
	case !known || p.Generation != a.Generation:
		return atOnce, e.endAttemptsAs(ctx, b, stageFailed, superseded(a.Key, a.Name, say))
	}
	begun := time.Now()
	picture, err := history.Of(context.WithoutCancel(ctx), l.zabbix, history.Request{
		Problem: p, Asked: b.req.Length.For, Zone: say.room.Location, Lang: say.Lang, Title: titled(a.Key, p.Name, view.Several), Now: begun,
	})
	e.o.Graphs.Count(history.ForCommand, picture, err, time.Since(begun))
	var ze *zabbix.Error
	switch {
	case errors.As(err, &ze) && meaningOf(err) == refuses:
		return atOnce, e.endAttempts(ctx, b, stageFailed, func(a attempt) string { return refusedGraph(a, ze, say) })
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

// graphed reads the problem of a graph.
func (e *Executor) graphed(ctx context.Context, key alert.Key) (problems map[alert.Key]alert.Problem, damaged bool, err error) {
	err = e.persist(ctx, "reading the problem of a graph", func(ctx context.Context) (err error) {
		problems, damaged, err = e.readable(ctx, []alert.Key{key})
		return err
	})
	return problems, damaged, err
}

// refusedGraph explains a refusal of Zabbix, and the remedy.
func refusedGraph(a attempt, e *zabbix.Error, say voice) string {
	source, said := webex.EscapeCode(a.Key.Source), ""
	if e.Message != "" {
		said = say.T(" Zabbix says: “%s”", webex.EscapeMarkdown(text.Cut(e.Message, 500)))
	}
	switch e.Kind {
	case zabbix.NotAuthorised:
		return say.T("🔑 Couldn't %s: Zabbix `%s` rejected the relay's API token. Tell the relay's administrator: the relay's log has the details.%s", a.Does, source, said)
	case zabbix.RoleForbids:
		return say.T("🚫 Couldn't %s: the role of the relay's user in Zabbix `%s` doesn't allow it. A Zabbix administrator can allow `history.get`, `trend.get` and `item.get`: `alert-relay setup zabbix`, or by hand: docs/zabbix.md.%s", a.Does, source, said)
	}
	return say.T("❌ Couldn't %s: Zabbix `%s` refused.%s", a.Does, source, said)
}
