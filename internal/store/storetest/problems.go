package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A problem is read as it was committed, in every field.
func testProblems(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	p := problem("4711", alert.StateOpen)
	p.Facts.Name = "<@all> \x00\n\u202e ü 🔥"
	p.Macros = map[string]string{"host.ip": "192.0.2.1"}
	p.Tags = []alert.Tag{{Tag: "service", Value: "db"}, {Tag: "service"}}
	p.SuppressedUntil = t0.Add(time.Hour)
	p.Timeline = append(p.Timeline, alert.Entry{Seq: 2, Key: "ack", Kind: alert.EntryUpdate, At: t0,
		Update: &alert.Update{AckID: "7", At: t0, Actor: alert.Actor{Name: "Alice"}, Message: "on it",
			Actions: alert.Actions{Ack: true, Severity: &alert.SeverityChange{Old: alert.High, New: alert.Disaster}}}})
	fold(t, s, store.Fold{Problems: []alert.Problem{p, problem("4712", alert.StateOpen)}})

	keys := []alert.Key{p.Key, {Source: "other", EventID: "4711"}, key("nobody knows"), p.Key}
	got := must(s.Problems(t.Context(), keys))(t)
	require.Len(t, got, 1)
	same(t, p.Timeline, got[p.Key].Timeline)
	same(t, p.Facts, got[p.Key].Facts)
	require.True(t, p.SuppressedUntil.Equal(got[p.Key].SuppressedUntil))
	require.Empty(t, must(s.Problems(t.Context(), nil))(t))

	// A second commit replaces it.
	p.Revision, p.Severity = 2, alert.Disaster
	fold(t, s, store.Fold{Problems: []alert.Problem{p}})
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.EqualValues(t, 2, must(s.Problems(t.Context(), keys))(t)[p.Key].Revision)
	require.Len(t, must(s.FindProblems(t.Context(), store.Filter{}))(t), 2)

	other := problem("4711", alert.StateOpen)
	other.Key.Source = "other"
	fold(t, s, store.Fold{Problems: []alert.Problem{other}})
	require.ElementsMatch(t, []alert.Key{p.Key, other.Key}, must(s.KeysByEventID(t.Context(), "4711"))(t))
	require.Empty(t, must(s.KeysByEventID(t.Context(), "47"))(t))
	require.Len(t, must(s.Problems(t.Context(), []alert.Key{p.Key, other.Key}))(t), 2)
}

// Open problems of triggers that Zabbix hasn't been asked about are found, worst first.
func testUnobserved(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	make := func(id string, change func(*alert.Problem)) alert.Problem {
		p := problem(id, alert.StateOpen)
		change(&p)
		return p
	}
	fold(t, s, store.Fold{Problems: []alert.Problem{
		make("1", func(p *alert.Problem) {}),
		make("2", func(p *alert.Problem) { p.Observed = true }),
		make("3", func(p *alert.Problem) { p.State = alert.StateResolved }),
		make("4", func(p *alert.Problem) { p.Origin = alert.OriginService }),
		make("5", func(p *alert.Problem) { p.Severity = alert.Disaster }),
	}})
	require.Equal(t, []alert.Key{key("5"), key("1")}, must(s.UnobservedProblems(t.Context(), 0))(t))
	require.Equal(t, []alert.Key{key("5")}, must(s.UnobservedProblems(t.Context(), 1))(t))

	// Those that resolved since the API's last answer follow, unless that was long before the newest one.
	resolves := func(id string, observed, resolved time.Time) alert.Problem {
		return make(id, func(p *alert.Problem) {
			p.State, p.Observed, p.ResolvedAt = alert.StateResolved, true, resolved
			p.Merge.Resolved, p.Merge.ResolvedAt.At, p.Merge.Observation.At = true, resolved.UnixMicro(), observed.UnixMicro()
		})
	}
	fold(t, s, store.Fold{Problems: []alert.Problem{resolves("6", t0, t0.Add(time.Minute))}})
	fold(t, s, store.Fold{Problems: []alert.Problem{resolves("7", t0.Add(time.Minute), t0)}})
	fold(t, s, store.Fold{Problems: []alert.Problem{resolves("8", t0, t0.Add(time.Minute))}})
	require.Equal(t, []alert.Key{key("5"), key("1"), key("8"), key("6")}, must(s.UnobservedProblems(t.Context(), 0))(t))
	require.Equal(t, []alert.Key{key("5"), key("1"), key("8")}, must(s.UnobservedProblems(t.Context(), 3))(t))
	require.Equal(t, []alert.Key{key("5"), key("1")}, must(s.UnobservedProblems(t.Context(), 2))(t))
}

