package delivery

import "nms-alert-relay/internal/store"

// WakeNotices wakes delivery as a new notice does.
func (d *Delivery) WakeNotices() { d.Notifier.Notify(store.TopicNotices) }

// RescanNow wakes delivery as a replayed dead letter does.
func (d *Delivery) RescanNow() { d.Notifier.Notify(store.TopicPosts) }
