package pace

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// callIn makes one call that Webex accepts.
func callIn(t *testing.T, l *Limits, room string, now time.Time) {
	t.Helper()
	l.TakeIn(room, now)
	require.True(t, l.MayBegin(room, now))
	l.Answered(room, now, now)
}

// refuseIn makes one call that gets a 429.
func refuseIn(t *testing.T, l *Limits, room string, now time.Time, wait time.Duration) bool {
	t.Helper()
	l.TakeIn(room, now)
	require.True(t, l.MayBegin(room, now))
	return l.LimitedIn(room, now, now, wait)
}

func calls(t *testing.T, l *Limits, n int, room string, now time.Time) time.Time {
	t.Helper()
	for range n {
		callIn(t, l, room, now)
		now = now.Add(time.Second)
	}
	return now
}

// twoStrikes returns limits where noc had two 429s in a row although db was answered, and the end of its wait.
func twoStrikes(t *testing.T) (l *Limits, until time.Time) {
	l = NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 10*time.Second))
	now := noon.Add(10 * time.Second)
	now = calls(t, l, othersProve, "db", now)
	speed := l.PerSecond()
	require.True(t, refuseIn(t, l, "noc", now, time.Minute))
	require.Equal(t, speed, l.PerSecond(), "no other room is slowed down")
	return l, now.Add(time.Minute)
}

func TestFirst429PausesTheBot(t *testing.T) {
	l := NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 17*time.Second))
	require.Equal(t, noon.Add(17*time.Second), l.ReadyAt(noon))
	require.False(t, l.MayBegin("db", noon.Add(17*time.Second-1)))
	require.True(t, l.MayBegin("db", noon.Add(17*time.Second)))
	require.Empty(t, l.PausedRooms(noon), "no room has its own wait")
}

func TestTwoStrikesGiveTheRoomItsOwnWait(t *testing.T) {
	l, until := twoStrikes(t)
	now := until.Add(-time.Minute)
	require.Equal(t, map[string]time.Time{"noc": until}, l.PausedRooms(now))
	require.True(t, l.MayBegin("db", now), "no other room waits")
	require.Equal(t, until, l.OpensAt("noc", now))
	require.False(t, l.MayBegin("noc", until.Add(-1)))
	require.True(t, l.MayBegin("noc", until))
	require.Less(t, l.SpeedIn("noc"), l.PerSecond())
	require.True(t, refuseIn(t, l, "noc", until, time.Hour), "the next one is its own at once")
	require.True(t, l.MayBegin("db", until))
}

// A story has calls in order, each as soon as its waits allow it: "db*20" for twenty that are answered, "noc!" for one
// that gets a 429. want says whose wait each 429 is.
func TestWhose429(t *testing.T) {
	for name, c := range map[string]struct{ story, want string }{
		"a first one":                          {"noc!", "bot"},
		"a second in a row, others answered":   {"noc! db*20 noc!", "bot room"},
		"nobody else was answered":             {"noc! noc!", "bot bot"},
		"few others were answered":             {"noc! db*19 noc!", "bot bot"},
		"the room was answered in between":     {"noc! db*20 noc noc!", "bot bot"},
		"another room got one in between":      {"noc! db*20 db! noc!", "bot bot bot"},
		"the next ones of a room":              {"noc! db*20 noc! noc! noc!", "bot room room room"},
		"an answer ends the room's own wait":   {"noc! db*20 noc! noc noc!", "bot room bot"},
		"so does a 429 elsewhere":              {"noc! db*20 noc! db! noc!", "bot room bot bot"},
		"so do twenty 429s":                    {"noc! db*20 noc!*21", "bot" + strings.Repeat(" room", 20) + " bot"},
		"then a new proof is needed":           {"noc! db*20 noc!*21 db*20 noc!", "bot" + strings.Repeat(" room", 20) + " bot room"},
		"two rooms":                            {"noc! db*20 noc! web! db*20 web! noc!", "bot room bot room bot"},
		"the account's, mistaken for a room's": {"noc! db*20 noc! noc! db", "bot room room"}, // db is called although the account should wait
		"the account's, seen in another room":  {"noc! db*20 noc! noc! db! noc!", "bot room room bot bot"},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := NewLimits(5, noon), noon
			var whose []string
			for call := range strings.FieldsSeq(c.story) {
				room, times, _ := strings.Cut(call, "*")
				room, refused := strings.CutSuffix(room, "!")
				n, _ := strconv.Atoi(cmp.Or(times, "1"))
				for range n {
					for _, at := range []time.Time{l.ReadyAt(now), l.OpensAt(room, now)} {
						if at.After(now) {
							now = at
						}
					}
					if !refused {
						callIn(t, l, room, now)
						continue
					}
					own := refuseIn(t, l, room, now, 10*time.Second)
					require.False(t, l.MayBegin(room, now.Add(10*time.Second-1)), "the room waits in any case")
					require.Equal(t, own, l.MayBegin("other", now), "the others wait if it is the bot's")
					whose = append(whose, map[bool]string{true: "room", false: "bot"}[own])
				}
			}
			require.Equal(t, c.want, strings.Join(whose, " "))
		})
	}
}

