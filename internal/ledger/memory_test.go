package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// ofTrigger is the payload of a trigger's problem that opens at a minute of an hour, or resolves two minutes later.
func ofTrigger(trigger string, id, minute int, value string) string {
	at := fmt.Sprintf("10:%02d:00", minute)
	return payload(fmt.Sprint(id), value, "TRIGGER.ID", trigger, "HOST.HOST", "sw1", "EVENT.TIME", at,
		"EVENT.RECOVERY.DATE", "2026.11.24", "EVENT.RECOVERY.TIME", fmt.Sprintf("10:%02d:00", minute+2))
}

// A problem knows how often its trigger opened before, how long that usually took, and what somebody wrote then, also after the
// earlier problems were pruned. It makes no difference in which batches they arrive.
func TestMemory(t *testing.T) {
	for _, batches := range []string{"one batch", "a batch each"} {
		t.Run(batches, func(t *testing.T) {
			b := newBench(t)
			add := func(payload string) {
				b.append(payload)
				if batches == "a batch each" {
					b.run()
				}
			}
			for i := range 3 {
				add(ofTrigger("23118", i+1, 10*i, "1"))
				add(ofTrigger("23118", i+1, 10*i, "0"))
			}
			add(payload("2", "1", "TRIGGER.ID", "23118", "HOST.HOST", "sw1", "EVENT.TIME", "10:10:00", "EVENT.UPDATE.STATUS", "1", "EVENT.UPDATE.DATE", "2026.11.24",
				"EVENT.UPDATE.TIME", "10:15:00", "EVENT.UPDATE.ACTION", "commented", "EVENT.UPDATE.MESSAGE", "drains by itself", "USER.FULLNAME", "Alice"))
			add(ofTrigger("23119", 10, 30, "1"))
			b.run()
			require.Equal(t, &alert.Memory{Times: 1}, b.problem("1").Memory)
			require.Equal(t, &alert.Memory{Times: 1}, b.problem("10").Memory, "another trigger")
			require.Equal(t, 2, b.problem("2").Memory.Times)

			future := time.Now().Add(time.Hour)
			_, err := b.store.Prune(t.Context(), future, future, time.Time{}, 0)
			require.NoError(t, err)
			b.append(ofTrigger("23118", 4, 40, "1"))
			b.run()
			m := b.problem("4").Memory
			require.NotNil(t, m)
			require.True(t, m.Known)
			require.Equal(t, 4, m.Times)
			require.Equal(t, 2*time.Minute, m.Usual)
			require.Len(t, m.Remarks, 1)
			require.Equal(t, "drains by itself", m.Remarks[0].Text)
			require.Equal(t, []string{"noc"}, m.Remarks[0].Rooms)

			b.append(ofTrigger("23118", 5, 50, "1"))
			b.append(ofTrigger("23118", 5, 50, "0"))
			b.run()
			b.append(ofTrigger("23118", 6, 35, "1")) // late
			b.append(ofTrigger("23118", 6, 35, "0"))
			b.run()
			b.append(payload("4", "1", "TRIGGER.ID", "23118", "HOST.HOST", "sw1", "EVENT.TIME", "10:40:00", "EVENT.NSEVERITY", "5"))
			b.run()
			require.Equal(t, m, b.problem("4").Memory, "the memory of a problem doesn't change")
		})
	}
}

// A batch whose commit fails counts once.
func TestMemoryOfARepeatedCommit(t *testing.T) {
	b := newBench(t)
	left := 1
	b.store.fail = func(store.Fold) (before, after error) {
		if left--; left >= 0 {
			return nil, errors.New("disk I/O error")
		}
		return nil, nil
	}
	b.append(ofTrigger("23118", 1, 0, "1"))
	b.append(ofTrigger("23118", 1, 0, "0"))
	b.append(`{"EVENT.ID": "{EVENT.ID}"}`)
	b.run()
	b.append(ofTrigger("23118", 2, 20, "1"))
	b.run()
	require.Equal(t, 2, b.problem("2").Memory.Times)
}

