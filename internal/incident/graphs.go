package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Graph is a problem's graph. Without a File there is nothing to draw.
type Graph struct {
	Words string // markdown
	File  *store.File
}

const (
	// maxGraphs is how many problems of an incident get a graph with its review.
	maxGraphs = 4
	// drawTime bounds the reading and drawing of one graph.
	drawTime = 30 * time.Second
)

// graphed returns the problems whose graphs follow the review, the worst first.
func (f Facts) graphed() (keys []alert.Key) {
	if !f.Reachable() {
		return nil
	}
	keys = slices.DeleteFunc(f.Current(), func(key alert.Key) bool {
		_, triggered := f.Known[key].Trigger()
		return !triggered
	})
	slices.SortStableFunc(keys, func(a, b alert.Key) int { return cmp.Compare(f.Known[b].Severity, f.Known[a].Severity) })
	return keys[:min(len(keys), maxGraphs)]
}

// drawing is a graph that is to be posted.
type drawing struct {
	facts Facts
	key   alert.Key
}

// drawAll draws what advance hands over until ctx ends, so that no other step waits for Zabbix.
func (l *Loop) drawAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-l.drawings:
			if err := l.draw(ctx, d.facts, d.key); err != nil && ctx.Err() == nil {
				l.o.Log.Error("a graph can't be posted yet, trying again in a moment", "incident", Number(d.facts.ID), "key", d.key.String(), "error", err)
			}
		}
	}
}

// draw posts the graph of a problem in the thread of the review, or leaves it out, and records that. If the relay stops before that, the
// next start does it again: the notice's Once makes that one message.
func (l *Loop) draw(ctx context.Context, f Facts, key alert.Key) error {
	if i, ok := l.o.Keeper.Get(f.ID); !ok || !slices.Contains(i.Graphs, key) { // drawn meanwhile
		return nil
	}
	log := l.o.Log.With("incident", Number(f.ID), "key", key.String())
	drawCtx, cancel := context.WithTimeout(ctx, drawTime)
	defer cancel()
	g, err := l.o.Graph(drawCtx, f, f.Known[key])
	var notice int64
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		log.Warn("the review gets no graph of a problem", "error", err)
	case g.File == nil:
		log.Info("the review gets no graph of a problem: there is nothing to draw")
	default:
		before, err := l.o.Keeper.store.Notice(ctx, f.Posting) // the review, or the graph before this one
		if err != nil && !store.Lasting(err) {
			return err
		}
		notice, err = l.o.Keeper.store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeGraph, Sender: sender, Room: Space(f.Incident), Bot: f.Bot, ParentID: cmp.Or(before.ParentID, before.MessageID),
			Markdown: webex.CutMarkdown(g.Words, webex.MaxMessageBytes), File: g.File, State: store.NoticePending, CreatedAt: time.Now(),
			Once: store.Once{Key: fmt.Sprintf("%s:graph:%s:%d", Number(f.ID), key, f.Reviewed.Unix()), Digest: "graph"},
		})
		switch {
		case errors.Is(err, store.ErrFull):
			log.Warn("the review gets no graph of a problem", "error", err)
		case err != nil:
			return err
		}
	}
	_, err = l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) {
		if !i.Reviewed.Equal(f.Reviewed) { // a problem joined meanwhile
			return
		}
		i.Graphs = slices.DeleteFunc(slices.Clone(i.Graphs), func(k alert.Key) bool { return k == key })
		i.Posting = cmp.Or(notice, i.Posting)
	})
	return err
}