func TestAnswersToEarlierCallsAreNoProof(t *testing.T) {
	l := NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 10*time.Second))
	for range 100 {
		l.Answered("db", noon.Add(-time.Millisecond), noon.Add(10*time.Second))
	}
	require.False(t, refuseIn(t, l, "noc", noon.Add(20*time.Second), 10*time.Second))
}

func TestCallsInFlightTogetherAreOneStrike(t *testing.T) {
	l := NewLimits(5, noon)
	require.True(t, l.MayBegin("noc", noon))
	l.LimitedIn("noc", noon, noon.Add(time.Second), 10*time.Second)
	for range othersProve {
		l.Answered("db", noon.Add(2*time.Second), noon.Add(2*time.Second))
	}
	require.False(t, l.LimitedIn("noc", noon, noon.Add(3*time.Second), 10*time.Second))
	require.Zero(t, l.OpensAt("noc", noon), "it has no pace of its own")
}

func TestARoomWithAStrikeYields(t *testing.T) {
	l := NewLimits(5, noon)
	require.False(t, l.Yields("noc"))
	refuseIn(t, l, "noc", noon, time.Second)
	require.True(t, l.Yields("noc"), "until others were answered")
	calls(t, l, othersProve, "db", noon.Add(time.Second))
	require.False(t, l.Yields("noc"))
}

func TestACalmRoomIsForgotten(t *testing.T) {
	l, now := twoStrikes(t)
	for range 12 {
		callIn(t, l, "noc", now)
		now = now.Add(time.Minute)
	}
	require.Empty(t, l.rooms)
}

func TestARestoredWaitIsBounded(t *testing.T) {
	l := NewLimits(5, noon)
	l.PauseRoom("noc", noon.Add(1000*time.Hour), noon)
	require.Equal(t, noon.Add(pauseMost), l.OpensAt("noc", noon), "the clock was set back")
	l.PauseRoom("db", noon.Add(-time.Second), noon)
	require.Zero(t, l.OpensAt("db", noon))
}

// aWebex limits the account and its rooms, and refuses everything in some rooms for a while. It counts
// the calls that come too early.
type aWebex struct {
	account *bucket // nil: no limit
	rooms   map[string]*bucket
	blocked map[string]time.Time // room → until when
	waits   map[string]time.Time // the demanded waits: of "" (the account) or a room
	early   int
	refused int
}

// take returns 0 for a call that it accepts, otherwise the Retry-After.
func (w *aWebex) take(room string, now time.Time) (wait time.Duration) {
	if now.Before(w.waits[""]) || now.Before(w.waits[room]) {
		w.early++
	}
	tell := func(who string, wait time.Duration) time.Duration {
		w.waits[who] = now.Add(wait)
		w.refused++
		return wait
	}
	if w.account != nil {
		if wait := w.account.take(now); wait > 0 {
			return tell("", wait)
		}
	}
	if now.Before(w.blocked[room]) {
		return tell(room, 7*time.Second) // shorter than the block
	}
	if b := w.rooms[room]; b != nil {
		if wait := b.take(now); wait > 0 {
			return tell(room, wait)
		}
	}
	return 0
}

// talker is a room with something to show at intervals.
type talker struct {
	every        time.Duration
	since        time.Time // when it last had something new to show; zero for nothing
	served, next time.Time
}

