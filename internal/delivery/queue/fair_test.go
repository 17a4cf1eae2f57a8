package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"
)

// crowd is a queue with rooms that open and close, and a pick each 200 ms, or at the interval every.
type crowd struct {
	q     *Queue[int]
	every time.Duration
	now   time.Time
	shut  map[string]time.Time
	added int
}

func newCrowd() *crowd {
	c := &crowd{q: New[int](), every: 200 * time.Millisecond, now: noon, shut: map[string]time.Time{}}
	c.q.Opens = func(room string, _ time.Time) time.Time { return c.shut[room] }
	return c
}

func (c *crowd) add(room string, class int, rank int) *Item[int] {
	c.added++
	t := aTask(fmt.Sprint(room, " ", c.added), room, class, rank, c.now)
	c.q.Add(t, time.Time{}, noon)
	return t
}

// step picks one item and finishes it.
func (c *crowd) step() *Item[int] {
	t := c.q.Pick(c.now)
	if t != nil {
		c.q.Done(t)
	}
	c.now = c.now.Add(c.every)
	return t
}

// No item starves, whatever more urgent items arrive and whichever rooms open and close. Once an item has waited for
// Patience, its room gets at least one pick in ten, in turn with the other rooms that wait as long.
func TestNothingStarvesUnderAnyLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		rooms := rapid.IntRange(1, 5).Draw(t, "rooms")
		older := rapid.IntRange(0, 10).Draw(t, "older in its room")
		for range older {
			c.add("room 0", rapid.IntRange(cAnswer, cRest).Draw(t, "class"), rapid.IntRange(0, 5).Draw(t, "rank"))
		}
		lowly := c.add("room 0", cRest, 5)
		flood := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, rooms-1).Draw(t, "room"), rapid.IntRange(cAnswer, cRest).Draw(t, "class"), rapid.IntRange(0, 5).Draw(t, "rank")}
		}), 1, 20).Draw(t, "flood")
		closes := rapid.IntRange(0, 60).Draw(t, "closed for seconds")
		c.shut["room 0"] = noon.Add(time.Duration(closes) * time.Second)
		patient := Patience
		if d := time.Duration(closes) * time.Second; d > patient {
			patient = d
		}
		for n := 0; ; n++ {
			for range 2 { // twice as much as can be said
				f := flood[(n+c.added)%len(flood)]
				c.add(fmt.Sprint("room ", f[0]), f[1], f[2])
			}
			if c.step() == lowly {
				return
			}
			if most := patient + time.Duration((older+2)*rooms*firstTurnEvery)*200*time.Millisecond; c.now.Sub(noon) > most {
				t.Fatalf("still waiting after %v", c.now.Sub(noon))
			}
		}
	})
}

// Only older answers, and one pick in ten for items that have waited long, go before an answer.
func TestAnswersGoFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		for range rapid.IntRange(0, 40).Draw(t, "waiting") {
			c.add(fmt.Sprint("room ", rapid.IntRange(0, 3).Draw(t, "room")), rapid.IntRange(cNew, cRest).Draw(t, "class"), rapid.IntRange(0, 5).Draw(t, "rank"))
		}
		c.now = c.now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
		for range rapid.IntRange(0, 30).Draw(t, "picked before") {
			c.step()
		}
		answers := rapid.IntRange(1, 8).Draw(t, "answers")
		for range answers {
			c.add(fmt.Sprint("room ", rapid.IntRange(0, 3).Draw(t, "room")), cAnswer, 0)
		}
		for n := range answers + 1 {
			if x := c.step(); x.Class == cAnswer {
				if answers--; answers == 0 {
					return
				}
			} else if n > 0 && c.q.turned[x.Room] != c.q.picks {
				t.Fatalf("%s went first", x.ID)
			}
		}
		t.Fatal("more than one pick went to others")
	})
}

// Rooms with equally urgent items share the picks to within one. A room that has to wait takes no share and delays no
// other room; afterwards it gets its turns at once, without making up for the missed ones.
func TestRoomsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		c.every = time.Millisecond // nothing waits for Patience
		rooms := rapid.IntRange(2, 6).Draw(t, "rooms")
		name := func(n int) string { return fmt.Sprint("room ", n) }
		rank := rapid.IntRange(0, 5).Draw(t, "rank")
		for n := range rooms {
			for range rapid.IntRange(1, 30).Draw(t, "backlog") {
				c.add(name(n), cNew, rank)
			}
		}
		shut := rapid.IntRange(0, rooms-1).Draw(t, "shut")
		round := func(open []string, rounds int) {
			said := map[string]int{}
			for range rounds * len(open) {
				x := c.step()
				said[x.Room]++
				c.add(x.Room, cNew, rank)
			}
			for _, room := range open {
				if said[room] < rounds-1 || said[room] > rounds+1 {
					t.Fatalf("%d rounds, and %s got %d picks: %v", rounds, room, said[room], said)
				}
			}
			if len(said) > len(open) {
				t.Fatalf("a room that had to wait got a pick: %v", said)
			}
		}
		var all, others []string
		for n := range rooms {
			all = append(all, name(n))
			if n != shut {
				others = append(others, name(n))
			}
		}
		round(all, rapid.IntRange(1, 20).Draw(t, "before"))
		c.shut[name(shut)] = c.now.Add(time.Hour)
		round(others, rapid.IntRange(1, 50).Draw(t, "meanwhile"))
		c.shut[name(shut)] = c.now
		x := c.step()
		if x.Room != name(shut) {
			t.Fatalf("%s had another turn first", x.Room)
		}
		c.add(x.Room, cNew, rank)
		round(all, rapid.IntRange(1, 20).Draw(t, "after"))
	})
}

// With items of a closed room only, the queue sleeps until that room opens.
func TestAQueueWithOnlyAClosedRoomSleepsUntilItOpens(t *testing.T) {
	c := newCrowd()
	c.shut["noc"] = noon.Add(time.Minute)
	c.add("noc", cAnswer, 0)
	at, ok := c.q.ReadyAt(noon)
	require.True(t, ok)
	require.Equal(t, noon.Add(time.Minute), at)
	require.Nil(t, c.q.Pick(noon))
	c.add("db", cRest, 0)
	at, _ = c.q.ReadyAt(noon)
	require.False(t, at.After(noon))
	require.Equal(t, "db", c.step().Room)
	require.Equal(t, "noc", c.q.Pick(noon.Add(time.Minute)).Room)
	_, ok = c.q.ReadyAt(noon)
	require.False(t, ok, "no item becomes ready by time alone")
}
