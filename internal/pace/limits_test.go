package pace

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
					now = Later(now, l.ReadyAt(now))
					now = Later(now, l.OpensAt(room, now))
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
		require.True(t, refuseIn(t, l, "noc", Later(now, l.OpensAt("noc", now)), time.Second))
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
