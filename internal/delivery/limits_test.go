package delivery

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWhose429ItIs(t *testing.T) {
	const short, minutes = 10 * time.Second, 5 * time.Minute
	for name, c := range map[string]struct {
		e    Evidence
		room bool
		wait time.Duration
	}{
		"the first of all":                             {Evidence{Quiet: time.Hour}, false, 0},
		"again, and nobody else was heard":             {Evidence{Quiet: time.Minute, Known: true}, false, 0},
		"again, though many were heard, and a silence": {Evidence{Others: 25, Alike: 25, Quiet: quietProves}, false, 0},
		"and again":                                   {Evidence{Others: 25, Alike: 25, Quiet: quietProves, Chance: 1. / 27}, true, 0},
		"and again, but too soon":                     {Evidence{Others: 25, Alike: 25, Quiet: quietProves - 1, Chance: 1. / 27}, false, 0},
		"too soon after others":                       {Evidence{Others: 50, Alike: 50, Quiet: quietProves - 1}, false, 0},
		"few were heard: it may be by chance":         {Evidence{Others: 3, Alike: 3, Quiet: quietProves, Chance: 1. / 25}, false, 0},
		"again with few":                              {Evidence{Others: 3, Alike: 3, Quiet: quietProves, Chance: 1. / 125}, true, 0},
		"but the others were calls of another kind":   {Evidence{Others: 50, Quiet: quietProves}, false, 0},
		"many were heard, and the wait is of minutes": {Evidence{Others: 8, Alike: 8, Quiet: quietProves}, true, minutes},
		"few were, though it is":                      {Evidence{Others: 7, Alike: 7, Quiet: quietProves}, false, minutes},
		"again with few, and it is":                   {Evidence{Others: 3, Alike: 3, Quiet: quietProves, Chance: 1. / 3}, true, minutes},
		"or a minute: not after one trial":            {Evidence{Others: 40, Alike: 40, Quiet: quietProves}, false, time.Minute},
		"but after 50":                                {Evidence{Others: 50, Alike: 50, Quiet: quietProves}, true, time.Minute},
		"known, and a silence":                        {Evidence{Others: 1, Alike: 1, Quiet: quietKnown, Known: true}, true, 0},
		"known, but too soon after others":            {Evidence{Others: 50, Alike: 50, Quiet: quietKnown - 1, Known: true}, false, 0},
	} {
		require.Equal(t, c.room, RoomsOwn(c.e, cmp.Or(c.wait, short)), name)
	}
}

// callIn makes one call that Webex takes.
func callIn(l *Limits, room string, now time.Time) {
	l.TakeIn(room, now)
	if l.Begin(room, callCreate, now) {
		l.Answered(room, callCreate, now, now)
	}
}

func refuseIn(t interface{ Fatal(...any) }, l *Limits, room string, now time.Time, wait time.Duration) bool {
	l.TakeIn(room, now)
	if !l.Begin(room, callCreate, now) {
		t.Fatal("told to wait")
	}
	return l.LimitedIn(room, now, now, wait)
}

// prove has a room refused in trials until it is known, and gives when it may be called again.
func prove(t *testing.T, l *Limits, room string, now time.Time, wait time.Duration) (until time.Time) {
	for trial := range 2 {
		for range othersProve {
			callIn(l, "db", now)
			now = now.Add(400 * time.Millisecond)
		}
		now = now.Add(quietProves)
		require.Equal(t, trial == 1, refuseIn(t, l, room, now, wait))
		now = now.Add(wait)
	}
	return now
}

// blocked gives limits of a bot that knows the room noc to be limited by itself, until a time.
func blocked(t *testing.T) (l *Limits, until time.Time) {
	l = NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 10*time.Second))
	return l, prove(t, l, "noc", noon.Add(10*time.Second), time.Minute)
}

