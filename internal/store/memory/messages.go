package memory

import (
	"context"

	"nms-alert-relay/internal/store"
)

// show records what a message shows, unless that is recorded already.
func (d *data) show(messageID, before string, what shows) {
	if messageID != "" && messageID != before {
		d.messages.put(messageID, what)
	}
}

// forget removes the records of the messages of a post, group or notice.
func (d *data) forget(what shows) {
	for id, shown := range d.messages.rows {
		if shown == what {
			d.messages.delete(id)
		}
	}
}

// shown finds what a message shows or showed, through the notices of a thread.
func (d *data) shown(id string) shows {
	for range store.MaxParents {
		found, ok := d.messages.rows[id]
		if !ok {
			found = d.messages.rows[store.MessageID(id)]
		}
		if found.notice == 0 {
			return found
		}
		id = d.notices.rows[found.notice].ParentID
	}
	return shows{}
}

// PostByMessage implements store.Store.
func (s *Store) PostByMessage(ctx context.Context, messageID string) (store.Post, error) {
	return call(ctx, s, func() (store.Post, error) {
		return s.posts.get(s.shown(messageID).post, "post with message "+messageID)
	})
}

// GroupByMessage implements store.Store.
func (s *Store) GroupByMessage(ctx context.Context, messageID string) (store.Group, error) {
	return call(ctx, s, func() (store.Group, error) {
		return s.group(s.shown(messageID).group, "group with message "+messageID)
	})
}