// A problem that an earlier version of the relay stored gets its memory with the next change that a room sees: until then its message
// stays as it is.
func TestMemoryComesWithAVisibleChange(t *testing.T) {
	b := newBench(t)
	b.append(ofTrigger("23118", 1, 0, "1"))
	b.run()
	p := b.problem("1")
	p.Memory = nil
	require.NoError(t, b.store.Store.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}}))

	b.append(payload("1", "1", "TRIGGER.ID", "23118", "HOST.HOST", "sw1", "EVENT.TIME", "10:00:00", "ALERT.SENDTO", "db"))
	b.run()
	require.Contains(t, b.problem("1").SendTo, "db")
	require.Equal(t, p.Revision, b.problem("1").Revision)
	require.Nil(t, b.problem("1").Memory)
	b.append(ofTrigger("23118", 1, 0, "0"))
	b.run()
	require.Equal(t, &alert.Memory{Times: 1}, b.problem("1").Memory)
}

// A remark is for the rooms that the problem was posted in by the end, and for one that got it later.
func TestRemarksKnowTheirRooms(t *testing.T) {
	b := newBench(t)
	stats := func() alert.TriggerStats {
		trigger := alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw1"}
		known, err := b.store.TriggerStats(t.Context(), []alert.TriggerKey{trigger})
		require.NoError(t, err)
		return known[trigger]
	}
	comment := func(text string) string {
		return payload("1", "1", "TRIGGER.ID", "23118", "HOST.HOST", "sw1", "EVENT.TIME", "10:00:00", "EVENT.UPDATE.STATUS", "1", "EVENT.UPDATE.DATE", "2026.11.24",
			"EVENT.UPDATE.TIME", "10:01:00", "EVENT.UPDATE.ACTION", "commented", "EVENT.UPDATE.MESSAGE", text, "USER.FULLNAME", "Alice")
	}
	b.append(ofTrigger("23118", 1, 0, "1"))
	b.append(comment("loose cable"))
	b.own(store.EntryReroute, store.Envelope{EventID: "1", Room: "elsewhere"})
	b.run()
	require.Empty(t, stats().Occurrences, "it isn't resolved")
	b.append(ofTrigger("23118", 1, 0, "0"))
	b.run()
	require.Equal(t, []string{"elsewhere", "noc"}, stats().Occurrences[0].Rooms)
	b.own(store.EntryReroute, store.Envelope{EventID: "1", Room: "fallback"})
	b.run()
	require.Equal(t, []string{"elsewhere", "fallback", "noc"}, stats().Occurrences[0].Rooms)
	b.append(ofTrigger("23118", 1, 0, "0")) // twice
	b.run()
	require.Len(t, stats().Occurrences, 1)
	require.Equal(t, "loose cable", stats().Occurrences[0].Remark.Text)
}

// A problem whose event id another one of the trigger got keeps its place in the statistics, its remark and its rooms.
func TestMemoryWhenAnEventIDComesBack(t *testing.T) {
	for _, batches := range []string{"one batch", "a batch each"} {
		t.Run(batches, func(t *testing.T) {
			b := newBench(t)
			at := func(day, value string, more ...string) string {
				return payload("1", value, append([]string{"TRIGGER.ID", "23118", "HOST.HOST", "sw1", "EVENT.DATE", day, "EVENT.TIME", "10:00:00",
					"EVENT.RECOVERY.DATE", day, "EVENT.RECOVERY.TIME", "10:02:00"}, more...)...)
			}
			for _, p := range []string{
				at("2026.11.20", "1"),
				at("2026.11.20", "1", "EVENT.UPDATE.STATUS", "1", "EVENT.UPDATE.DATE", "2026.11.20", "EVENT.UPDATE.TIME", "10:01:00",
					"EVENT.UPDATE.ACTION", "commented", "EVENT.UPDATE.MESSAGE", "loose cable", "USER.FULLNAME", "Alice"),
				at("2026.11.20", "0"), at("2026.11.24", "1"), at("2026.11.24", "0"),
			} {
				b.append(p)
				if batches == "a batch each" {
					b.run()
				}
			}
			b.append(ofTrigger("23118", 2, 40, "1"))
			b.run()
			require.Equal(t, 2, b.problem("1").Memory.Times)
			m := b.problem("2").Memory
			require.Equal(t, 3, m.Times)
			require.Equal(t, 2*time.Minute, m.Latest)
			require.Len(t, m.Remarks, 1)
			require.Equal(t, "loose cable", m.Remarks[0].Text)
		})
	}
}