// SymptomsOf finds symptoms by their cause, in its source, resolved ones too.
func testSymptomsOf(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	key := func(id string) alert.Key { return alert.Key{Source: "main", EventID: id} }
	find := func(causes ...alert.Key) []alert.Key { return must(s.SymptomsOf(t.Context(), causes))(t) }
	require.Empty(t, find(key("77")))
	symptom := func(id, cause string, state alert.State) alert.Problem {
		p := problem(id, state)
		p.CauseEventID = cause
		return p
	}
	elsewhere := symptom("7", "77", alert.StateOpen)
	elsewhere.Key.Source = "lab"
	fold(t, s, store.Fold{Problems: []alert.Problem{
		symptom("1", "77", alert.StateOpen), symptom("2", "77", alert.StateResolved), symptom("3", "78", alert.StateOpen), symptom("4", "", alert.StateOpen), elsewhere,
	}})
	require.ElementsMatch(t, []alert.Key{key("1"), key("2")}, find(key("77")))
	require.ElementsMatch(t, []alert.Key{key("1"), key("2"), key("3")}, find(key("77"), key("78"), key("4"), key("99")))
	require.Equal(t, []alert.Key{elsewhere.Key}, find(alert.Key{Source: "lab", EventID: "77"}))
	require.Empty(t, find(key("")), "no cause")
	require.Empty(t, find())
	fold(t, s, store.Fold{Read: map[alert.Key]int64{key("1"): 1}, Problems: []alert.Problem{symptom("1", "78", alert.StateOpen)}})
	require.Equal(t, []alert.Key{key("2")}, find(key("77")))
}

// OpenStates returns the open problems of a source's triggers as they are at that time.
func testOpenStates(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	make := func(id string, change func(*alert.Problem)) alert.Problem {
		p := problem(id, alert.StateOpen)
		change(&p)
		return p
	}
	suppressed := func(until time.Time) func(*alert.Problem) {
		return func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, until }
	}
	require.Empty(t, must(s.OpenStates(t.Context(), "main", t0))(t))
	require.False(t, must(s.HasSource(t.Context(), "main"))(t))
	observed := func(gone bool) func(*alert.Problem) {
		return func(p *alert.Problem) {
			o := alert.Observation{At: t0, Gone: gone, Severity: alert.Warning, Acknowledged: true, CauseEventID: "77", Updates: []alert.Update{{AckID: "1", At: t0}, {AckID: "2", At: t0}}}
			event := o.Event(p.Key, t0)
			*p, _ = alert.Apply(alert.Problem{}, event)
		}
	}
	fold(t, s, store.Fold{Problems: []alert.Problem{
		make("1", func(p *alert.Problem) { p.Name = `"suppressed":true` }),
		make("2", suppressed(time.Time{})),
		make("3", suppressed(t0.Add(time.Microsecond))),
		make("4", suppressed(t0)),
		make("5", func(p *alert.Problem) { p.State = alert.StateResolved; p.Suppressed = true }),
		make("6", func(p *alert.Problem) { p.Origin = alert.OriginService; p.Suppressed = true }),
		make("7", func(p *alert.Problem) { p.Key.Source = "lab"; p.Suppressed = true }),
		make("8", func(p *alert.Problem) { p.Severity, p.Acknowledged, p.Revision = alert.Disaster, true, 7 }),
		make("9", func(p *alert.Problem) { p.State = alert.StateUnknown; p.Suppressed = true }),
		make("10", observed(false)),
	}})
	plain := problem("1", alert.StateOpen)
	state := func(id string, suppressed bool) store.OpenState {
		return store.OpenState{EventID: id, OpenedAt: plain.OpenedAt, Severity: plain.Severity, Acknowledged: plain.Acknowledged, Suppressed: suppressed, Updates: -1, Revision: plain.Revision}
	}
	require.ElementsMatch(t, []store.OpenState{
		state("1", false), state("2", true), state("3", true), state("4", false), state("9", true),
		{EventID: "8", OpenedAt: plain.OpenedAt, Severity: alert.Disaster, Acknowledged: true, Updates: -1, Revision: 7},
		{EventID: "10", Severity: alert.Warning, Acknowledged: true, Updates: 2, Cause: "77", Revision: 1},
	}, must(s.OpenStates(t.Context(), "main", t0))(t))
	require.Equal(t, []store.OpenState{state("7", true)}, must(s.OpenStates(t.Context(), "lab", t0))(t))
	require.Equal(t, map[string]int{"main": 8, "lab": 1}, must(s.OpenBySource(t.Context()))(t))
	require.True(t, must(s.HasSource(t.Context(), "main"))(t))
	require.False(t, must(s.HasSource(t.Context(), "mai"))(t))
}

