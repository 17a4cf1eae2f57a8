package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// lapsing is a world in which a problem is posted in two rooms, with acknowledgements that last for these times.
func lapsing(t *testing.T, noc, leads route.Timing) *world {
	w := newWorld(t)
	w.now = epoch
	w.rules.Rooms = func(alert.Problem, string, time.Time) []route.Target {
		return []route.Target{{Room: "noc"}, {Room: "leads"}}
	}
	w.rules.Timing = func(room, _ string) route.Timing {
		if room == "noc" {
			return noc
		}
		return leads
	}
	w.plan(opened())
	w.deliver("noc")
	w.deliver("leads")
	return w
}

// posts marks everything as posted at the present time.
func (w *world) posts(rooms ...string) {
	for _, room := range rooms {
		posts := w.known.Posts[k4711]
		for i := range posts {
			if posts[i].Room == room {
				posts[i].ToldSeq, posts[i].DeliveredAt = w.known.Problems[k4711].LastSeq(), w.now
			}
		}
	}
}

func acks(e *alert.Event) {
	e.Kind = alert.KindAction
	e.Update.Actions = alert.Actions{Ack: true}
	e.Update.Actor = alert.Actor{Name: "Alice", Email: "alice@example.com"}
}

// The shortest time of a problem's rooms counts. One question reaches each room whose acknowledgements lapse, and one act follows.
func TestLapseOfSeveralRooms(t *testing.T) {
	w := lapsing(t, route.Timing{AckExpires: 4 * time.Hour}, route.Timing{AckExpires: time.Hour})
	w.later(minute, acks)
	w.now = w.now.Add(59 * minute)
	require.Empty(t, w.due().Nudged)
	w.now = w.now.Add(minute)
	out := w.due()
	require.Len(t, out.Nudged, 1)
	require.Equal(t, alert.Nudge{Kind: alert.EntryAsked, Room: "leads", Rooms: []string{"noc"}, Mention: []string{"alice@example.com"}, After: time.Hour, At: w.now}, out.Nudged[0].Nudge)
	asked := w.now
	w.posts("noc", "leads")
	w.now = w.now.Add(alert.AnswerWithin - time.Second)
	require.Empty(t, w.due().Lapsed)
	w.now = w.now.Add(time.Second)
	out = w.due()
	require.Contains(t, out.Lapsed, Lapsed{Key: k4711, Asked: asked, Room: "leads"})
	require.Empty(t, out.Nudged)
	w.now = w.now.Add(30 * time.Second)
	require.Empty(t, w.due().Lapsed, "not more than once a minute")
	w.now = w.now.Add(30 * time.Second)
	require.NotEmpty(t, w.due().Lapsed, "until Zabbix reports that it was taken back")
	w.later(0, does(alert.Actions{Unack: true}))
	w.now = w.now.Add(24 * time.Hour)
	out = w.due()
	require.Empty(t, out.Lapsed)
	require.Empty(t, out.Nudged)
}

// Whatever anybody does to the problem starts the time anew, by the order of arrival even if Zabbix's clock is behind.
func TestLapseStartsAnew(t *testing.T) {
	for name, act := range map[string]func(*alert.Event){
		"a comment":  func(e *alert.Event) { e.Update.Message = "still there" },
		"a severity": becomes(alert.Disaster),
		"an owner": func(e *alert.Event) {
			e.Kind, e.Update.Owner = alert.KindAction, &alert.Owner{Email: "bob@example.com"}
		},
		"by a clock that is behind": func(e *alert.Event) {
			e.Update.Message, e.At = "still there", e.At.Add(-2*time.Hour)
			e.Update.At = e.At
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := lapsing(t, route.Timing{AckExpires: time.Hour}, route.Timing{})
			w.later(minute, acks)
			w.now = w.now.Add(time.Hour)
			require.Len(t, w.due().Nudged, 1)
			w.posts("noc")
			w.later(10*minute, act)
			w.now = w.now.Add(49 * minute)
			out := w.due()
			require.Empty(t, out.Nudged)
			require.Empty(t, out.Lapsed)
			w.now = w.now.Add(11 * minute)
			require.Len(t, w.due().Nudged, 1)
		})
	}
}

