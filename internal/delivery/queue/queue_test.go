package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Classes as delivery uses them.
const (
	cAnswer = iota
	cNew
	cUpdate
	cCard
	cRest
)

func aTask(id, room string, c int, rank int, since time.Time) *Item[int] {
	return &Item[int]{ID: id, Room: room, Urgency: Urgency{Class: c, Rank: rank, Since: since}}
}

// drainQueue picks every ready item and finishes it at once.
func drainQueue(q *Queue[int], now time.Time) []string {
	var ids []string
	for t := q.Pick(now); t != nil; t = q.Pick(now) {
		ids = append(ids, t.ID)
		q.Done(t)
	}
	return ids
}

func TestTheMostUrgentGoesFirst(t *testing.T) {
	q := New[int]()
	for _, x := range []*Item[int]{
		aTask("rest", "a", cRest, 1, noon),
		aTask("card", "a", cCard, 0, noon),
		aTask("update-high", "b", cUpdate, 1, noon),
		aTask("update-disaster", "a", cUpdate, 0, noon.Add(time.Second)),
		aTask("new-warning", "a", cNew, 3, noon.Add(-time.Second)),
		aTask("new-disaster-young", "a", cNew, 0, noon.Add(time.Second)),
		aTask("new-disaster-old", "a", cNew, 0, noon),
		aTask("answer", "c", cAnswer, 0, noon.Add(2*time.Second)),
	} {
		q.Add(x, time.Time{}, noon)
	}
	require.Equal(t, []string{"answer", "new-disaster-old", "new-disaster-young", "new-warning", "update-disaster", "update-high", "card", "rest"},
		drainQueue(q, noon.Add(3*time.Second)))
	require.Zero(t, q.Len())
}

func TestRoomsThatAreEquallyUrgentTakeTurns(t *testing.T) {
	q := New[int]()
	for i := range 6 {
		q.Add(aTask(fmt.Sprint("a", i), "a", cNew, 1, noon), time.Time{}, noon)
	}
	for i := range 2 {
		q.Add(aTask(fmt.Sprint("b", i), "b", cNew, 1, noon.Add(time.Second)), time.Time{}, noon)
	}
	require.Equal(t, []string{"a0", "b0", "a1", "b1", "a2", "a3", "a4", "a5"}, drainQueue(q, noon))
}

func TestARoomThatComesAndGoesGetsOnlyItsTurns(t *testing.T) {
	q := New[int]()
	for i := range 6 {
		q.Add(aTask(fmt.Sprint("a", i), "a", cNew, 1, noon), time.Time{}, noon)
	}
	got := ""
	for i := range 6 {
		if q.Get("b") == nil {
			q.Add(aTask("b", "b", cNew, 1, noon), time.Time{}, noon)
		}
		x := q.Pick(noon)
		got += x.Room
		q.Done(x)
		_ = i
	}
	require.Equal(t, "ababab", got)
}

// An item that has waited for Patience gets one pick in turnEvery for each room, whatever more urgent items arrive.
func TestNothingStarves(t *testing.T) {
	q := New[int]()
	now := noon
	q.Add(aTask("lowly", "quiet", cRest, 3, now), time.Time{}, noon)
	for i := range 5 {
		q.Add(aTask(fmt.Sprint("flood", i), "loud", cNew, 0, now), time.Time{}, noon)
	}
	now = now.Add(Patience)
	picks := 0
	for n := 5; ; n++ {
		q.Add(aTask(fmt.Sprint("flood", n), "loud", cNew, 0, now), time.Time{}, noon)
		x := q.Pick(now)
		q.Done(x)
		if picks++; x.ID == "lowly" {
			break
		}
		require.LessOrEqual(t, picks, 2*turnEvery, "still waiting")
	}
}

// A new disaster is picked within two picks, however many items wait.
func TestAnOldItemDelaysADisasterByOnePick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New[int]()
		for i := range rapid.IntRange(0, 50).Draw(t, "waiting") {
			q.Add(aTask(fmt.Sprint(i), fmt.Sprint("room", i%3), rapid.IntRange(cNew, cRest).Draw(t, "class"), 1+i%4, noon), time.Time{}, noon)
		}
		now := noon.Add(time.Hour)
		for range rapid.IntRange(0, 10).Draw(t, "picked before") {
			if x := q.Pick(now); x != nil {
				q.Done(x)
			}
		}
		q.Add(aTask("disaster", "room1", cNew, 0, now), time.Time{}, noon)
		for n := 1; ; n++ {
			x := q.Pick(now)
			q.Done(x)
			if x.ID == "disaster" {
				return
			}
			if n == 2 {
				t.Fatal("a disaster waited for more than one pick")
			}
		}
	})
}

func TestATaskWaitsUntilItsTime(t *testing.T) {
	q := New[int]()
	q.Add(aTask("x", "a", cNew, 0, noon), time.Time{}, noon)
	x := q.Pick(noon)
	require.Nil(t, q.Pick(noon), "one call in flight for each post")
	q.Back(x, noon.Add(time.Minute), noon)
	wake, ok := q.ReadyAt(noon.Add(59 * time.Second))
	require.True(t, ok)
	require.Equal(t, noon.Add(time.Minute), wake)
	require.Nil(t, q.Pick(noon.Add(59*time.Second)))
	require.NotNil(t, q.Pick(noon.Add(time.Minute)))
}