// Unposted counts by room and severity what is known and was never posted, and its filter finds that.
func testUnposted(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	quiet := func(id, room string, severity alert.Severity, age time.Duration) store.Post {
		p := post(id, room, 1)
		p.TellAfter, p.PendingSince, p.Severity, p.OpenedAt = store.Never, time.Time{}, severity, t0.Add(-age)
		return p
	}
	over, lab := quiet("5", "noc", alert.High, 9*time.Hour), quiet("6", "noc", alert.High, 9*time.Hour)
	over.Open, lab.Key.Source = false, "lab"
	fold(t, s, store.Fold{
		Problems: []alert.Problem{problem("1", alert.StateOpen), problem("2", alert.StateOpen), problem("3", alert.StateOpen), problem("4", alert.StateOpen)},
		Posts: []store.Post{quiet("1", "noc", alert.Warning, time.Hour), quiet("2", "noc", alert.High, time.Hour), quiet("3", "noc", alert.High, 2*time.Hour),
			quiet("1", "db", alert.Warning, time.Hour), post("4", "noc", 1), over, lab},
	})
	require.Equal(t, []store.Unposted{
		{Room: "db", Severity: alert.Warning, Count: 1, Oldest: t0.Add(-time.Hour)},
		{Room: "noc", Severity: alert.High, Count: 2, Oldest: t0.Add(-2 * time.Hour)},
		{Room: "noc", Severity: alert.Warning, Count: 1, Oldest: t0.Add(-time.Hour)},
	}, must(s.Unposted(t.Context(), "main"))(t))
	require.EqualValues(t, 1, stats(t, s).PostsPending, "they count as nothing to do")
	filter := store.Filter{Source: "main", Open: true, Unposted: true}
	var ids []string
	for _, p := range must(s.FindProblems(t.Context(), filter))(t) {
		ids = append(ids, p.Key.EventID)
	}
	require.ElementsMatch(t, []string{"1", "2", "3"}, ids)
	require.Equal(t, 3, must(s.CountProblems(t.Context(), filter))(t))
}