func TestTheFirst429OfARoomStopsTheBot(t *testing.T) {
	l := NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 17*time.Second))
	require.Equal(t, noon.Add(17*time.Second), l.ReadyAt(noon))
	require.False(t, l.Begin("db", callCreate, noon.Add(16*time.Second)))
	require.GreaterOrEqual(t, l.PerSecond(), 2.5)
	require.Empty(t, l.PausedRooms(noon), "no room waits by itself")
}

func TestARoomThatIsRefusedThoughOthersAreNotWaitsAlone(t *testing.T) {
	l, until := blocked(t)
	now := until.Add(-time.Minute)
	speed := l.PerSecond()
	require.False(t, now.Before(l.PausedUntil()), "nobody else has to wait")
	require.True(t, l.OpensAt("db", false, now).IsZero())
	require.True(t, l.Begin("db", callCreate, now))
	require.Equal(t, map[string]time.Time{"noc": until}, l.PausedRooms(now))
	require.Equal(t, until, l.OpensAt("noc", true, now))
	require.False(t, l.Begin("noc", callCreate, until.Add(-time.Nanosecond)))
	require.False(t, l.OpensAt("noc", false, until).After(until), "at that very moment it may")
	require.Less(t, l.SpeedIn("noc"), l.PerSecond())
	require.True(t, refuseIn(t, l, "noc", until, time.Hour), "and its next one is its own at once")
	require.Equal(t, speed, l.PerSecond(), "and slows nobody else")
}

// A room on trial lets the others go first, then waits for a silence, and nobody else says a word meanwhile.
func TestATrial(t *testing.T) {
	l := NewLimits(5, noon)
	refuseIn(t, l, "noc", noon, 10*time.Second)
	now := noon.Add(10 * time.Second)
	require.True(t, l.OpensAt("noc", false, now).IsZero(), "with nobody to ask it is tried at once")
	require.True(t, l.OpensAt("noc", true, now).After(now))
	for range othersProve {
		_, ok := l.Trial("noc", now)
		require.False(t, ok)
		callIn(l, "db", now)
		now = now.Add(400 * time.Millisecond)
	}
	at, ok := l.Trial("noc", now)
	require.True(t, ok)
	require.Equal(t, now.Add(quietProves-400*time.Millisecond), at)
	require.Equal(t, at, l.OpensAt("noc", true, now))
	l.TakeIn("noc", at)
	require.True(t, l.Begin("noc", callCreate, at))
	require.True(t, l.OpensAt("db", false, at).After(at), "nobody overtakes it")
	require.False(t, l.OpensAt("db", false, at.Add(trialHold)).After(at.Add(trialHold)), "but nobody waits long")
	l.Answered("noc", callCreate, at, at)
	require.True(t, l.OpensAt("db", false, at).IsZero())
	require.True(t, l.OpensAt("noc", true, at).IsZero(), "it is let in")
}

func TestATrialThatSomebodyMayHaveOvertakenProvesNothing(t *testing.T) {
	l := NewLimits(5, noon)
	refuseIn(t, l, "noc", noon, 10*time.Second)
	now := noon.Add(10 * time.Second)
	for range othersProve {
		callIn(l, "db", now)
	}
	now = now.Add(quietProves)
	l.TakeIn("noc", now)
	require.True(t, l.Begin("noc", callCreate, now))
	require.True(t, l.Begin("db", callCreate, now.Add(time.Millisecond))) // was picked before
	require.False(t, l.LimitedIn("noc", now, now.Add(50*time.Millisecond), time.Second))
}

// A call that was under way when a room was refused says nothing about what came after.
func TestWhatWasUnderWayIsNoEvidence(t *testing.T) {
	l, until := blocked(t)
	require.True(t, l.Begin("db", callCreate, until))
	require.True(t, refuseIn(t, l, "noc", until.Add(quietKnown), 10*time.Second), "nobody else was answered since")
	l.Answered("db", callCreate, until, until.Add(2*time.Second))
	require.False(t, l.evidence(l.rooms["noc"], until).Others > 0)
}