func TestWakeEndsAWait(t *testing.T) {
	q := New[int]()
	q.Add(aTask("x", "a", cNew, 0, noon), time.Time{}, noon)
	x := q.Pick(noon)
	q.Back(x, noon.Add(time.Hour), noon)
	q.Wake(x)
	require.Same(t, x, q.Pick(noon))

	q.Wake(x) // while it is picked: it becomes ready again
	q.Done(x)
	require.Same(t, x, q.Pick(noon))
	q.Done(x)
	require.Nil(t, q.Pick(noon))
}

func TestALaneGoesInOrder(t *testing.T) {
	q := New[int]()
	lane := func(id string, order int64) *Item[int] {
		x := aTask(id, "a", cAnswer, 0, noon)
		x.Lane, x.Order = "thread", order
		return x
	}
	q.Add(lane("1", 1), time.Time{}, noon)
	q.Add(lane("3", 3), time.Time{}, noon)
	q.Add(lane("2", 2), time.Time{}, noon)
	first := q.Pick(noon)
	require.Equal(t, "1", first.ID)
	require.Nil(t, q.Pick(noon), "the next of a thread waits for the one before")
	q.Back(first, noon.Add(time.Minute), noon)
	require.Nil(t, q.Pick(noon), "also while that backs off")
	first = q.Pick(noon.Add(time.Minute))
	q.LeaveLane(first)
	q.Back(first, noon.Add(time.Hour), noon)
	require.Equal(t, []string{"2", "3"}, drainQueue(q, noon.Add(2*time.Minute)), "but not for ever")
	require.Equal(t, []string{"1"}, drainQueue(q, noon.Add(time.Hour)))
	require.Empty(t, q.lanes)
	require.Empty(t, q.first)
	require.Empty(t, q.rooms)
}

// No sequence of operations loses an item or picks one twice at the same time.
func TestTheQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New[int]()
		now := noon
		n := 0
		held := map[string]*Item[int]{}
		live := map[string]*Item[int]{}
		for range rapid.IntRange(1, 200).Draw(t, "ops") {
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0, 1:
				x := aTask(fmt.Sprint(n), fmt.Sprint("r", n%3), n%5, n%6, now)
				if n%2 == 0 {
					x.Lane, x.Order = fmt.Sprint("l", n%4), int64(n)
				}
				n++
				live[x.ID] = x
				q.Add(x, time.Time{}, noon)
			case 2:
				if x := q.Pick(now); x != nil {
					if held[x.ID] != nil || live[x.ID] == nil {
						t.Fatal("picked twice, or after its end")
					}
					held[x.ID] = x
				}
			case 3:
				for id, x := range held {
					delete(held, id)
					q.Back(x, now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "wait"))*time.Second), now)
					break
				}
			case 4:
				for id, x := range held {
					delete(held, id)
					if !x.again {
						delete(live, id)
					}
					q.Done(x)
					break
				}
			case 5:
				for _, x := range live {
					q.Wake(x)
					q.Reorder(x, Urgency{Class: rapid.IntRange(0, 4).Draw(t, "class"), Since: x.Since})
					break
				}
			}
			now = now.Add(time.Second)
		}
		for id, x := range held {
			x.again = false
			delete(live, id)
			q.Done(x)
		}
		for _, id := range drainQueue(q, now.Add(time.Hour)) {
			if live[id] == nil {
				t.Fatal("done twice")
			}
			delete(live, id)
		}
		if len(live) > 0 || q.Len() > 0 {
			t.Fatalf("lost: %v", live)
		}
	})
}

func BenchmarkQueueWith5000InOneRoom(b *testing.B) {
	q := New[int]()
	for i := range 5000 {
		q.Add(aTask(fmt.Sprint(i), "noc", cNew, i%6, noon.Add(time.Duration(i)*time.Millisecond)), time.Time{}, noon)
	}
	now := noon.Add(time.Minute)
	for b.Loop() {
		q.Back(q.Pick(now), now, now)
	}
}

// A room never occupies all workers, however urgent its items are.
func TestARoomLeavesAWorkerForTheOthers(t *testing.T) {
	now := time.Now()
	q := New[int]()
	q.PerRoom = 2
	for n := range 3 {
		q.Add(&Item[int]{ID: fmt.Sprint("slow ", n), Room: "slow", Urgency: Urgency{Class: cAnswer, Since: now}}, time.Time{}, noon)
	}
	q.Add(&Item[int]{ID: "other", Room: "other", Urgency: Urgency{Class: cRest, Since: now}}, time.Time{}, noon)
	first, second := q.Pick(now), q.Pick(now)
	require.Equal(t, []string{"slow", "slow"}, []string{first.Room, second.Room})
	third := q.Pick(now)
	require.Equal(t, "other", third.ID)
	_, ready := q.ReadyAt(now)
	require.False(t, ready)
	require.Nil(t, q.Pick(now))

	q.Back(first, now.Add(time.Minute), now)
	require.Equal(t, "slow 2", q.Pick(now).ID)
	later := now.Add(2 * time.Minute)
	_, ready = q.ReadyAt(later)
	require.False(t, ready, "an item that has waited for Patience still waits for its room")
	q.Done(second)
	require.Equal(t, first, q.Pick(later))
}
