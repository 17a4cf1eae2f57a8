package ledger

import (
	"cmp"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

// maxCauses bounds the causes of a post: while a room is behind, the first ones say why.
const maxCauses = 8

// causesOf returns the causes of a post with one more. Those that the room shows already are left out; a member of a group, whose
// cursor doesn't say that, keeps its first one.
func causesOf(post store.Post, c store.Cause) []store.Cause {
	list := post.Causes
	if post.Group != 0 {
		list = list[:min(len(list), 1)]
	} else if post.Delivered >= post.Desired {
		list = nil
	}
	if c.Trace == "" || len(list) >= maxCauses || slices.ContainsFunc(list, func(has store.Cause) bool { return has.Trace == c.Trace }) {
		return list
	}
	return append(slices.Clip(list), c) // the store may share the list
}

// trace makes a span for each entry of a committed batch.
func (l *Ledger) trace(out Outcome, began time.Time) {
	if l.opts.Trace == nil {
		return
	}
	joined := map[alert.Key][]Gathered{}
	for _, g := range out.Gathered {
		joined[g.Key] = append(joined[g.Key], g)
	}
	posts := map[alert.Key][]store.Post{}
	for _, p := range out.Fold.Posts {
		posts[p.Key] = append(posts[p.Key], p)
	}
	now := time.Now()
	for _, r := range out.Results {
		e, key := r.Entry, r.Decoded.Event.Key
		about := tracing.About{Source: cmp.Or(key.Source, e.Source), EventID: key.EventID, Kind: string(r.Decoded.Event.Kind), Entry: e.ID}
		if r.Change.Duplicate {
			about.Result = "duplicate"
		}
		span := l.opts.Trace.Begin("fold", began, about, store.Cause{Trace: e.Trace, At: e.ReceivedAt})
		for _, p := range posts[key] {
			if slices.ContainsFunc(p.Causes, func(c store.Cause) bool { return c.Trace == e.Trace }) {
				span.Event("routed", tracing.About{Room: p.Room, Route: p.Route})
			}
		}
		for _, g := range joined[key] {
			span.Event("grouped", tracing.About{Room: g.Room, Kind: string(g.Kind)})
		}
		failure := ""
		if r.SetAside != "" {
			failure = "set aside"
		}
		span.EndAt(now, failure)
	}
}
