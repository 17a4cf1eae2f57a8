package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Each subscriber of a topic is woken, once for many notifications, and never blocks the notifier.
func TestNotifierMergesAndNeverBlocks(t *testing.T) {
	var n Local
	n.Notify(TopicJournal) // no subscriber yet
	one, cancelOne := n.Subscribe(TopicJournal)
	two, cancelTwo := n.Subscribe(TopicJournal)
	other, cancelOther := n.Subscribe(TopicNotices)
	defer cancelTwo()
	defer cancelOther()
	require.False(t, woken(one), "a subscriber gets no wake-up from before its subscription: the poll finds those")
	for range 3 {
		n.Notify(TopicJournal)
	}
	require.True(t, woken(one))
	require.False(t, woken(one))
	require.True(t, woken(two))
	require.False(t, woken(other))

	cancelOne()
	cancelOne()
	n.Notify(TopicJournal)
	require.False(t, woken(one))
	require.True(t, woken(two))
}

// written is a Store whose writes return err.
type written struct {
	Store
	err error
}

func (w written) Append(context.Context, Entry) (int64, error)            { return 7, w.err }
func (w written) RetryEntry(context.Context, int64) error                 { return w.err }
func (w written) CommitFold(context.Context, Fold) error                  { return w.err }
func (w written) AddNotice(context.Context, Notice) (int64, error)        { return 7, w.err }
func (w written) ReplayDead(context.Context, string) error                { return w.err }
func (w written) AddReminder(context.Context, Reminder) (int64, error)    { return 7, w.err }
func (w written) SaveReminder(context.Context, Reminder, time.Time) error { return w.err }
func (w written) PostReminder(context.Context, Reminder, time.Time, Notice) (int64, error) {
	return 7, w.err
}

// A write wakes the subscribers of its topics, and no others; a failed write wakes nobody.
func TestWritesWake(t *testing.T) {
	for name, c := range map[string]struct {
		write func(s Store) error
		wakes []Topic
	}{
		"append":            {func(s Store) error { _, err := s.Append(t.Context(), Entry{}); return err }, []Topic{TopicJournal}},
		"retry":             {func(s Store) error { return s.RetryEntry(t.Context(), 1) }, []Topic{TopicJournal}},
		"fold":              {func(s Store) error { return s.CommitFold(t.Context(), Fold{Applied: []int64{1}}) }, nil},
		"fold with groups":  {func(s Store) error { return s.CommitFold(t.Context(), Fold{Groups: []Group{{}}}) }, []Topic{TopicGroups}},
		"fold with notices": {func(s Store) error { return s.CommitFold(t.Context(), Fold{Notices: []Notice{{}}}) }, []Topic{TopicNotices}},
		"notice":            {func(s Store) error { _, err := s.AddNotice(t.Context(), Notice{}); return err }, []Topic{TopicNotices}},
		"add a reminder":    {func(s Store) error { _, err := s.AddReminder(t.Context(), Reminder{}); return err }, []Topic{TopicReminders}},
		"save a reminder":   {func(s Store) error { return s.SaveReminder(t.Context(), Reminder{}, time.Time{}) }, []Topic{TopicReminders}},
		"post a reminder": {func(s Store) error {
			_, err := s.PostReminder(t.Context(), Reminder{}, time.Time{}, Notice{})
			return err
		}, []Topic{TopicNotices, TopicReminders}},
		"replay a dead letter": {func(s Store) error { return s.ReplayDead(t.Context(), "post:main/1@noc") }, []Topic{TopicPosts, TopicNotices}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.wakes, wokenBy(func(n Notifier) { require.NoError(t, c.write(Waking(written{}, n))) }))
			require.Empty(t, wokenBy(func(n Notifier) { require.Error(t, c.write(Waking(written{err: errors.New("disk full")}, n))) }))
		})
	}
}

// wokenBy returns the topics whose subscribers are woken.
func wokenBy(do func(n Notifier)) (topics []Topic) {
	var n Local
	all := []Topic{TopicJournal, TopicPosts, TopicGroups, TopicNotices, TopicReminders}
	channels := map[Topic]<-chan struct{}{}
	for _, topic := range all {
		channels[topic], _ = n.Subscribe(topic)
	}
	do(&n)
	for _, topic := range all {
		if woken(channels[topic]) {
			topics = append(topics, topic)
		}
	}
	return topics
}
