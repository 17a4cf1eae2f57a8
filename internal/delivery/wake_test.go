package delivery

import (
	"context"

	"nms-alert-relay/internal/store"
)

// waking wakes delivery after its own notices, as store.Waking does.
type waking struct {
	*memStore
	store.Local
}

func (w *waking) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	id, err := w.memStore.AddNotice(ctx, n)
	if err == nil {
		w.Notify(store.TopicNotices)
	}
	return id, err
}

// committed wakes delivery as the ledger and store.Waking do after a fold.
func (d *Delivery) committed(f store.Fold) {
	d.Notify(f)
	if len(f.Groups) > 0 {
		d.Notifier.Notify(store.TopicGroups)
	}
}

// WakeNotices wakes delivery as a new notice does.
func (d *Delivery) WakeNotices() { d.Notifier.Notify(store.TopicNotices) }

// RescanNow wakes delivery as a replayed dead letter does.
func (d *Delivery) RescanNow() { d.Notifier.Notify(store.TopicPosts) }