// What keeps an acknowledgement from lapsing: quiet hours of the room, a suppression, a question that nobody could read.
func TestLapseWaits(t *testing.T) {
	quiet := quietAtNight(t)
	hours := route.Timing{AckExpires: time.Hour}
	for name, c := range map[string]struct {
		timing route.Timing
		change func(w *world)
		ask    time.Duration // from the acknowledgement on; 0: never
	}{
		"nothing":      {hours, func(*world) {}, time.Hour},
		"never lapses": {route.Timing{}, func(*world) {}, 0},
		"quiet hours":  {route.Timing{AckExpires: time.Hour, Quiet: quiet}, func(*world) {}, 9*time.Hour + 30*minute}, // to 07:00
		"suppressed for a while": {hours, func(w *world) {
			w.later(0, does(alert.Actions{Suppress: true, SuppressUntil: w.now.Add(5 * time.Hour)}))
		}, 5 * time.Hour},
		"suppressed for good": {hours, func(w *world) { w.later(0, does(alert.Actions{Suppress: true})) }, 0},
		"resolved":            {hours, func(w *world) { w.later(0, ends) }, 0},
		"dead": {hours, func(w *world) {
			posts := w.known.Posts[k4711]
			for i := range posts {
				posts[i].State = store.PostDead
			}
			w.later(0, func(e *alert.Event) { e.Update.Message = "so that the clocks are set" })
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := lapsing(t, c.timing, route.Timing{})
			if c.timing.Quiet != nil {
				w.now = time.Date(epoch.Year(), epoch.Month(), epoch.Day(), 21, 29, 0, 0, time.UTC)
				w.later(0, becomes(alert.Average))
			}
			w.later(minute, acks)
			acked := w.now
			c.change(w)
			var asked time.Duration
			for range 3 * 24 * 60 {
				w.now = w.now.Add(minute)
				if out := w.due(); len(out.Nudged) > 0 {
					require.Equal(t, alert.EntryAsked, out.Nudged[0].Nudge.Kind)
					asked = w.now.Sub(acked)
					break
				}
			}
			require.Equal(t, c.ask, asked)
			if asked == 0 {
				return
			}
			began := w.now
			for range 2 * 60 {
				w.now = w.now.Add(minute)
				if len(w.due().Lapsed) > 0 {
					break
				}
			}
			require.Equal(t, unpostedFor, w.now.Sub(began), "no room could show the question")
		})
	}
}

// The time for an answer begins when the first room shows the question.
func TestLateQuestion(t *testing.T) {
	w := lapsing(t, route.Timing{AckExpires: time.Hour}, route.Timing{})
	w.later(minute, acks)
	w.now = w.now.Add(time.Hour)
	require.Len(t, w.due().Nudged, 1)
	w.now = w.now.Add(30 * minute)
	require.Empty(t, w.due().Lapsed)
	w.posts("noc")
	w.now = w.now.Add(14 * minute)
	require.Empty(t, w.due().Lapsed)
	w.now = w.now.Add(minute)
	require.Len(t, w.due().Lapsed, 1)
}

// The question about a problem in a digest is a line in the digest's thread: the time for an answer begins when that is posted, and
// what else the digest says doesn't postpone it without end.
func TestLateQuestionInADigest(t *testing.T) {
	for name, c := range map[string]struct {
		posted time.Duration // after the question; 0: never
		speaks bool          // every minute afterwards
		lapses time.Duration // after the question
	}{
		"at once":              {minute, false, 16 * minute},
		"late":                 {40 * minute, false, 55 * minute},
		"just in time":         {59 * minute, false, 74 * minute},
		"never":                {0, false, unpostedFor},
		"and then much speech": {2 * minute, true, 75 * minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := storm(t)
			w.rules.Timing = func(string, string) route.Timing { return route.Timing{AckExpires: time.Hour} }
			due := func() Outcome {
				w.known.Groups = map[int64]store.Group{1: w.groups[0]}
				return w.due()
			}
			w.now = epoch.Add(minute)
			w.plan(w.ackedWide(""))
			w.now = w.now.Add(time.Hour)
			require.Len(t, due().Nudged, 1)
			require.EqualValues(t, 1, w.postOf(1).Group)
			require.Greater(t, w.groups[0].Lines, w.groups[0].LinesPosted)
			asked := w.now
			for w.now.Before(asked.Add(2 * time.Hour)) {
				w.now = w.now.Add(minute)
				if c.posted > 0 && (w.now.Sub(asked) == c.posted || c.speaks && w.now.Sub(asked) > c.posted) {
					w.groups[0].LinesPosted, w.groups[0].SpokeAt = w.groups[0].Lines, w.now
				}
				if len(due().Lapsed) > 0 {
					break
				}
			}
			require.Equal(t, c.lapses, w.now.Sub(asked))
		})
	}
}

// The groups of problems that wait for an answer are read with them, and no others.
func TestGroupsOfQuestionsAreRead(t *testing.T) {
	s := memory.New(time.Now)
	asked := alert.Problem{Key: k4711, State: alert.StateOpen, Acknowledged: true, Revision: 1, Timeline: []alert.Entry{{Kind: alert.EntryAsked, Seq: 1, Nudge: &alert.Nudge{Kind: alert.EntryAsked, At: epoch}}}}
	other := alert.Problem{Key: alert.Key{Source: "main", EventID: "4712"}, State: alert.StateOpen, Revision: 1}
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{
		Problems: []alert.Problem{asked, other},
		Posts:    []store.Post{{Key: asked.Key, Room: "noc", Group: -1, Desired: 1}, {Key: asked.Key, Room: "db", Desired: 1}, {Key: other.Key, Room: "db", Group: -2, Desired: 1}},
		Groups:   []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Lines: 3}, {ID: -2, Room: "db", Kind: store.GroupStorm}},
	}))
	l := &Ledger{opts: Options{Store: s}}
	known, err := l.known(t.Context(), []alert.Key{asked.Key, other.Key}, nil, 0)
	require.NoError(t, err)
	require.Len(t, known.Groups, 1)
	for id, g := range known.Groups {
		require.Equal(t, []any{id, "noc", 3}, []any{g.ID, g.Room, g.Lines})
	}
}