// Filters select problems, worst first, then newest first.
func testFind(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	make := func(id string, change func(*alert.Problem)) alert.Problem {
		p := problem(id, alert.StateOpen)
		change(&p)
		return p
	}
	delayed := post("3", "later", 1)
	delayed.TellAfter = t0
	grouped := member("2", "noc", -1)
	subscribed := post("4", "db", 1)
	subscribed.Route = "subscription #7"
	fold(t, s, store.Fold{
		Problems: []alert.Problem{
			make("1", func(p *alert.Problem) {
				p.Severity = alert.Warning
				p.Acknowledged = true
				p.Owner.Email = "carol@example.com"
			}),
			make("2", func(p *alert.Problem) { p.Severity = alert.Disaster; p.State = alert.StateResolved }),
			make("3", func(p *alert.Problem) {
				p.OpenedAt = t0.Add(time.Minute)
				p.Name = "ÜBERLAUF 100%"
				p.Owner.Email = "Alice@example.com"
			}),
			make("4", func(p *alert.Problem) { p.Hosts = append(p.Hosts, alert.Host{Host: "db1", Name: "Datenbank Süd"}) }),
			make("5", func(p *alert.Problem) { p.Key.Source = "lab"; p.Severity = alert.Information }),
			make("6", func(p *alert.Problem) { p.State = alert.StateOccurred; p.Severity = alert.NotClassified }),
		},
		Groups: []store.Group{storm("noc", 1)},
		Posts:  []store.Post{post("1", "noc", 1), grouped, post("3", "noc", 1), subscribed, post("5", "noc", 1), delayed},
	})
	shown := store.Cursor{State: store.PostLive, Shown: 1, RootID: "M1"}
	save(t, s, "1", "noc", shown)
	save(t, s, "4", "db", shown)

	ended := func(f store.Filter, since time.Time, limit int) (ids []string) {
		require.NoError(t, s.EndedProblems(t.Context(), f, since, limit, func(p alert.Problem) { ids = append(ids, p.Key.EventID) }))
		return ids
	}
	require.Equal(t, []string{"6", "2"}, ended(store.Filter{}, time.Now().Add(-time.Hour), 0))
	require.Equal(t, []string{"6"}, ended(store.Filter{}, time.Now().Add(-time.Hour), 1))
	require.Equal(t, []string{"2"}, ended(store.Filter{Rooms: []string{"noc", "db"}}, time.Now().Add(-time.Hour), 0))
	require.Empty(t, ended(store.Filter{}, time.Now().Add(time.Hour), 0))

	yes, no := true, false
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   []string
	}{
		{"all", store.Filter{}, []string{"2", "3", "4", "1", "5", "6"}},
		{"at most", store.Filter{Limit: 2}, []string{"2", "3"}},
		{"open", store.Filter{Open: true}, []string{"3", "4", "1", "5"}},
		{"source", store.Filter{Source: "lab"}, []string{"5"}},
		{"severity", store.Filter{Severity: map[alert.Severity]bool{alert.Warning: true, alert.Disaster: true}}, []string{"2", "1"}},
		{"owned", store.Filter{Owned: true}, []string{"3", "1"}},
		{"owned by one of these", store.Filter{Owners: []string{"bob@example.com", "alice@example.com"}}, []string{"3"}},
		{"owned by nobody of these", store.Filter{Owners: []string{"eve@example.com"}}, nil},
		{"the next ones", store.Filter{Limit: 2, Skip: 2}, []string{"4", "1"}},
		{"after the last", store.Filter{Limit: 2, Skip: 6}, nil},
		{"acknowledged", store.Filter{Acknowledged: &yes}, []string{"1"}},
		{"not acknowledged", store.Filter{Acknowledged: &no, Open: true}, []string{"3", "4", "5"}},
		{"search in any case", store.Filter{Search: "überlauf"}, []string{"3"}},
		{"search is no pattern", store.Filter{Search: "0%"}, []string{"3"}},
		{"search finds nothing", store.Filter{Search: "1%"}, nil},
		{"technical name", store.Filter{Host: "db*"}, []string{"4"}},
		{"visible name", store.Filter{Host: "datenbank s?d"}, []string{"4"}},
		{"a glob matches the whole name", store.Filter{Host: "db"}, nil},
		{"to be posted in the room later", store.Filter{Rooms: []string{"later"}}, []string{"3"}},
		{"posted in the room", store.Filter{Rooms: []string{"noc"}}, []string{"2", "1"}},
		{"posted in one of several rooms", store.Filter{Rooms: []string{"db", "noc", "elsewhere"}}, []string{"2", "4", "1"}},
		{"posted in several rooms, listed once", store.Filter{Rooms: []string{"noc", "later"}, Open: true}, []string{"3", "1"}},
		{"posted in the room by another route", store.Filter{Rooms: []string{"noc", "later", "db"}, NotBy: "subscription #"}, []string{"2", "3", "1"}},
		{"posted in no room", store.Filter{Rooms: []string{}}, nil},
		{"together", store.Filter{Rooms: []string{"noc"}, Open: true, Severity: map[alert.Severity]bool{alert.Warning: true}}, []string{"1"}},
	} {
		var got []string
		for _, p := range must(s.FindProblems(t.Context(), c.filter))(t) {
			got = append(got, p.Key.EventID)
		}
		require.Equal(t, c.want, got, c.name)
		all := c.filter
		all.Limit, all.Skip = 0, 0
		require.Len(t, must(s.FindProblems(t.Context(), all))(t), must(s.CountProblems(t.Context(), c.filter))(t), c.name)
	}
}

// A fold is written whole or not at all.
func testFoldAtomic(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	id := appendOne(t, s, "a")
	bad := store.Fold{
		Applied:  []int64{id, id + 1}, // there is no such entry
		Problems: []alert.Problem{problem("1", alert.StateOpen)},
		Posts:    []store.Post{post("1", "noc", 1)},
		Notices:  []store.Notice{{Kind: store.NoticeTest, Room: "noc", Text: "test"}},
	}
	require.Error(t, s.CommitFold(t.Context(), bad))
	require.Empty(t, must(s.FindProblems(t.Context(), store.Filter{}))(t))
	require.Empty(t, must(s.PendingPosts(t.Context(), []string{"noc"}, time.Time{}))(t))
	require.Empty(t, must(s.PendingNotices(t.Context()))(t))
	require.EqualValues(t, 1, stats(t, s).JournalPending)

	bad.Applied = []int64{id}
	fold(t, s, bad)
	require.Len(t, must(s.FindProblems(t.Context(), store.Filter{}))(t), 1)
	require.Len(t, must(s.PendingPosts(t.Context(), []string{"noc"}, time.Time{}))(t), 1)
	require.Len(t, must(s.PendingNotices(t.Context()))(t), 1)
	require.Zero(t, stats(t, s).JournalPending)
}
