package pace

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// aWebex limits the account and its rooms, and refuses everything in some rooms for a while.
type aWebex struct {
	account *bucket // nil: no limit
	rooms   map[string]*bucket
	blocked map[string]time.Time // room → until when
	refused int
}

// take returns 0 for a call that it accepts, otherwise the Retry-After, and whether it is the account's.
func (w *aWebex) take(room string, now time.Time) (wait time.Duration, account bool) {
	if w.account != nil {
		if wait := w.account.take(now); wait > 0 {
			return wait, true
		}
	}
	if now.Before(w.blocked[room]) {
		return 7 * time.Second, false // shorter than the block
	}
	if b := w.rooms[room]; b != nil {
		return b.take(now), false
	}
	return 0, false
}

// talker is a room with something to show at intervals.
type talker struct {
	every        time.Duration
	since        time.Time // when it last had something new to show; zero for nothing
	served, next time.Time
	calling      bool
	posted       int
	waited       time.Duration // the longest wait until a call was accepted
}

// aCall is a call that was picked, is on its way to Webex, or its answer on its way back.
type aCall struct {
	room           string
	started, due   time.Time
	begun, arrived bool
	wait           time.Duration
	account        bool
}

// office is a bot with workers in some rooms. Its calls are delayed on the way to Webex and back.
type office struct {
	webex   *aWebex
	workers int
	store   time.Duration  // the longest time between picking a call and making it
	network time.Duration  // the longest way
	reads   time.Duration  // between two calls beside these, in no room; 0 for none
	chance  func() float64 // in [0,1)

	limits *Limits
	rooms  map[string]*talker
	calls  []*aCall
	waits  map[string]time.Time // the demanded waits that the bot knows: of "" (the account) or a room
	early  int                  // calls that began although the bot knew better
	read   time.Time            // when the last call beside these began
}

// work runs the office for d. Each room has something to show so often.
func (o *office) work(every map[string]time.Duration, d time.Duration) {
	o.limits, o.rooms, o.waits = NewLimits(5, noon), map[string]*talker{}, map[string]time.Time{}
	for name, every := range every {
		o.rooms[name] = &talker{every: every, next: noon}
	}
	for now := noon; now.Before(noon.Add(d)); {
		now = o.next(now)
	}
}

func (o *office) way(now time.Time) time.Time { return o.after(now, o.network) }

// after is some time at most after now.
func (o *office) after(now time.Time, most time.Duration) time.Time {
	if most == 0 {
		return now
	}
	return now.Add(time.Duration(o.chance() * float64(most)))
}

// beside makes a call in no room, which only the account limits.
func (o *office) beside(now time.Time) {
	o.read = now
	if !o.limits.BeginBeside(now) || o.webex.account == nil {
		return
	}
	if wait := o.webex.account.take(now); wait > 0 {
		o.waits[""] = Later(o.waits[""], now.Add(wait))
		o.limits.Pause("", now, now, wait)
	}
}

// next does what is due now, and returns when something is due next.
func (o *office) next(now time.Time) time.Time {
	wake := now.Add(time.Second)
	if o.reads > 0 && !now.Before(o.read.Add(o.reads)) {
		o.beside(now)
	}
	for _, c := range slices.Clone(o.calls) {
		switch {
		case c.due.After(now):
			wake = Earlier(wake, c.due)
		case !c.begun:
			o.call(c, now)
			return now
		case !c.arrived:
			c.arrived = true
			c.wait, c.account = o.webex.take(c.room, now)
			c.due = o.way(now)
			return now
		default:
			o.answer(c, now)
			o.calls = slices.DeleteFunc(o.calls, func(other *aCall) bool { return other == c })
			return now
		}
	}
	if len(o.calls) == o.workers {
		return wake
	}
	ready := o.ready(now)
	o.limits.HaveWork(slices.Values(ready), sameID, now)
	pick := ""
	for _, name := range ready {
		switch at := o.limits.OpensAt(name, now); {
		case at.After(now):
			wake = Earlier(wake, at)
		case pick == "" || o.rooms[name].served.Before(o.rooms[pick].served):
			pick = name
		}
	}
	if pick == "" {
		return wake
	}
	if at := o.limits.ReadyAt(now); at.After(now) {
		return Earlier(wake, at)
	}
	o.begin(pick, now)
	return now
}

// ready returns the rooms with something to show.
func (o *office) ready(now time.Time) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(o.rooms)) {
		r := o.rooms[name]
		if r.since.IsZero() && !now.Before(r.next) {
			r.since = now
		}
		if !r.since.IsZero() && !r.calling {
			names = append(names, name)
		}
	}
	return names
}

func (o *office) begin(room string, now time.Time) {
	o.limits.TakeIn(room, now)
	o.rooms[room].served, o.rooms[room].calling = now, true
	o.calls = append(o.calls, &aCall{room: room, due: o.after(now, o.store)})
}