// simulate runs a bot with one worker. It returns the accepted calls by room, and the longest wait of each.
func simulate(t rapid.TB, w *aWebex, every map[string]time.Duration, d time.Duration) (said map[string]int, waited map[string]time.Duration) {
	w.waits = map[string]time.Time{}
	l, now := NewLimits(5, noon), noon
	said, waited = map[string]int{}, map[string]time.Duration{}
	rooms := map[string]*talker{}
	for name, every := range every {
		rooms[name] = &talker{every: every, next: noon}
	}
	names := slices.Sorted(maps.Keys(rooms))
	for now.Before(noon.Add(d)) {
		wake, pick := now.Add(time.Second), ""
		for _, name := range names {
			r := rooms[name]
			if r.since.IsZero() && !now.Before(r.next) {
				r.since = now
			}
			if r.since.IsZero() {
				continue
			}
			switch at := l.OpensAt(name, now); {
			case at.After(now):
				wake = minTime(wake, at)
			case pick == "" || l.Yields(pick) && !l.Yields(name) || l.Yields(pick) == l.Yields(name) && r.served.Before(rooms[pick].served):
				pick = name
			}
		}
		if pick != "" {
			if at := l.ReadyAt(now); at.After(now) {
				wake, pick = at, ""
			}
		}
		if pick == "" {
			now = wake
			continue
		}
		l.TakeIn(pick, now)
		if !l.MayBegin(pick, now) {
			t.Fatal("ready during a wait")
		}
		rooms[pick].served = now
		if wait := w.take(pick, now); wait > 0 {
			l.LimitedIn(pick, now, now, wait)
			continue
		}
		l.Answered(pick, now, now)
		said[pick]++
		waited[pick] = max(waited[pick], now.Sub(rooms[pick].since))
		rooms[pick].since, rooms[pick].next = time.Time{}, now.Add(rooms[pick].every)
	}
	return said, waited
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// No call is made during a wait, and no room starves, whether the account or rooms are limited. If both are at once,
// a 429 in a room with its own wait can be the account's: then a few calls come too early.
func TestNoCallDuringAWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"noc", "db", "net", "web"}[:rapid.IntRange(1, 4).Draw(t, "rooms")]
		w := &aWebex{rooms: map[string]*bucket{}, blocked: map[string]time.Time{}}
		rate := func(label string, perSecond ...float64) *bucket {
			return newBucket(rapid.SampledFrom(perSecond).Draw(t, label), float64(rapid.SampledFrom([]int{1, 2, 5, 20}).Draw(t, "burst")), noon)
		}
		limitRooms := func() {
			for _, room := range names {
				if rapid.Bool().Draw(t, room+" is limited") {
					w.rooms[room] = rate(room, 0.5, 1, 2, 5)
				}
			}
		}
		blockRooms := func() {
			for _, room := range names[:rapid.IntRange(1, len(names)).Draw(t, "blocked")] {
				w.blocked[room] = noon.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second)
			}
		}
		switch rapid.SampledFrom([]string{"account", "rooms", "blocked", "all"}).Draw(t, "limited") {
		case "account":
			w.account = rate("account", 0.5, 1, 2, 5, 10)
		case "rooms":
			limitRooms()
		case "blocked":
			blockRooms()
		case "all":
			w.account = rate("account", 1, 2, 5, 10)
			limitRooms()
			blockRooms()
		}
		every := map[string]time.Duration{}
		for _, room := range names {
			every[room] = time.Duration(rapid.SampledFrom([]int{0, 0, 300, 2000, 10000, 60000}).Draw(t, room+" every ms")) * time.Millisecond
		}
		said, _ := simulate(t, w, every, 15*time.Minute)
		if both := w.account != nil && len(w.rooms)+len(w.blocked) > 0; w.early > 0 && !both {
			t.Fatalf("%d calls during a wait", w.early)
		}
		for _, room := range names {
			if said[room] == 0 {
				t.Fatalf("nothing was posted in %s", room)
			}
		}
	})
}

// A room that accepts less than the others gets a slower pace of its own.
func TestASlowRoomDoesNotSlowTheOthers(t *testing.T) {
	for _, limit := range []float64{0.3, 0.5, 1} {
		w := &aWebex{rooms: map[string]*bucket{"noc": newBucket(limit, 2, noon)}}
		said, _ := simulate(t, w, map[string]time.Duration{"noc": 0, "db": 0, "net": 0}, 20*time.Minute)
		require.Zero(t, w.early, "calls during a wait")
		require.Greater(t, float64(said["noc"]), 0.3*limit*1200)
		require.Greater(t, said["db"]+said["net"], 3*1200, "many times the rate that the room accepts")
		t.Logf("%d refused, %v posted", w.refused, said)
		require.LessOrEqual(t, w.refused, 20)
	}
}

// A blocked room stops busy other rooms once.
func TestABlockedRoomStopsTheOthersOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &aWebex{blocked: map[string]time.Time{"noc": noon.Add(2 * time.Minute)}}
		every := map[string]time.Duration{}
		for _, room := range []string{"noc", "db", "net"} {
			every[room] = time.Duration(rapid.SampledFrom([]int{0, 700, 3000, 20000}).Draw(t, room)) * time.Millisecond
		}
		_, waited := simulate(t, w, every, 3*time.Minute)
		if w.early > 0 {
			t.Fatalf("%d calls during a wait", w.early)
		}
		for _, room := range []string{"db", "net"} {
			if waited[room] > 7*time.Second+3*time.Second {
				t.Fatalf("%s waited %v", room, waited[room])
			}
		}
	})
}