// With few answers elsewhere it takes more trials, for the account may refuse now and then for no reason.
func TestFewAnswersElsewhereProveLittle(t *testing.T) {
	l, now := NewLimits(5, noon), noon
	refuseIn(t, l, "noc", now, 10*time.Second)
	trials := 0
	for alone := false; !alone; trials++ {
		now = now.Add(10 * time.Second)
		callIn(l, "db", now)
		now = now.Add(quietProves)
		alone = refuseIn(t, l, "noc", now, 10*time.Second)
	}
	require.Equal(t, 6, trials)
}

// That another room is refused too may mean that the account is limited as well.
func TestWhatIsKnownOfARoomIsProvedAgainAfterAnothersRefusal(t *testing.T) {
	l, until := blocked(t)
	now := until.Add(time.Second)
	require.False(t, refuseIn(t, l, "db", now, 10*time.Second))
	now = now.Add(10 * time.Second)
	require.False(t, refuseIn(t, l, "noc", now, 10*time.Second))
	prove(t, l, "noc", now.Add(10*time.Second), 10*time.Second)
}

// A room that takes less than the others is slowed by itself, so that they go on as fast as the account may.
func TestARoomThatIsRefusedAgainAndAgainIsSlowedAlone(t *testing.T) {
	for _, limit := range []float64{0.3, 0.5, 1} {
		w := &aWebex{rooms: map[string]*bucket{"noc": newBucket(limit, 2, noon)}, told: map[string]time.Time{}}
		always := func(time.Time) bool { return true }
		said, _ := simulate(t, w, map[string]func(time.Time) bool{"noc": always, "db": always, "net": always}, 20*time.Minute)
		require.Empty(t, w.early, "calls while told to wait")
		require.Greater(t, float64(said["noc"]), 0.3*limit*1200)
		require.Greater(t, said["db"]+said["net"], 3*1200, "in calls a second many times what the room takes")
		require.LessOrEqual(t, w.refused, 20)
	}
}

func TestACalmRoomIsForgotten(t *testing.T) {
	l, until := blocked(t)
	now := until
	for range 20 {
		now = now.Add(time.Minute)
		callIn(l, "noc", now)
	}
	require.Empty(t, l.rooms)
}

func TestARoomsWaitIsBounded(t *testing.T) {
	l := NewLimits(5, noon)
	l.PauseRoom("noc", noon.Add(1000*time.Hour), noon)
	require.Equal(t, noon.Add(pauseMost), l.OpensAt("noc", false, noon), "a clock was set back")
	l.PauseRoom("db", noon.Add(-time.Second), noon)
	require.True(t, l.OpensAt("db", false, noon).IsZero())
}

// aWebex is a Webex with limits of an account and of its rooms, and rooms that
// take nothing for a while. It counts what comes too early.
type aWebex struct {
	account *bucket // nil: no limit
	rooms   map[string]*bucket
	blocked map[string]time.Time // room → until when
	told    map[string]time.Time // who was told to wait until when; "" is the account
	early   []string
	refused int
}

// take gives 0 where it takes a call.
func (w *aWebex) take(room string, now time.Time) time.Duration {
	for _, who := range []string{"", room} {
		if now.Before(w.told[who]) {
			w.early = append(w.early, room)
		}
	}
	tell := func(who string, wait time.Duration) time.Duration {
		w.told[who] = now.Add(wait)
		w.refused++
		return wait
	}
	if w.account != nil {
		if wait := w.account.take(now); wait > 0 {
			return tell("", wait)
		}
	}
	if now.Before(w.blocked[room]) {
		return tell(room, 7*time.Second) // or less than it takes
	}
	if b := w.rooms[room]; b != nil {
		if wait := b.take(now); wait > 0 {
			return tell(room, wait)
		}
	}
	return 0
}

