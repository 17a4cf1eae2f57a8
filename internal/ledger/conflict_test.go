package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
)

// A problem that another process changed between the fold's read and its commit is read and planned again: neither
// change is lost.
func TestConflictIsPlannedAgain(t *testing.T) {
	b := newBench(t)
	b.append(payload("4711", "1"))
	b.run()
	other := 0
	b.store.fail = func(f store.Fold) (before, after error) {
		if other++; other > 1 {
			return nil, nil
		}
		e := alert.Event{Key: f.Problems[0].Key, Kind: alert.KindAction, At: t0.Add(time.Minute), ReceivedAt: t0.Add(time.Minute), Update: &alert.Update{
			At: t0.Add(time.Minute), Actor: alert.Actor{Name: "Alice", Email: "alice@example.com"}, Actions: alert.Actions{Ack: true}}}
		was := b.problem("4711")
		p, _ := alert.Apply(was, e)
		require.NoError(t, b.store.Store.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}, Read: map[alert.Key]int64{p.Key: was.Revision}}))
		return nil, nil
	}
	b.append(payload("4711", "0"))
	b.run()
	require.Equal(t, 2, other)
	p := b.problem("4711")
	require.Equal(t, alert.StateResolved, p.State)
	require.Equal(t, "Alice", p.Timeline[1].Update.Actor.Name)
	require.Len(t, p.Timeline, 3)
}

// A problem that was pruned may have left earlier problems with its event id, which have dead letters. When the id comes back
// and belongs to another problem again, none of them is overwritten, and no entry is set aside.
func TestEarlierProblemsOutliveAPrunedOne(t *testing.T) {
	opens := func(day int) string {
		return payload("4711", "1", "TRIGGER.ID", fmt.Sprint(50+day), "EVENT.NAME", fmt.Sprint("problem of day ", day), "EVENT.DATE", fmt.Sprintf("2026.11.%02d", day))
	}
	for name, c := range map[string]struct {
		left     int    // earlier problems that are left
		room     string // of their posts
		together bool   // the new problems arrive in one batch
		late     bool   // the first one arrives last
	}{
		"none":                          {},
		"one, in another room":          {left: 1, room: "db"},
		"one, in the same room":         {left: 1, room: "noc"},
		"several":                       {left: 4, room: "noc"},
		"several, in one batch":         {left: 4, room: "noc", together: true},
		"several, in the reverse order": {left: 4, room: "noc", late: true},
		"as many as are looked for":     {left: 9, room: "noc"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for n := range c.left {
				key := alert.Key{Source: "main", EventID: "4711"}.Earlier(n + 1)
				p := alert.Problem{Key: key, Revision: 1, State: alert.StateResolved, Facts: alert.Facts{Name: "left", TriggerID: "1"}}
				require.NoError(t, b.store.Store.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}, Posts: []store.Post{{Key: key, Room: c.room, Desired: 1}}}))
			}
			texts := []string{opens(10), opens(20), payload("1", "1")}
			if c.late {
				texts[0], texts[1] = texts[1], texts[0]
			}
			for _, text := range texts {
				b.append(text)
				if !c.together {
					b.run()
				}
			}
			b.run()
			require.Zero(t, b.stats().SetAside)
			require.Equal(t, "problem of day 20", b.problem("4711").Name)
			for n := range c.left {
				require.Equal(t, "left", b.problem(fmt.Sprint("4711~", n+1)).Name)
				require.Len(t, b.posts(fmt.Sprint("4711~", n+1)), 1)
			}
			earlier := fmt.Sprint("4711~", c.left+1)
			require.Equal(t, "problem of day 10", b.problem(earlier).Name)
			if c.late {
				require.Empty(t, b.posts(earlier))
			} else {
				require.Equal(t, "noc", b.posts(earlier)[0].Room)
			}
		})
	}
}

// An entry whose every commit meets a conflict is set aside. The others are folded.
func TestEndlessConflictsSetOneEntryAside(t *testing.T) {
	for name, others := range map[string]int{"alone": 0, "in a batch": 20} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.store.fail = func(f store.Fold) (before, after error) {
				if slices.ContainsFunc(f.Problems, func(p alert.Problem) bool { return p.Key.EventID == "666" }) {
					return fmt.Errorf("%w: problem main/666", store.ErrConflict), nil
				}
				return nil, nil
			}
			failed := b.append(payload("666", "1"))
			for i := range others {
				b.append(payload(fmt.Sprint(i+1), "1"))
			}
			b.run()
			aside, err := b.store.SetAsideEntries(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, aside, 1)
			require.Equal(t, failed, aside[0].ID)
			require.Contains(t, aside[0].SetAside, "problem main/666")
			require.EqualValues(t, others, b.stats().OpenProblems[alert.High])
		})
	}
}

// A due post that met only conflicts delays no other, and escalates later.
func TestConflictsDoNotStopAClock(t *testing.T) {
	b, o := overdue(t, 20)
	alone := 0
	b.store.fail = func(f store.Fold) (before, after error) {
		if alone == 10 || !slices.ContainsFunc(f.Problems, func(p alert.Problem) bool { return p.Key.EventID == "7" }) {
			return nil, nil
		}
		if len(f.Problems) == 1 {
			alone++
		}
		return store.ErrConflict, nil
	}
	b.ledger = ledger.New(o)
	b.runDue()
	for i := range 20 {
		require.Len(t, b.posts(fmt.Sprint(i+1)), 2)
	}
	require.EqualValues(t, 20, testutil.ToFloat64(b.metrics.Escalations))
}