// call makes a call that was picked, unless a 429 came meanwhile.
func (o *office) call(c *aCall, now time.Time) {
	if !o.limits.MayBegin(c.room, now) {
		o.rooms[c.room].calling = false
		o.limits.EndIn(c.room, false, now)
		o.calls = slices.DeleteFunc(o.calls, func(other *aCall) bool { return other == c })
		return
	}
	if now.Before(o.waits[""]) || now.Before(o.waits[c.room]) {
		o.early++
	}
	o.limits.Began(c.room, now)
	c.begun, c.started, c.due = true, now, o.way(now)
}

func (o *office) answer(c *aCall, now time.Time) {
	r := o.rooms[c.room]
	r.calling = false
	defer o.limits.EndIn(c.room, true, now)
	if c.wait > 0 {
		who := c.room
		if c.account {
			who = ""
		}
		if until := now.Add(c.wait); until.After(o.waits[who]) {
			o.waits[who] = until
		}
		o.webex.refused++
		o.limits.LimitedIn(c.room, c.started, now, c.wait)
		return
	}
	o.limits.Answered(c.room, c.started, now)
	r.posted++
	r.waited = max(r.waited, now.Sub(r.since))
	r.since, r.next = time.Time{}, now.Add(r.every)
}

func sameID(room string) string { return room }

// No call is made during a wait, and no room starves, whether the account or rooms or both are limited.
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
		o := &office{webex: w, workers: rapid.IntRange(1, 4).Draw(t, "workers")}
		o.network = time.Duration(rapid.SampledFrom([]int{0, 5, 80, 900}).Draw(t, "network ms")) * time.Millisecond
		o.store = time.Duration(rapid.SampledFrom([]int{0, 0, 30, 2000}).Draw(t, "store ms")) * time.Millisecond
		o.reads = time.Duration(rapid.SampledFrom([]int{0, 0, 20}).Draw(t, "reads s")) * time.Second
		o.chance = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "delays"), 0)).Float64
		o.work(every, 15*time.Minute)
		if o.early > 0 {
			t.Fatalf("%d calls during a wait", o.early)
		}
		for _, room := range names {
			if o.rooms[room].posted == 0 {
				t.Fatalf("nothing was posted in %s", room)
			}
		}
	})
}

// A slow account isn't taken for a limited room, wherever its limit is reached.
func TestASlowAccountIsNotTakenForALimitedRoom(t *testing.T) {
	for seed := range uint64(20) {
		for _, limit := range []float64{0.5, 1, 2, 5} {
			o := &office{webex: &aWebex{account: newBucket(limit, 1, noon)}, workers: 1 + int(seed%4)}
			o.network = []time.Duration{0, 80 * time.Millisecond, 900 * time.Millisecond}[seed%3]
			o.chance = rand.New(rand.NewPCG(seed, 0)).Float64
			every := time.Duration(seed%5) * 300 * time.Millisecond
			o.work(map[string]time.Duration{"noc": 0, "db": every, "net": every}, 15*time.Minute)
			require.Zero(t, o.early, "calls during a wait, with seed %d and %v calls a second", seed, limit)
		}
	}
}

// A room that accepts less than the others gets a slower pace of its own.
func TestASlowRoomDoesNotSlowTheOthers(t *testing.T) {
	for _, limit := range []float64{0.3, 0.5, 1} {
		o := &office{webex: &aWebex{rooms: map[string]*bucket{"noc": newBucket(limit, 2, noon)}}, workers: 1}
		o.work(map[string]time.Duration{"noc": 0, "db": 0, "net": 0}, 20*time.Minute)
		require.Zero(t, o.early, "calls during a wait")
		require.Greater(t, float64(o.rooms["noc"].posted), 0.3*limit*1200)
		require.Greater(t, o.rooms["db"].posted+o.rooms["net"].posted, 3*1200, "many times the rate that the room accepts")
		t.Logf("%d refused, %d posted", o.webex.refused, o.rooms["noc"].posted)
		require.LessOrEqual(t, o.webex.refused, 20)
	}
}

// A blocked room stops busy other rooms once. Two of them may slow the bot down as well.
func TestABlockedRoomStopsTheOthersOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := &office{webex: &aWebex{blocked: map[string]time.Time{}}, workers: rapid.IntRange(1, 3).Draw(t, "workers")}
		blocked := []string{"noc", "web"}[:rapid.IntRange(1, 2).Draw(t, "blocked")]
		for _, room := range blocked {
			o.webex.blocked[room] = noon.Add(2 * time.Minute)
		}
		every := map[string]time.Duration{}
		for _, room := range append([]string{"db", "net"}, blocked...) {
			every[room] = time.Duration(rapid.SampledFrom([]int{0, 700, 3000, 20000}).Draw(t, room)) * time.Millisecond
		}
		o.work(every, 3*time.Minute)
		if o.early > 0 {
			t.Fatalf("%d calls during a wait", o.early)
		}
		for _, room := range []string{"db", "net"} {
			if waited := o.rooms[room].waited; waited > time.Duration(len(blocked)*len(blocked))*10*time.Second {
				t.Fatalf("%s waited %v", room, waited)
			}
		}
	})
}
