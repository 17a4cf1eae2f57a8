package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"nms-alert-relay/internal/store"
)

// firstValue is the prefix of the names of values: when a source was first asked, in RFC 3339, while its open problems are being read, and then
// firstDone.
const (
	firstValue = "reconcile/first/"
	firstDone  = "done"
	// sinceValue is the prefix of the names of values that keep that time.
	sinceValue = "reconcile/since/"
)

// Notices make the messages of reconciliation, for the rooms that get them.
type Notices struct {
	// First is what a new relay found open in a source, by room.
	First func(source string, found []store.Unposted) []store.Notice
}

// begin finds out whether the source is new to the store: then all that Zabbix has open is to be known without being posted.
func (w *sweep) begin(ctx context.Context) {
	err := store.Retry(ctx, w.opts.Log, rand.Float64, "finding out whether a source is new", func(ctx context.Context) error {
		since, err := w.opts.Store.Value(ctx, sinceValue+w.name)
		if err == nil {
			w.since, err = time.Parse(time.RFC3339, since)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		value, err := w.opts.Store.Value(ctx, firstValue+w.name)
		switch {
		case err == nil && value != firstDone:
			w.first, err = time.Parse(time.RFC3339, value)
			return err
		case err == nil || !errors.Is(err, store.ErrNotFound):
			return err
		}
		has, err := w.opts.Store.HasSource(ctx, w.name)
		if err != nil {
			return err
		}
		if value = firstDone; !has {
			w.first = time.Now().UTC().Truncate(time.Second)
			w.since, value = w.first, w.first.Format(time.RFC3339)
			if err := w.opts.Store.SetValue(ctx, sinceValue+w.name, value); err != nil {
				return err
			}
		}
		return w.opts.Store.SetValue(ctx, firstValue+w.name, value)
	})
	if err != nil && ctx.Err() == nil {
		w.opts.Log.Error("cannot find out whether a source is new: problems that are open already are posted", "source", w.name, "error", err)
	}
}

// endFirst ends the time of a new source once all problems that were open in Zabbix are known, and tells each room of those that it
// would show.
func (w *sweep) endFirst(ctx context.Context) error {
	if w.first.IsZero() {
		return nil
	}
	for _, d := range w.differs {
		if d.kind == unknown && !d.opened.After(w.first) && d.asked < settled {
			return nil
		}
	}
	found, err := w.opts.Store.Unposted(ctx, w.name)
	if err != nil {
		return err
	}
	if len(found) > 0 && w.opts.Notices.First != nil {
		if err := w.send(ctx, w.opts.Notices.First(w.name, found)); err != nil {
			return err
		}
	}
	if err := w.opts.Store.SetValue(ctx, firstValue+w.name, firstDone); err != nil {
		return err
	}
	w.opts.Log.Info("recorded the problems that were open before this relay", "source", w.name)
	w.first = time.Time{}
	return nil
}

func (w *sweep) send(ctx context.Context, notices []store.Notice) error {
	for _, n := range notices {
		if _, err := w.opts.Store.AddNotice(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
