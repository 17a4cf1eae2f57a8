package pace

import (
	"cmp"
	"maps"
	"math/rand/v2"
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
	l.EndIn(room, true, now)
}

// refuseIn makes one call that gets a 429.
func refuseIn(t *testing.T, l *Limits, room string, now time.Time, wait time.Duration) bool {
	t.Helper()
	l.TakeIn(room, now)
	require.True(t, l.MayBegin(room, now))
	defer l.EndIn(room, true, now)
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
		"a first one":                         {"noc!", "bot"},
		"a second in a row, others answered":  {"noc! db*20 noc!", "bot room"},
		"nobody else was answered":            {"noc! noc!", "bot bot"},
		"few others were answered":            {"noc! db*19 noc!", "bot bot"},
		"the room was answered in between":    {"noc! db*20 noc noc!", "bot bot"},
		"another room got one in between":     {"noc! db*20 db! noc!", "bot bot bot"},
		"the next ones of a room":             {"noc! db*20 noc! noc! noc!", "bot room room room"},
		"an answer ends the room's own wait":  {"noc! db*20 noc! noc noc!", "bot room bot"},
		"so does a 429 elsewhere":             {"noc! db*20 noc! db! noc!", "bot room bot bot"},
		"two rooms":                           {"noc! db*20 noc! web! db*20 web! noc!", "bot room bot room room"},
		"the account's, seen in another room": {"noc! db*20 noc! noc! db! noc!", "bot room room bot bot"},
		"then a new proof":                    {"noc! db*20 noc! db! db*20 noc!", "bot room bot room"},
		"a proof for two rooms":               {"noc! web! db*20 web! noc!", "bot bot room room"},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := NewLimits(5, noon), noon
			var whose []string
			for call := range strings.FieldsSeq(c.story) {
				room, times, _ := strings.Cut(call, "*")
				room, refused := strings.CutSuffix(room, "!")
				n, _ := strconv.Atoi(cmp.Or(times, "1"))
				for range n {
					now = latest(now, l.ReadyAt(now))
					now = latest(now, l.OpensAt(room, now))
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

// A call without a silence before it may be refused because of the bot's other calls.
func TestA429WithoutASilenceIsTheBots(t *testing.T) {
	l := NewLimits(5, noon)
	require.False(t, refuseIn(t, l, "noc", noon, 10*time.Second))
	now := calls(t, l, othersProve-1, "db", noon.Add(10*time.Second))
	l.TakeIn("noc", now)
	callIn(t, l, "db", now)
	require.False(t, l.LimitedIn("noc", now, now, 10*time.Second))
}

// A 429 of a call that is in no room, or in another one, needs a new proof, also for calls that began before it.
func TestA429ElsewhereEndsTheProof(t *testing.T) {
	for _, elsewhere := range []string{"", "db"} {
		l, now := twoStrikes(t)
		l.TakeIn("noc", now)
		l.Pause(elsewhere, now, now.Add(time.Second), time.Second)
		require.False(t, l.LimitedIn("noc", now, now.Add(time.Second), time.Second))
		now = calls(t, l, othersProve, "web", now.Add(2*time.Second))
		require.True(t, refuseIn(t, l, "noc", latest(now, l.OpensAt("noc", now)), time.Second))
	}
}

// A room's wait survives a restart, and so does the proof that it is the room's.
func TestARestoredWaitIsTheRoomsOwn(t *testing.T) {
	l := NewLimits(5, noon)
	l.PauseRoom("noc", noon.Add(time.Hour), noon)
	l.PauseRoom("web", noon.Add(2*time.Hour), noon)
	require.Equal(t, map[string]time.Time{"noc": noon.Add(time.Hour), "web": noon.Add(2 * time.Hour)}, l.PausedRooms(noon))
	callIn(t, l, "db", noon.Add(time.Hour))
	require.True(t, refuseIn(t, l, "noc", l.OpensAt("noc", noon.Add(time.Hour)), time.Hour))
	require.True(t, refuseIn(t, l, "web", noon.Add(2*time.Hour), time.Hour))
}

func TestCallsInFlightTogetherAreOneStrike(t *testing.T) {
	l := NewLimits(5, noon)
	require.True(t, l.MayBegin("noc", noon))
	l.LimitedIn("noc", noon, noon.Add(time.Second), 10*time.Second)
	for range othersProve {
		l.Answered("db", noon.Add(2*time.Second), noon.Add(2*time.Second))
	}
	require.False(t, l.LimitedIn("noc", noon, noon.Add(3*time.Second), 10*time.Second))
	require.Equal(t, l.SpeedIn("db"), l.SpeedIn("noc"), "it has no pace of its own")
}

// A suspect room yields until enough calls were answered elsewhere. Then the others yield, so that its call comes after
// a silence.
func TestWhoGoesFirst(t *testing.T) {
	l := NewLimits(5, noon)
	opens := func(room string, now time.Time, ready ...string) time.Duration {
		l.HaveWork(slices.Values(ready), sameID, now)
		return max(0, l.OpensAt(room, now).Sub(now))
	}
	require.Zero(t, opens("noc", noon, "noc", "db"))
	refuseIn(t, l, "noc", noon, time.Second)
	now := noon.Add(time.Second)
	require.Equal(t, yieldFor, opens("noc", now, "noc", "db"))
	require.Zero(t, opens("noc", now, "noc"), "no other room has work")
	require.Zero(t, opens("db", now, "noc", "db"))
	calls(t, l, othersProve, "db", now)
	now = l.last
	quiet := time.Duration(silence / l.PerSecond() * float64(time.Second))
	require.Equal(t, quiet, opens("noc", now, "noc", "db"))
	require.Equal(t, quiet+yieldFor, opens("db", now, "noc", "db"))
	require.Zero(t, opens("db", now, "db"), "the suspect room has no work")

	now = now.Add(quiet)
	l.TakeIn("noc", now)
	require.Equal(t, quiet, opens("noc", now, "noc"), "each call comes after a silence")
	require.Equal(t, quiet+yieldFor, opens("db", now, "db"), "nothing else is in flight")
	require.True(t, l.LimitedIn("noc", now, now, time.Minute))
	l.EndIn("noc", true, now)
	require.Zero(t, opens("db", now, "noc", "db"), "the room has to wait")
	now = now.Add(time.Minute)
	callIn(t, l, "db", now)
	l.Answered("db", now, now.Add(time.Second))
	now = now.Add(time.Second)
	require.Equal(t, now.Add(quiet), l.OpensAt("noc", now), "an answer begins the silence anew")
	require.Less(t, opens("noc", now, "noc", "db"), opens("db", now, "noc", "db"))
}

// A task of a suspect room that needs no call doesn't end the silence. A call with another outcome than a 429 ends the
// suspicion: a room that answers 404 doesn't go first for ever.
func TestATrialWithout429(t *testing.T) {
	l, until := twoStrikes(t)
	callIn(t, l, "db", until)
	now := l.OpensAt("noc", until)
	l.TakeIn("noc", now)
	l.EndIn("noc", false, now)
	require.Equal(t, now, l.OpensAt("noc", until), "the silence goes on")
	l.TakeIn("noc", now)
	l.EndIn("noc", true, now.Add(time.Second))
	l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
	require.Zero(t, l.OpensAt("db", now))
}

// A bot that is paused again and again has no proof. A suspect room doesn't yield for ever.
func TestASuspectRoomYieldsForAWhile(t *testing.T) {
	l, now := NewLimits(5, noon), noon
	refuseIn(t, l, "noc", now, time.Second)
	for range yieldMost / 10 {
		now = now.Add(time.Second)
		l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
		require.Equal(t, now.Add(yieldFor), l.OpensAt("noc", now))
		now = calls(t, l, 10, "db", now)
		refuseIn(t, l, "web", now, time.Second)
	}
	now = now.Add(time.Second)
	l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
	require.False(t, l.OpensAt("noc", now).After(now))
	require.False(t, refuseIn(t, l, "noc", now, time.Second))
}

// A suspect room whose turn never comes, since the others' calls hang, is called in the end.
func TestASuspectRoomDoesNotWaitForHangingCalls(t *testing.T) {
	l := NewLimits(5, noon)
	refuseIn(t, l, "noc", noon, time.Second)
	for now := noon.Add(time.Second); now.Before(noon.Add(yieldLong)); now = now.Add(10 * time.Second) {
		l.TakeIn("db", now)
		l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
		require.True(t, l.OpensAt("noc", now).After(now))
	}
	now := noon.Add(time.Second + yieldLong)
	l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
	require.False(t, l.OpensAt("noc", now).After(now))
}

// Calls that don't yield, such as reads for chat, may break every silence, and a suspect room's call may hang. Then the others
// go on, and yield again some time later.
func TestTheOthersDoNotYieldForEver(t *testing.T) {
	for name, breaks := range map[string]func(l *Limits, now time.Time){
		"reads": func(l *Limits, now time.Time) { require.True(t, l.BeginBeside(now)) },
		"a call that hangs": func(l *Limits, now time.Time) {
			if l.trial == "" && !l.OpensAt("noc", now).After(now) {
				l.TakeIn("noc", now)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, until := twoStrikes(t)
			calls(t, l, 2*othersProve, "db", until)
			begin, free := l.last, 0
			const looks = 600 // ten a second
			for n := range looks {
				now := begin.Add(time.Duration(n) * time.Second / 10)
				breaks(l, now)
				l.HaveWork(slices.Values([]string{"noc", "db"}), sameID, now)
				if !l.OpensAt("db", now).After(now) {
					free++
					l.TakeIn("db", now)
				}
			}
			require.Greater(t, free, looks*2/3)
			require.Less(t, free, looks, "they yield now and then")
		})
	}
}

// A room that keeps a pace of its own makes nobody yield once it is answered.
func TestACallInAnAnsweredRoomIsNoTrial(t *testing.T) {
	l, until := twoStrikes(t)
	now := l.OpensAt("noc", until)
	callIn(t, l, "noc", now)
	require.Contains(t, l.rooms, "noc", "it keeps its pace")
	calls(t, l, othersProve, "db", now.Add(time.Second))
	now = l.last.Add(time.Second)
	l.TakeIn("noc", now)
	l.HaveWork(slices.Values([]string{"db"}), sameID, now)
	require.False(t, l.OpensAt("db", now).After(now))
}

// Another call may begin between the answer of a suspect room's call, which ends the suspicion, and its end.
func TestACallBeginsAfterATrialWasAnswered(t *testing.T) {
	l := NewLimits(5, noon)
	refuseIn(t, l, "noc", noon, time.Second)
	calls(t, l, othersProve, "db", noon.Add(time.Second))
	now := l.OpensAt("noc", l.last)
	l.TakeIn("noc", now)
	l.Began("noc", now)
	l.Answered("noc", now, now.Add(time.Second))
	require.Empty(t, l.rooms, "the room is forgotten")
	l.TakeIn("db", now.Add(time.Second))
	l.EndIn("noc", true, now.Add(time.Second))
	require.True(t, l.MayBegin("noc", now.Add(time.Second)))
}

// A 429 of a suspect room's call is the bot's if another call begins meanwhile: that may have used what the silence had
// left for the room's.
func TestATrialIsAlone(t *testing.T) {
	for name, other := range map[string]func(l *Limits, now time.Time){
		"a read for chat":                     func(l *Limits, now time.Time) { require.True(t, l.BeginBeside(now)) },
		"a call elsewhere":                    func(l *Limits, now time.Time) { l.TakeIn("db", now) },
		"a call that was picked much earlier": func(l *Limits, now time.Time) { l.Began("db", now) },
	} {
		t.Run(name, func(t *testing.T) {
			l, until := twoStrikes(t)
			calls(t, l, 2*othersProve, "db", until)
			now := l.OpensAt("noc", l.last)
			l.TakeIn("noc", now)
			l.Began("noc", now)
			other(l, now.Add(time.Millisecond))
			require.False(t, l.LimitedIn("noc", now, now.Add(time.Second), time.Minute))
			require.False(t, l.MayBegin("db", now.Add(2*time.Second)))
		})
	}
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
		o.waits[""] = latest(o.waits[""], now.Add(wait))
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
			wake = minTime(wake, c.due)
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
			wake = minTime(wake, at)
		case pick == "" || o.rooms[name].served.Before(o.rooms[pick].served):
			pick = name
		}
	}
	if pick == "" {
		return wake
	}
	if at := o.limits.ReadyAt(now); at.After(now) {
		return minTime(wake, at)
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

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

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
