package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func aTask(id, room string, c class, rank int, since time.Time) *task {
	return &task{id: id, room: room, urgency: urgency{class: c, rank: rank, since: since}}
}

// drain picks all that is ready and does each task at once.
func drainQueue(q *queue, now time.Time) []string {
	var ids []string
	for t := q.pick(now); t != nil; t = q.pick(now) {
		ids = append(ids, t.id)
		q.done(t)
	}
	return ids
}

func TestTheMostUrgentGoesFirst(t *testing.T) {
	q := newQueue()
	for _, x := range []*task{
		aTask("rest", "a", classRest, 1, noon),
		aTask("card", "a", classCard, 0, noon),
		aTask("update-high", "b", classUpdate, 1, noon),
		aTask("update-disaster", "a", classUpdate, 0, noon.Add(time.Second)),
		aTask("new-warning", "a", classNew, 3, noon.Add(-time.Second)),
		aTask("new-disaster-young", "a", classNew, 0, noon.Add(time.Second)),
		aTask("new-disaster-old", "a", classNew, 0, noon),
		aTask("answer", "c", classAnswer, 0, noon.Add(2*time.Second)),
	} {
		q.add(x)
	}
	require.Equal(t, []string{"answer", "new-disaster-old", "new-disaster-young", "new-warning", "update-disaster", "update-high", "card", "rest"},
		drainQueue(q, noon.Add(3*time.Second)))
	require.Zero(t, q.len())
}

func TestRoomsThatAreEquallyUrgentTakeTurns(t *testing.T) {
	q := newQueue()
	for i := range 6 {
		q.add(aTask(fmt.Sprint("a", i), "a", classNew, 1, noon))
	}
	for i := range 2 {
		q.add(aTask(fmt.Sprint("b", i), "b", classNew, 1, noon.Add(time.Second)))
	}
	require.Equal(t, []string{"a0", "b0", "a1", "b1", "a2", "a3", "a4", "a5"}, drainQueue(q, noon))
}

func TestARoomThatComesAndGoesTakesNoMoreThanItsTurns(t *testing.T) {
	q := newQueue()
	for i := range 6 {
		q.add(aTask(fmt.Sprint("a", i), "a", classNew, 1, noon))
	}
	got := ""
	for i := range 6 {
		if q.get("b") == nil {
			q.add(aTask("b", "b", classNew, 1, noon))
		}
		x := q.pick(noon)
		got += x.room
		q.done(x)
		_ = i
	}
	require.Equal(t, "ababab", got)
}

// Whatever more urgent work keeps coming, what waits is done: the oldest of a
// room that waits longer than patience is picked at least once in turnEvery
// picks for each room.
func TestNothingStarves(t *testing.T) {
	q := newQueue()
	now := noon
	q.add(aTask("lowly", "quiet", classRest, 3, now))
	for i := range 5 {
		q.add(aTask(fmt.Sprint("flood", i), "loud", classNew, 0, now))
	}
	now = now.Add(patience)
	picks := 0
	for n := 5; ; n++ {
		q.add(aTask(fmt.Sprint("flood", n), "loud", classNew, 0, now))
		x := q.pick(now)
		q.done(x)
		if picks++; x.id == "lowly" {
			break
		}
		require.LessOrEqual(t, picks, 2*turnEvery, "still waiting")
	}
}

// However much waits, a new disaster is picked within two picks.
func TestWhatHasWaitedLongDelaysADisasterByOnePick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		for i := range rapid.IntRange(0, 50).Draw(t, "waiting") {
			q.add(aTask(fmt.Sprint(i), fmt.Sprint("room", i%3), class(rapid.IntRange(int(classNew), int(classRest)).Draw(t, "class")), 1+i%4, noon))
		}
		now := noon.Add(time.Hour)
		for range rapid.IntRange(0, 10).Draw(t, "picked before") {
			if x := q.pick(now); x != nil {
				q.done(x)
			}
		}
		q.add(aTask("disaster", "room1", classNew, 0, now))
		for n := 1; ; n++ {
			x := q.pick(now)
			q.done(x)
			if x.id == "disaster" {
				return
			}
			if n == 2 {
				t.Fatal("a disaster waited for more than one pick")
			}
		}
	})
}

func TestATaskWaitsUntilItsTime(t *testing.T) {
	q := newQueue()
	q.add(aTask("x", "a", classNew, 0, noon))
	x := q.pick(noon)
	require.Nil(t, q.pick(noon), "one call in flight for each post")
	q.back(x, noon.Add(time.Minute), noon)
	wake, ok := q.readyAt(noon.Add(59 * time.Second))
	require.True(t, ok)
	require.Equal(t, noon.Add(time.Minute), wake)
	require.Nil(t, q.pick(noon.Add(59*time.Second)))
	require.NotNil(t, q.pick(noon.Add(time.Minute)))
}

