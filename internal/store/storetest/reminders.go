package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A reminder is due until it is posted or removed; who saves it on top of what another wrote is told so. Its message leads to it.
func testReminders(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	next := func(limit int) []store.Reminder { return must(s.NextReminders(t.Context(), limit))(t) }
	require.Empty(t, next(0))
	a := store.Reminder{
		Kind: store.ReminderProblem, Room: "person:alice@example.com", RoomID: "R1", Bot: "noc", Person: "P1", Email: "alice@example.com", Name: "Alice",
		Problem: key("4711"), Words: "link 100%' <@all>", Zone: "Europe/Berlin", Command: "C1", CreatedAt: t0, Due: t0.Add(2 * time.Hour),
	}
	b := store.Reminder{Kind: store.ReminderReport, Room: "noc", Schedule: "08:00 weekdays", Command: "C2", CreatedAt: t0, Due: t0.Add(time.Hour), Last: t0}
	a.ID, b.ID = must(s.AddReminder(t.Context(), a))(t), must(s.AddReminder(t.Context(), b))(t)
	require.Equal(t, a.ID, must(s.AddReminder(t.Context(), a))(t), "of the same command")
	require.NotEqual(t, a.ID, b.ID)
	require.NoError(t, s.Close())
	s = open(t, dir)
	same(t, []store.Reminder{b, a}, next(0))
	same(t, []store.Reminder{b}, next(1))
	same(t, a, must(s.Reminder(t.Context(), a.ID))(t))
	_, err := s.Reminder(t.Context(), 99)
	require.ErrorIs(t, err, store.ErrNotFound)

	// It is posted, and snoozed in its thread.
	id := must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeReminder, Person: "alice@example.com", Text: "x"}))(t)
	n := must(s.Notice(t.Context(), id))(t)
	was := a.Due
	a.Last, a.Due, a.Notice = a.Due, time.Time{}, id
	require.NoError(t, s.SaveReminder(t.Context(), a, was))
	require.ErrorIs(t, s.SaveReminder(t.Context(), a, was), store.ErrConflict)
	require.ErrorIs(t, s.SaveReminder(t.Context(), store.Reminder{ID: 99}, was), store.ErrNotFound)
	same(t, []store.Reminder{b}, next(0))
	_, err = s.ReminderByMessage(t.Context(), "M1")
	require.ErrorIs(t, err, store.ErrNotFound, "not sent yet")
	n.State, n.MessageID, n.SentVersion = store.NoticeSent, "M1", n.Version
	require.NoError(t, s.SaveNotice(t.Context(), n))
	same(t, a, must(s.ReminderByMessage(t.Context(), "M1"))(t))
	for _, other := range []string{"M2", ""} {
		_, err = s.ReminderByMessage(t.Context(), other)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	a.Due = t0.Add(30 * time.Minute)
	require.NoError(t, s.SaveReminder(t.Context(), a, time.Time{}))
	same(t, []store.Reminder{a, b}, next(0))
	was = b.Due
	b.Schedule, b.Zone = "09:30 daily", "Europe/Paris"
	require.NoError(t, s.SaveReminder(t.Context(), b, was))
	same(t, b, must(s.Reminder(t.Context(), b.ID))(t))

	// Posting writes both the notice and the row, or neither: of one that was moved meanwhile nothing is posted.
	notices := func() int { return len(must(s.PendingNotices(t.Context()))(t)) }
	pending, post := notices(), store.Notice{Kind: store.NoticeReminder, Room: "noc", Markdown: "due", Dedup: "d"}
	_, err = s.PostReminder(t.Context(), b, b.Due.Add(time.Second), post)
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = s.PostReminder(t.Context(), store.Reminder{ID: 99}, b.Due, post)
	require.ErrorIs(t, err, store.ErrNotFound)
	was = b.Due
	b.Last, b.Due = b.Due, b.Due.Add(time.Minute)
	require.Equal(t, pending, notices())
	require.Zero(t, must(s.Reminder(t.Context(), b.ID))(t).Notice)
	b.Notice = must(s.PostReminder(t.Context(), b, was, post))(t)
	require.Equal(t, pending+1, notices())
	require.Equal(t, "due", must(s.Notice(t.Context(), b.Notice))(t).Markdown)
	same(t, b, must(s.Reminder(t.Context(), b.ID))(t))
	posted := must(s.Notice(t.Context(), b.Notice))(t)
	posted.State, posted.SentVersion = store.NoticeSent, posted.Version
	require.NoError(t, s.SaveNotice(t.Context(), posted))

	// Only what isn't due any more is pruned, with its problem's retention.
	prune := func(problems time.Time) int { return must(s.Prune(t.Context(), t0, problems, t0, 10))(t) }
	far := t0.Add(1000000 * time.Hour)
	require.Equal(t, 2, prune(far), "the notices")
	same(t, []store.Reminder{a, b}, next(0))
	was, a.Due = a.Due, time.Time{}
	require.NoError(t, s.SaveReminder(t.Context(), a, was))
	require.Zero(t, prune(t0))
	require.Equal(t, 1, prune(far))
	_, err = s.Reminder(t.Context(), a.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	same(t, []store.Reminder{b}, next(0))
	c := store.Reminder{Kind: store.ReminderReport, Command: "C3", CreatedAt: t0, Due: t0}
	require.Greater(t, must(s.AddReminder(t.Context(), c))(t), b.ID)
}