// simulate has a bot with one worker say what the rooms want said, for d. It gives what was
// said in each, and how long who wanted to say something waited most, by room.
func simulate(t rapid.TB, w *aWebex, wants map[string]func(now time.Time) bool, d time.Duration) (said map[string]int, waited map[string]time.Duration) {
	l, q, now := NewLimits(5, noon), newQueue(), noon
	b := &bot{rate: l, queue: q, Delivery: &Delivery{Options: Options{Rooms: func(room, _ string) (RoomSettings, bool) { return RoomSettings{ID: room}, true }}}}
	q.opens = b.opens
	said, waited = map[string]int{}, map[string]time.Duration{}
	for now.Before(noon.Add(d)) {
		for room, wants := range wants {
			if q.get(room) == nil && wants(now) {
				q.add(aTask(room, room, classNew, 1, now))
			}
		}
		b.nextTrial(now)
		at, ok := q.readyAt(now)
		if ok && !at.After(now) {
			at = l.ReadyAt(now)
		}
		if !ok || at.After(now) {
			next := now.Add(time.Second) // somebody may want something then
			if ok && at.Before(next) {
				next = at
			}
			now = next
			continue
		}
		x := q.pick(now)
		l.TakeIn(x.room, now)
		if !l.Begin(x.room, callCreate, now) {
			t.Fatal("picked though told to wait")
		}
		if wait := w.take(x.room, now); wait > 0 {
			l.LimitedIn(x.room, now, now, wait)
			q.back(x, now, now)
			continue
		}
		l.Answered(x.room, callCreate, now, now)
		said[x.room]++
		waited[x.room] = max(waited[x.room], now.Sub(x.since))
		q.done(x)
	}
	return said, waited
}

// Whatever it is that limits a bot, its account or rooms, nothing is ever
// called while told to wait; and rooms that aren't limited wait for others only as long
// as it takes to find out.
func TestNothingIsCalledWhileToldToWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"noc", "db", "net", "web"}[:rapid.IntRange(1, 4).Draw(t, "rooms")]
		w := &aWebex{rooms: map[string]*bucket{}, blocked: map[string]time.Time{}, told: map[string]time.Time{}}
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
		wants := map[string]func(time.Time) bool{}
		for _, room := range names {
			every := time.Duration(rapid.SampledFrom([]int{0, 0, 300, 2000, 10000, 60000}).Draw(t, room+" every ms")) * time.Millisecond
			last := noon
			wants[room] = func(now time.Time) bool {
				if now.Sub(last) < every {
					return false
				}
				last = now
				return true
			}
		}
		said, _ := simulate(t, w, wants, 15*time.Minute)
		if len(w.early) > 0 {
			t.Fatalf("%d calls while told to wait: %v", len(w.early), w.early)
		}
		for _, room := range names {
			if said[room] == 0 {
				t.Fatalf("nothing was said in %s", room)
			}
		}
	})
}

// A room that takes nothing for a while holds up the others with each 429 until it is
// known, and with none after that: nobody waits for two of its waits on end.
func TestABlockedRoomHoldsUpOthersOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &aWebex{blocked: map[string]time.Time{"noc": noon.Add(2 * time.Minute)}, told: map[string]time.Time{}}
		every := map[string]time.Duration{}
		last := map[string]time.Time{}
		wants := map[string]func(time.Time) bool{}
		for _, room := range []string{"noc", "db", "net"} {
			every[room] = time.Duration(rapid.SampledFrom([]int{0, 700, 3000, 20000}).Draw(t, room)) * time.Millisecond
			wants[room] = func(now time.Time) bool {
				if now.Sub(last[room]) < every[room] {
					return false
				}
				last[room] = now
				return true
			}
		}
		_, waited := simulate(t, w, wants, 3*time.Minute)
		if len(w.early) > 0 {
			t.Fatalf("%d calls while told to wait: %v", len(w.early), w.early)
		}
		for _, room := range []string{"db", "net"} {
			if waited[room] > 7*time.Second+trialHold+5*time.Second {
				t.Fatalf("%s waited %v", room, waited[room])
			}
		}
	})
}