func TestAWakeEndsAWait(t *testing.T) {
	q := newQueue()
	q.add(aTask("x", "a", classNew, 0, noon))
	x := q.pick(noon)
	q.back(x, noon.Add(time.Hour), noon)
	q.wakeUp(x)
	require.Same(t, x, q.pick(noon))

	q.wakeUp(x) // while it is held: it is looked at again
	q.done(x)
	require.Same(t, x, q.pick(noon))
	q.done(x)
	require.Nil(t, q.pick(noon))
}

func TestALaneGoesInOrder(t *testing.T) {
	q := newQueue()
	lane := func(id string, order int64) *task {
		x := aTask(id, "a", classAnswer, 0, noon)
		x.lane, x.order = "thread", order
		return x
	}
	q.add(lane("1", 1))
	q.add(lane("3", 3))
	q.add(lane("2", 2))
	first := q.pick(noon)
	require.Equal(t, "1", first.id)
	require.Nil(t, q.pick(noon), "the next of a thread waits for the one before")
	q.back(first, noon.Add(time.Minute), noon)
	require.Nil(t, q.pick(noon), "also while that backs off")
	first = q.pick(noon.Add(time.Minute))
	q.leaveLane(first)
	q.back(first, noon.Add(time.Hour), noon)
	require.Equal(t, []string{"2", "3"}, drainQueue(q, noon.Add(2*time.Minute)), "but not for ever")
	require.Equal(t, []string{"1"}, drainQueue(q, noon.Add(time.Hour)))
	require.Empty(t, q.lanes)
	require.Empty(t, q.first)
	require.Empty(t, q.rooms)
}

// Any sequence of adds, wakes, waits and ends loses nobody and does nobody twice at once.
func TestTheQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		now := noon
		n := 0
		held := map[string]*task{}
		live := map[string]*task{}
		for range rapid.IntRange(1, 200).Draw(t, "ops") {
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0, 1:
				x := aTask(fmt.Sprint(n), fmt.Sprint("r", n%3), class(n%5), n%6, now)
				if n%2 == 0 {
					x.lane, x.order = fmt.Sprint("l", n%4), int64(n)
				}
				n++
				live[x.id] = x
				q.add(x)
			case 2:
				if x := q.pick(now); x != nil {
					if held[x.id] != nil || live[x.id] == nil {
						t.Fatal("picked twice, or after its end")
					}
					held[x.id] = x
				}
			case 3:
				for id, x := range held {
					delete(held, id)
					q.back(x, now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "wait"))*time.Second), now)
					break
				}
			case 4:
				for id, x := range held {
					delete(held, id)
					if !x.again {
						delete(live, id)
					}
					q.done(x)
					break
				}
			case 5:
				for _, x := range live {
					q.wakeUp(x)
					q.reorder(x, urgency{class: class(rapid.IntRange(0, 4).Draw(t, "class")), since: x.since})
					break
				}
			}
			now = now.Add(time.Second)
		}
		for id, x := range held {
			x.again = false
			delete(live, id)
			q.done(x)
		}
		for _, id := range drainQueue(q, now.Add(time.Hour)) {
			if live[id] == nil {
				t.Fatal("done twice")
			}
			delete(live, id)
		}
		if len(live) > 0 || q.len() > 0 {
			t.Fatalf("lost: %v", live)
		}
	})
}

func BenchmarkQueueWith5000InOneRoom(b *testing.B) {
	q := newQueue()
	for i := range 5000 {
		q.add(aTask(fmt.Sprint(i), "noc", classNew, i%6, noon.Add(time.Duration(i)*time.Millisecond)))
	}
	now := noon.Add(time.Minute)
	for b.Loop() {
		q.back(q.pick(now), now, now)
	}
}

// A room never holds all workers: one is left for the others, however urgent its tasks are.
func TestARoomLeavesAWorkerForTheOthers(t *testing.T) {
	now := time.Now()
	q := newQueue()
	q.perRoom = 2
	for n := range 3 {
		q.add(&task{id: fmt.Sprint("slow ", n), room: "slow", urgency: urgency{class: classAnswer, since: now}})
	}
	q.add(&task{id: "other", room: "other", urgency: urgency{class: classRest, since: now}})
	first, second := q.pick(now), q.pick(now)
	require.Equal(t, []string{"slow", "slow"}, []string{first.room, second.room})
	third := q.pick(now)
	require.Equal(t, "other", third.id)
	_, ready := q.readyAt(now)
	require.False(t, ready)
	require.Nil(t, q.pick(now))

	q.back(first, now.Add(time.Minute), now)
	require.Equal(t, "slow 2", q.pick(now).id)
	later := now.Add(2 * time.Minute)
	_, ready = q.readyAt(later)
	require.False(t, ready, "what has waited long enough has to wait for its room, and wakes nobody")
	q.done(second)
	require.Equal(t, first, q.pick(later))
}
