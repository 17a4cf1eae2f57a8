package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/pace"
	"pgregory.net/rapid"
)

// crowd is a queue with rooms that open and close, and a pick each 200 ms, or as often as every says.
type crowd struct {
	q     *queue
	every time.Duration
	now   time.Time
	shut  map[string]time.Time
	added int
}

func newCrowd() *crowd {
	c := &crowd{q: newQueue(), every: 200 * time.Millisecond, now: noon, shut: map[string]time.Time{}}
	c.q.opens = func(room string, _ time.Time) time.Time { return c.shut[room] }
	return c
}

func (c *crowd) add(room string, class class, rank int) *task {
	c.added++
	t := aTask(fmt.Sprint(room, " ", c.added), room, class, rank, c.now)
	c.q.add(t)
	return t
}

// step picks one task and does it.
func (c *crowd) step() *task {
	t := c.q.pick(c.now)
	if t != nil {
		c.q.done(t)
	}
	c.now = c.now.Add(c.every)
	return t
}

// Whatever keeps coming, answers and disasters too, and whichever rooms open and
// close meanwhile: what waits is done. Once a task has waited for patience, its room has every tenth pick at least in
// turns with the other rooms in which something has waited as long.
func TestNothingStarvesWhateverComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		rooms := rapid.IntRange(1, 5).Draw(t, "rooms")
		older := rapid.IntRange(0, 10).Draw(t, "older in its room")
		for range older {
			c.add("room 0", class(rapid.IntRange(int(classAnswer), int(classRest)).Draw(t, "class")), rapid.IntRange(0, 5).Draw(t, "rank"))
		}
		lowly := c.add("room 0", classRest, 5)
		flood := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, rooms-1).Draw(t, "room"), rapid.IntRange(int(classAnswer), int(classRest)).Draw(t, "class"), rapid.IntRange(0, 5).Draw(t, "rank")}
		}), 1, 20).Draw(t, "flood")
		closes := rapid.IntRange(0, 60).Draw(t, "closed for seconds")
		c.shut["room 0"] = noon.Add(time.Duration(closes) * time.Second)
		patient := patience
		if d := time.Duration(closes) * time.Second; d > patient {
			patient = d
		}
		for n := 0; ; n++ {
			for range 2 { // twice as much as can be said
				f := flood[(n+c.added)%len(flood)]
				c.add(fmt.Sprint("room ", f[0]), class(f[1]), f[2])
			}
			if c.step() == lowly {
				return
			}
			if most := patient + time.Duration((older+2)*rooms*answerTurnEvery)*200*time.Millisecond; c.now.Sub(noon) > most {
				t.Fatalf("still waiting after %v", c.now.Sub(noon))
			}
		}
	})
}

// An answer is behind other answers of its room, and what has waited long has one pick in ten; nothing else goes first.
func TestAnswersGoFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		for range rapid.IntRange(0, 40).Draw(t, "waiting") {
			c.add(fmt.Sprint("room ", rapid.IntRange(0, 3).Draw(t, "room")), class(rapid.IntRange(int(classNew), int(classRest)).Draw(t, "class")), rapid.IntRange(0, 5).Draw(t, "rank"))
		}
		c.now = c.now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
		for range rapid.IntRange(0, 30).Draw(t, "picked before") {
			c.step()
		}
		answers := rapid.IntRange(1, 8).Draw(t, "answers")
		for range answers {
			c.add(fmt.Sprint("room ", rapid.IntRange(0, 3).Draw(t, "room")), classAnswer, 0)
		}
		for n := range answers + 1 {
			if x := c.step(); x.class == classAnswer {
				if answers--; answers == 0 {
					return
				}
			} else if n > 0 && c.q.turned[x.room] != c.q.picks {
				t.Fatalf("%s went first", x.id)
			}
		}
		t.Fatal("more than one pick went to others")
	})
}

// Rooms that always have something equally urgent to be said share the picks to within one, whoever joins
// and leaves; one that is told to wait takes no share of it, delays nobody, and has its turns at once afterwards, without
// making up for what it missed.
func TestRoomsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd()
		c.every = time.Millisecond // nothing waits for patience
		rooms := rapid.IntRange(2, 6).Draw(t, "rooms")
		name := func(n int) string { return fmt.Sprint("room ", n) }
		rank := rapid.IntRange(0, 5).Draw(t, "rank")
		for n := range rooms {
			for range rapid.IntRange(1, 30).Draw(t, "backlog") {
				c.add(name(n), classNew, rank)
			}
		}
		shut := rapid.IntRange(0, rooms-1).Draw(t, "shut")
		round := func(open []string, rounds int) {
			said := map[string]int{}
			for range rounds * len(open) {
				x := c.step()
				said[x.room]++
				c.add(x.room, classNew, rank)
			}
			for _, room := range open {
				if said[room] < rounds-1 || said[room] > rounds+1 {
					t.Fatalf("%d rounds, and %s was told %d times: %v", rounds, room, said[room], said)
				}
			}
			if len(said) > len(open) {
				t.Fatalf("a room that was told to wait was told something: %v", said)
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
		if x.room != name(shut) {
			t.Fatalf("%s had another turn first", x.room)
		}
		c.add(x.room, classNew, rank)
		round(all, rapid.IntRange(1, 20).Draw(t, "after"))
	})
}

// A room that waits doesn't keep the bot awake, and wakes it when its wait is over.
func TestAQueueWithOnlyAClosedRoomSleepsUntilItOpens(t *testing.T) {
	c := newCrowd()
	c.shut["noc"] = noon.Add(time.Minute)
	c.add("noc", classAnswer, 0)
	at, ok := c.q.readyAt(noon)
	require.True(t, ok)
	require.Equal(t, noon.Add(time.Minute), at)
	require.Nil(t, c.q.pick(noon))
	c.add("db", classRest, 0)
	at, _ = c.q.readyAt(noon)
	require.False(t, at.After(noon))
	require.Equal(t, "db", c.step().room)
	require.Equal(t, "noc", c.q.pick(noon.Add(time.Minute)).room)
	_, ok = c.q.readyAt(noon)
	require.False(t, ok, "nothing is left that time could bring")
}

// What a pick costs with many rooms, one of them with a 429.
func BenchmarkPickWith300Rooms(b *testing.B) {
	l := pace.NewLimits(5, noon)
	l.LimitedIn("R-room 0", noon, noon, time.Second)
	q := newQueue()
	of := &bot{rate: l, queue: q, Delivery: &Delivery{Options: Options{Rooms: func(room, _ string) (RoomSettings, bool) { return RoomSettings{ID: "R-" + room}, true }}}}
	q.opens = of.opens
	for n := range 300 {
		q.add(aTask(fmt.Sprint(n), fmt.Sprint("room ", n), classNew, 1, noon))
	}
	now := noon.Add(time.Minute)
	for b.Loop() {
		q.readyAt(now)
		q.back(q.pick(now), now, now)
	}
}
