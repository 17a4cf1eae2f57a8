package store

import (
	"sync"

	"nms-alert-relay/internal/pace"
)

// Topic is a kind of work that a write may leave for a subscriber.
type Topic string

const (
	TopicJournal   Topic = "journal"   // entries to fold
	TopicPosts     Topic = "posts"     // posts to check again; the writer names neither room nor revision
	TopicGroups    Topic = "groups"    // groups to show
	TopicNotices   Topic = "notices"   // notices to send
	TopicReminders Topic = "reminders" // reminders that may be due earlier
)

// Notifier wakes the subscribers of a topic. A notification has no content, and may be coalesced with others or lost (between
// processes, say): subscribers read the store, and poll it as well.
type Notifier interface {
	// Notify wakes all subscribers of a topic. It never blocks.
	Notify(topic Topic)
	// Subscribe returns a channel that is readable after a notification, and a function that ends the subscription.
	Subscribe(topic Topic) (woken <-chan struct{}, cancel func())
}

// Local is the Notifier within one process. Its zero value is ready to use.
type Local struct {
	mu          sync.Mutex
	subscribers map[Topic]map[chan struct{}]bool
}

// Notify implements Notifier. Notifications that a subscriber hasn't read yet are merged into one.
func (l *Local) Notify(topic Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for woken := range l.subscribers[topic] {
		pace.Wake(woken)
	}
}

// Subscribe implements Notifier.
func (l *Local) Subscribe(topic Topic) (<-chan struct{}, func()) {
	woken := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subscribers == nil {
		l.subscribers = map[Topic]map[chan struct{}]bool{}
	}
	if l.subscribers[topic] == nil {
		l.subscribers[topic] = map[chan struct{}]bool{}
	}
	l.subscribers[topic][woken] = true
	return woken, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.subscribers[topic], woken)
	}
}
