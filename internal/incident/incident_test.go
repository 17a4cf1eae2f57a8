package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/webex"
)

var (
	t0    = time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	alice = store.Someone{ID: "P1", Email: "alice@example.com", Name: "Alice Archer"}
	bob   = store.Someone{Email: "bob@example.com", Name: "Bob"}
	k1    = alert.Key{Source: "main", EventID: "4711"}
	k2    = alert.Key{Source: "main", EventID: "4712"}
)

func settings() Settings {
	return Settings{
		Roles: []string{"lead", "scribe"}, Checklist: []string{"Customers informed"}, UpdateEvery: 30 * time.Minute, ReviewAfter: 5 * time.Minute, CloseAfter: time.Hour,
		Allowed: func(email string) bool { return strings.HasSuffix(email, "@example.com") },
	}
}

func problem(key alert.Key, state alert.State, trigger string) alert.Problem {
	p := alert.Problem{
		Key: key, Origin: alert.OriginTrigger, State: state, Revision: 1, Severity: alert.High, OpenedAt: t0, Announced: true,
		Facts:    alert.Facts{Name: "Disk full on " + key.EventID, Hosts: []alert.Host{{Host: "db1"}}, TriggerID: trigger},
		Timeline: []alert.Entry{{Seq: 1, Key: "opened", Kind: alert.EntryOpened, At: t0}},
	}
	if state == alert.StateResolved {
		p.ResolvedAt = t0.Add(10 * time.Minute)
	}
	return p
}

// facts are those of an incident with a space and one open problem, about which everything is said, shown and invited.
func facts(change func(f *Facts)) Facts {
	f := Facts{
		Incident: store.Incident{
			ID: 7, Title: "db1: Disk full (high)", Room: "noc", Origin: "R1", Bot: "noc", By: alice, Opened: t0, RoomID: "S1",
			Problems: []store.IncidentProblem{{Key: k1, Joined: t0, Posted: true}}, Invite: []store.Someone{alice}, Shown: map[string]string{},
		},
		Entries: []store.IncidentEntry{{Kind: store.IncidentInvited, Subject: alice.Email}},
		Known:   map[alert.Key]alert.Problem{k1: problem(k1, alert.StateOpen, "t1")},
	}
	change(&f)
	return f
}

// The next step of an incident, from all that is known.
func TestNext(t *testing.T) {
	resolved := func(f *Facts) { f.Known[k1] = problem(k1, alert.StateResolved, "t1") }
	for name, c := range map[string]struct {
		change func(f *Facts)
		at     time.Duration
		again  []alert.Problem
		unsent bool
		leave  bool
		want   Op
	}{
		"nothing":                   {func(*Facts) {}, time.Minute, nil, false, false, OpNone},
		"no space yet":              {func(f *Facts) { f.RoomID = "" }, 0, nil, false, false, OpMake},
		"a call failed":             {func(f *Facts) { f.RoomID, f.NotBefore = "", t0.Add(time.Minute) }, 0, nil, false, false, OpNone},
		"for long":                  {func(f *Facts) { f.RoomID, f.LastError = "", "503" }, time.Hour, nil, false, false, OpGiveUp},
		"refused":                   {func(f *Facts) { f.RoomID, f.Refused = "", "403" }, 0, nil, false, false, OpClose},
		"closed":                    {func(f *Facts) { f.Closed = t0 }, time.Hour, nil, false, false, OpNone},
		"a problem to show":         {func(f *Facts) { f.Problems[0].Posted = false }, 0, nil, false, false, OpShow},
		"a problem that was parted": {func(f *Facts) { f.Problems = append(f.Problems, store.IncidentProblem{Key: k2, Parted: t0}) }, 0, nil, false, false, OpNone},
		"somebody to invite":        {func(f *Facts) { f.Entries = nil }, 0, nil, false, false, OpInvite},
		"to a lost space":           {func(f *Facts) { f.Entries, f.Lost = nil, t0 }, 0, nil, false, false, OpNone},
		"no update":                 {func(*Facts) {}, 30 * time.Minute, nil, false, false, OpRemind},
		"a note since": {func(f *Facts) {
			f.Entries = append(f.Entries, store.IncidentEntry{Kind: store.IncidentNote, At: t0.Add(time.Minute)})
		}, 30 * time.Minute, nil, false, false, OpNone},
		"reminded since":    {func(f *Facts) { f.RemindedAt = t0.Add(30 * time.Minute) }, 59 * time.Minute, nil, false, false, OpNone},
		"again":             {func(f *Facts) { f.RemindedAt = t0.Add(30 * time.Minute) }, time.Hour, nil, false, false, OpRemind},
		"resolved just now": {resolved, 14 * time.Minute, nil, false, false, OpNone},
		"resolved":          {resolved, 15 * time.Minute, nil, false, false, OpReview},
		"and came again":    {resolved, 15 * time.Minute, []alert.Problem{problem(k2, alert.StateOpen, "t1")}, false, false, OpJoin},
		"came again, and it is full": {func(f *Facts) {
			resolved(f)
			for range MaxProblems - 1 {
				f.Problems = append(f.Problems, store.IncidentProblem{Key: k2, Parted: t0})
			}
		}, 15 * time.Minute, []alert.Problem{problem(k2, alert.StateOpen, "t1")}, false, false, OpReview},
		"reviewed":                    {func(f *Facts) { resolved(f); f.Reviewed = t0.Add(15 * time.Minute) }, 74 * time.Minute, nil, false, false, OpNone},
		"graphs to post":              {func(f *Facts) { resolved(f); f.Reviewed, f.Graphs = t0.Add(15*time.Minute), []alert.Key{k1} }, 75 * time.Minute, nil, false, true, OpGraph},
		"graphs and no review yet":    {func(f *Facts) { resolved(f); f.Reviewed, f.Graphs = t0.Add(15*time.Minute), []alert.Key{k1} }, 75 * time.Minute, nil, true, true, OpNone},
		"graphs for a lost space":     {func(f *Facts) { resolved(f); f.Reviewed, f.Graphs, f.Lost = t0, []alert.Key{k1}, t0 }, 75 * time.Minute, nil, false, true, OpClose},
		"reviewed long ago":           {func(f *Facts) { resolved(f); f.Reviewed = t0.Add(15 * time.Minute) }, 75 * time.Minute, nil, false, false, OpClose},
		"but the review waits":        {func(f *Facts) { resolved(f); f.Reviewed = t0.Add(15 * time.Minute) }, 75 * time.Minute, nil, true, true, OpNone},
		"and it leaves":               {func(f *Facts) { resolved(f); f.Reviewed = t0.Add(15 * time.Minute) }, 75 * time.Minute, nil, false, true, OpLeave},
		"it left":                     {func(f *Facts) { resolved(f); f.Reviewed, f.Left = t0, true }, 75 * time.Minute, nil, false, true, OpClose},
		"it can't leave a lost space": {func(f *Facts) { resolved(f); f.Reviewed, f.Lost = t0, t0 }, 75 * time.Minute, nil, false, true, OpClose},
		"ended":                       {func(f *Facts) { f.EndedAt = t0 }, time.Second, nil, false, false, OpReview},
		"ended and reviewed":          {func(f *Facts) { f.EndedAt, f.Reviewed = t0, t0 }, time.Second, nil, false, false, OpClose},
		"ended, and came again":       {func(f *Facts) { f.EndedAt, f.Reviewed = t0, t0 }, time.Second, []alert.Problem{problem(k2, alert.StateOpen, "t1")}, false, false, OpClose},
		"a problem that was pruned":   {func(f *Facts) { clear(f.Known) }, 5 * time.Minute, nil, false, false, OpReview},
	} {
		t.Run(name, func(t *testing.T) {
			f, s, now := facts(c.change), settings(), t0.Add(c.at)
			s.Leave = c.leave
			for _, m := range Messages(f, s, now) {
				f.Shown[m.Name] = m.digest()
			}
			require.Equal(t, c.want, Next(f, c.again, !c.unsent, s, now).Op)
			for _, m := range Messages(f, s, now) { // what is to be said goes first
				delete(f.Shown, m.Name)
				if f.Closed.IsZero() {
					require.Equal(t, OpSay, Next(f, c.again, !c.unsent, s, now).Op)
				}
				f.Shown[m.Name] = m.digest()
			}
		})
	}
}

// Numbers are read in any case, and nothing else is.
func TestNumbers(t *testing.T) {
	for word, want := range map[string]int64{"INC-7": 7, "inc-12": 12, "INC-": 0, "INC-0": 0, "INC--1": 0, "INC7": 0, "7": 0, "INC-99999999999999999999": 0} {
		id, ok := ParseNumber(word)
		require.Equal(t, want > 0, ok, word)
		if ok {
			require.Equal(t, want, id)
		}
	}
}

// Strangers' texts stay one short line, and the number stays in front.
func TestTitles(t *testing.T) {
	p := problem(k1, alert.StateOpen, "t1")
	p.Name, p.Hosts = "a\nb\u202e<@all> "+strings.Repeat("x", 500), []alert.Host{{Host: strings.Repeat("h", 200)}}
	title := Title(store.Incident{ID: 7, Title: Headline(lang.English, []alert.Problem{p})})
	require.True(t, strings.HasPrefix(title, "INC-7 h"))
	require.LessOrEqual(t, len([]rune(title)), maxTitle)
	require.NotContains(t, title, "\n")
	require.NotContains(t, title, "\u202e")
}

// A note is one moment, although Zabbix has it as a comment on each problem; what came after a problem was parted isn't the incident's.
func TestTimeline(t *testing.T) {
	f := facts(func(f *Facts) {
		comment := func(at time.Time, message, words string) alert.Entry {
			return alert.Entry{Kind: alert.EntryUpdate, At: at, Update: &alert.Update{At: at, Actor: alert.Actor{Name: "Bob", Email: "bob@example.com"}, Message: message, Comment: words, Actions: alert.Actions{Comment: true}}}
		}
		p, q := f.Known[k1], problem(k2, alert.StateOpen, "t2")
		p.Timeline = append(p.Timeline, comment(t0.Add(2*time.Minute), "Bob <bob@example.com> (Webex #abcd1234): note", "note"), comment(t0.Add(3*time.Minute), "Bob <bob@example.com> (Webex #ffff1234): other", "other"))
		q.Timeline = append(q.Timeline, comment(t0.Add(2*time.Minute), "(via Webex #abcd1234): note", "note"), comment(t0.Add(time.Hour), "x", "late"))
		f.Known[k1], f.Known[k2] = p, q
		f.Problems = append(f.Problems, store.IncidentProblem{Key: k2, Joined: t0, Parted: t0.Add(30 * time.Minute)})
		f.Entries = append(f.Entries, store.IncidentEntry{Kind: store.IncidentNote, At: t0.Add(2 * time.Minute), By: bob, Subject: "abcd1234", Text: "note"})
	})
	var said []string
	for _, m := range f.Timeline(render.Room{}) {
		said = append(said, m.Who+" "+m.What)
	}
	require.Equal(t, []string{"Alice Archer opened INC-7", " opened", " opened", "Bob noted: note", "Bob commented: other"}, said)
}

// An incident that somebody ends after all of its problems were resolved isn't said to have ended before.
func TestEndedAfterItWasResolved(t *testing.T) {
	for name, c := range map[string]struct {
		ended time.Duration // problem 4711 was resolved after 10 minutes
		early bool
	}{"before": {9 * time.Minute, true}, "after": {11 * time.Minute, false}} {
		t.Run(name, func(t *testing.T) {
			f := facts(func(f *Facts) {
				f.Known[k1] = problem(k1, alert.StateResolved, "t1")
				f.EndedAt, f.Ended = t0.Add(c.ended), bob
			})
			review := Review(f, settings(), t0.Add(time.Hour))
			require.Equal(t, c.early, strings.Contains(review, "before all of its problems were resolved"))
			require.Equal(t, c.early, strings.Contains(review, "- **Ended**"))
			require.Equal(t, !c.early, strings.Contains(review, "- **Resolved**: 24 Nov 2026 13:10:00 UTC, after 10 min"))
			require.Contains(t, review, "**Bob** ended INC-7")
		})
	}
}

// A space that is only bound has no name: wherever an incident was opened, nobody reads a key.
func TestOpenedInABoundSpace(t *testing.T) {
	for origin, want := range map[string]map[lang.Lang]string{
		"R1": {lang.English: "in a bound space", lang.German: "im gebundenen Raum"},
		"Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0": {
			lang.English: "in [a bound space](webexteams://im?space=bbceb1ad-43f1-3b58-9147-f14bb0c4d154)",
			lang.German:  "im [gebundenen Raum](webexteams://im?space=bbceb1ad-43f1-3b58-9147-f14bb0c4d154)",
		},
	} {
		for l, want := range want {
			f, s := facts(func(f *Facts) { f.Room, f.Incident.Origin = boundSpace, origin }), settings()
			s.Room = func(string) render.Room { return render.Room{Lang: l} }
			all := []string{Review(f, s, t0), Show(f, s, s.Room("")), f.reviewMessage(s, t0).Text, f.reminderMessage(s, t0).Text}
			for _, m := range Messages(f, s, t0) {
				all = append(all, m.Text)
			}
			for _, said := range all {
				require.NotContains(t, said, "KEY")
			}
			require.Contains(t, all[0], want)
			require.Contains(t, f.welcome(l), want)
		}
	}
}

// Whoever is beyond the bound of invitations is invited by nobody, and named in the space with what to do; whoever is within it is
// invited, whatever comes of the others.
func TestMoreThanAreInvited(t *testing.T) {
	invited := func(f Facts) (said string) {
		for _, m := range Messages(f, settings(), t0) {
			if m.Name == messageInvited {
				said = m.Text
			}
		}
		return said
	}
	all := crowded(0)
	all.Entries[MaxInvited-1].Text = ""
	require.Empty(t, invited(all))
	f := crowded(2)
	_, pending := f.toInvite()
	require.False(t, pending)
	require.True(t, Invites(f.Incident, store.Someone{Email: "p50@example.com"}))
	require.False(t, Invites(f.Incident, store.Someone{Email: "p51@example.com"}))
	require.Contains(t, invited(f), "Add them yourself")
	require.Contains(t, invited(f), "- p51&#64;example.com, p52&#64;example.com: I invite at most 50 people to an incident\n- p50&#64;example.com: Webex: no")
	require.Contains(t, invited(crowded(maxNamed+7)), "and 7 more: I invite")
	require.Contains(t, invited(crowded(maxWanted)), "and at least 430 more: I invite")
	f.Entries = f.Entries[:MaxInvited-1]
	who, pending := f.toInvite()
	require.True(t, pending)
	require.Equal(t, "p50@example.com", who.Email)
}

// Whatever strangers write is literal in the review, the card, the messages, and replies.
func TestStrangersTextIsHarmless(t *testing.T) {
	evil := "<@all> [x](http://evil.example) ** `a` \n# h\u202e"
	f := facts(func(f *Facts) {
		p := f.Known[k1]
		p.Name, p.Hosts = evil, []alert.Host{{Host: evil}}
		p.Owner = alert.Owner{Email: "bob@example.com", Name: evil}
		p.Timeline = append(p.Timeline, alert.Entry{Kind: alert.EntryUpdate, At: t0, Update: &alert.Update{At: t0, Actor: alert.Actor{Name: evil}, Message: evil, Actions: alert.Actions{Other: evil, Ack: true}}})
		f.Known[k1] = p
		f.Title, f.By.Name, f.Room, f.LostWhy, f.Ended.Name = Headline(lang.English, []alert.Problem{p}), evil, evil, evil, evil
		for n := range MaxInvited {
			f.Invite = append(f.Invite, store.Someone{Email: fmt.Sprint(n, evil), Name: evil})
		}
		for _, kind := range []store.IncidentKind{store.IncidentNote, store.IncidentRole, store.IncidentCheck, store.IncidentInvited} {
			f.Entries = append(f.Entries, store.IncidentEntry{Kind: kind, At: t0, By: store.Someone{Name: evil}, Who: store.Someone{Name: evil}, Subject: evil, Text: evil})
		}
		f.Entries = append(f.Entries, store.IncidentEntry{Kind: store.IncidentJoin, At: t0, Subject: k1.String(), Text: evil})
		f.Invite = append(f.Invite, store.Someone{Email: evil, Name: evil})
	})
	s := settings()
	s.Roles, s.Checklist = []string{evil}, []string{evil}
	texts := map[string]string{"review": Review(f, s, t0), "show": Show(f, s, render.Room{}), "reminder": f.reminderMessage(s, t0).Text}
	for _, lost := range []time.Time{{}, t0} {
		for _, refused := range []string{"", evil} {
			f.Lost, f.Refused, f.LastError = lost, refused, evil
			for _, m := range Messages(f, s, t0) {
				texts[fmt.Sprint(m.Name, lost.IsZero(), refused == "")] = m.Text
			}
			texts[fmt.Sprint("review message", lost.IsZero())] = f.reviewMessage(s, t0).Text
		}
	}
	for name, text := range texts {
		require.NotContains(t, text, "<@all", name)
		require.NotContains(t, text, "](http://evil", name)
		require.NotContains(t, text, "http://evil", name)
		require.NotContains(t, text, "\u202e", name)
		require.NotContains(t, text, "\n# h", name)
	}
}

// world survives restarts: the store, and Webex with its rooms. It can crash the loop right after any effect.
type world struct {
	*memory.Store
	mu      sync.Mutex
	rooms   []webex.Room
	members map[string][]string
	said    []string
	tries   map[string]error        // of AddMember, by address
	refuses error                   // of CreateRoom
	unfound error                   // of Room
	looks   int                     // calls of it
	undrawn error                   // of drawing a graph
	damaged bool                    // problems can't be read
	slow    func(title string) bool // making such a space takes a minute, and fails
	calling map[string]int          // such calls that go on, by title
	most    int                     // of them at once
	crash   int                     // effects until then; -1: never
	dead    bool
}

var errCrashed = errors.New("crashed")

// effect does something that lasts, unless the relay has crashed.
func (w *world) effect(do func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dead:
		return errCrashed
	case w.crash == 0:
		w.dead = true
		_ = do()
		return errCrashed
	case w.crash > 0:
		w.crash--
	}
	return do()
}

// restart repairs a crash; false if there was none.
func (w *world) restart() (crashed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if crashed = w.dead; crashed {
		w.dead, w.crash = false, -1
	}
	return crashed
}

// try sets the answer to inviting somebody.
func (w *world) try(email string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries[email] = err
}

// in returns who was added to a space.
func (w *world) in(room string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.members[room])
}

// last returns what was said last in a message, by its name.
func (w *world) last(name string) (said string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.said {
		if strings.Contains(s, " INC-1:"+name+" ") {
			said = s
		}
	}
	return said
}

// damage makes problems unreadable, or readable again.
func (w *world) damage(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.damaged = on
}

func (w *world) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	w.mu.Lock()
	damaged := w.damaged
	w.mu.Unlock()
	if damaged {
		return nil, fmt.Errorf("%w: damaged", store.ErrRejected)
	}
	return w.Store.Problems(ctx, keys)
}

func (w *world) AddNotice(ctx context.Context, n store.Notice) (id int64, err error) {
	err = w.effect(func() error {
		before, _ := w.Store.PendingNotices(ctx)
		if id, err = w.Store.AddNotice(ctx, n); err == nil {
			after, _ := w.Store.PendingNotices(ctx)
			if len(after) > len(before) || slices.ContainsFunc(before, func(o store.Notice) bool {
				now, _ := w.Store.Notice(ctx, o.ID)
				return now.Version != o.Version
			}) {
				w.said = append(w.said, n.Room+" "+n.Dedup+" "+n.Markdown)
			}
		}
		return err
	})
	return id, err
}

func (w *world) SaveIncident(ctx context.Context, i store.Incident) error {
	return w.effect(func() error { return w.Store.SaveIncident(ctx, i) })
}

func (w *world) AddIncidentEntry(ctx context.Context, e store.IncidentEntry) (added bool, err error) {
	err = w.effect(func() error { added, err = w.Store.AddIncidentEntry(ctx, e); return err })
	return added, err
}

func (w *world) Append(ctx context.Context, e store.Entry) (id int64, err error) {
	err = w.effect(func() error { id, err = w.Store.Append(ctx, e); return err })
	return id, err
}

func (w *world) Rooms(context.Context) ([]webex.Room, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rooms), nil
}

func (w *world) Room(_ context.Context, id string) (r webex.Room, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if w.unfound != nil {
		return r, w.unfound
	}
	return webex.Room{ID: id}, nil
}

func (w *world) CreateRoom(_ context.Context, title string) (r webex.Room, err error) {
	if w.slow != nil && w.slow(title) {
		w.call(title, 1)
		time.Sleep(time.Minute)
		w.call(title, -1)
		return r, &webex.Error{Status: 503}
	}
	err = w.effect(func() error {
		if w.refuses != nil {
			return w.refuses
		}
		r = webex.Room{ID: fmt.Sprint("S", len(w.rooms)), Title: title, Type: "group"}
		r.Created.Time = time.Now()
		w.rooms = append(w.rooms, r)
		return nil
	})
	return r, err
}

// call counts the slow calls, of which an incident has one at a time.
func (w *world) call(title string, begins int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calling[title] += begins; w.calling[title] > 1 {
		panic("two calls at once for " + title)
	}
	sum := 0
	for _, n := range w.calling {
		sum += n
	}
	w.most = max(w.most, sum)
}

func (w *world) AddMember(_ context.Context, room, email string) error {
	return w.effect(func() error {
		if err := w.tries[email]; err != nil {
			return err
		}
		if slices.Contains(w.members[room], email) {
			return &webex.Error{Status: 409}
		}
		w.members[room] = append(w.members[room], email)
		return nil
	})
}

func (w *world) Leave(_ context.Context, room string) error {
	return w.effect(func() error { w.members[room] = append(w.members[room], "left"); return nil })
}

func newWorld(t *testing.T) *world {
	w := &world{Store: memory.New(nil), members: map[string][]string{}, tries: map[string]error{}, crash: -1}
	// A space of another store's INC-1, whose title is the same.
	old := webex.Room{ID: "OLD", Title: "INC-1 db1: Disk full (high)", Type: "group"}
	old.Created.Time = time.Now().Add(-24 * time.Hour)
	w.rooms = []webex.Room{old}
	p := problem(k1, alert.StateOpen, "t1")
	p.OpenedAt = time.Now()
	require.NoError(t, w.CommitFold(context.Background(), store.Fold{Problems: []alert.Problem{p}, Posts: []store.Post{{Key: k1, Room: "noc", Desired: 1, Open: true, OpenedAt: t0}}}))
	_, err := w.AddIncident(context.Background(), store.Incident{
		Command: "C1", Title: "db1: Disk full (high)", Room: "noc", Origin: "R1", Bot: "noc", By: alice, Opened: time.Now(),
		Problems: []store.IncidentProblem{{Key: k1, Joined: time.Now()}}, Invite: []store.Someone{alice, bob, {Email: "eve@evil.org"}},
	})
	require.NoError(t, err)
	return w
}

// run runs a relay until the story's end, or a crash.
func (w *world) run(t *testing.T, story func(k *Keeper)) {
	k, err := Load(context.Background(), w)
	require.NoError(t, err)
	s := settings()
	s.Leave, s.UpdateEvery = true, 0
	l := NewLoop(Options{
		Keeper: k, Settings: func() Settings { return s }, Webex: func(string) (Webex, bool) { return w, true }, Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics(prometheus.NewRegistry(), k),
		Graph: func(_ context.Context, _ Facts, p alert.Problem) (Graph, error) {
			return Graph{Words: "graph of " + p.Name, File: &store.File{Name: "graph.png", Content: []byte("PNG")}}, w.undrawn
		},
		Refused: func(ctx context.Context, room, reason string) {
			lost, err := k.Lost(ctx, room, reason)
			require.NoError(t, err)
			require.True(t, lost)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	story(k)
	cancel()
	require.NoError(t, <-ended)
}

// end resolves the problem.
func (w *world) end(t *testing.T) {
	found, err := w.Problems(context.Background(), []alert.Key{k1})
	require.NoError(t, err)
	p := found[k1]
	if p.State == alert.StateResolved {
		return
	}
	p.State, p.ResolvedAt, p.Revision = alert.StateResolved, time.Now(), p.Revision+1
	require.NoError(t, w.CommitFold(context.Background(), store.Fold{Problems: []alert.Problem{p}}))
}

// deliver sends what waits.
func (w *world) deliver(t *testing.T) {
	synctest.Wait() // what the loop does at this moment is delivered, too
	pending, err := w.PendingNotices(context.Background())
	require.NoError(t, err)
	for _, n := range pending {
		n.State, n.MessageID, n.SentVersion = store.NoticeSent, fmt.Sprint("M", n.ID), n.Version
		require.NoError(t, w.SaveNotice(context.Background(), n))
	}
}

// After a lost answer the space is looked for: only the one that was made for this incident is taken.
func TestSpacesThatLookAlike(t *testing.T) {
	f := facts(func(f *Facts) { f.RoomID = "" })
	room := webex.Room{ID: "S1", Title: Title(f.Incident), Type: "group"}
	room.Created.Time = t0.Add(time.Second)
	for name, c := range map[string]struct {
		change func(r *webex.Room, others *[]store.Incident)
		want   bool
	}{
		"it":                      {func(*webex.Room, *[]store.Incident) {}, true},
		"another title":           {func(r *webex.Room, _ *[]store.Incident) { r.Title += "!" }, false},
		"a direct chat":           {func(r *webex.Room, _ *[]store.Incident) { r.Type = "direct" }, false},
		"older":                   {func(r *webex.Room, _ *[]store.Incident) { r.Created.Time = t0.Add(-time.Hour) }, false},
		"another incident's":      {func(_ *webex.Room, o *[]store.Incident) { *o = append(*o, store.Incident{ID: 8, RoomID: "S1"}) }, false},
		"another incident's room": {func(_ *webex.Room, o *[]store.Incident) { *o = append(*o, store.Incident{ID: 8, RoomID: "S2"}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, all := room, []store.Incident{f.Incident}
			c.change(&r, &all)
			k := &Keeper{}
			k.kept.Store(keep(all))
			require.Equal(t, c.want, NewLoop(Options{Keeper: k}).isSpace(f, r))
		})
	}
}

// Each person's invitation is tried as often as the first one's, and somebody who asks again is invited again: they may have left.
func TestInvitations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tries["alice@example.com"] = &webex.Error{Status: 503}
		w.run(t, func(k *Keeper) {
			time.Sleep(20 * time.Second)
			i, _ := k.Get(1)
			require.NotZero(t, i.Attempts)
			w.try("alice@example.com", nil)
			w.try("bob@example.com", &webex.Error{Status: 403, Message: "not allowed"})
			time.Sleep(5 * time.Minute)
			i, _ = k.Get(1)
			require.Zero(t, i.Attempts)
			require.Contains(t, w.last("invited"), "not allowed")

			again := func() {
				entries, err := k.Entries(t.Context(), 1)
				require.NoError(t, err)
				_, err = k.Update(t.Context(), 1, func(i *store.Incident) { InviteAgain(i, entries, bob) })
				require.NoError(t, err)
			}
			w.try("bob@example.com", nil)
			again()
			again() // under way already
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, []string{"alice@example.com", "bob@example.com"}, w.in("S1"))
			require.NotContains(t, w.last("invited"), "not allowed")
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			require.Len(t, entries, 4, "alice, bob twice, eve")
		})
	})
}

// Once everybody is invited, the message that named those who couldn't be says so.
func TestEverybodyIsInvited(t *testing.T) {
	invited := func(shown string) (said string) {
		for _, m := range Messages(facts(func(f *Facts) { f.Shown[messageInvited] = shown }), settings(), t0) {
			if m.Name == messageInvited {
				said = m.Text
			}
		}
		return said
	}
	require.Empty(t, invited(""))
	require.Contains(t, invited("a digest"), "Everybody is invited by now")
}

// A problem that can't be read may go on: its incident isn't over.
func TestUnreadableProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(t, func(k *Keeper) {
			time.Sleep(time.Minute)
			w.damage(true)
			time.Sleep(time.Hour)
			i, _ := k.Get(1)
			require.True(t, i.Reviewed.IsZero())
			f, err := k.Facts(t.Context(), i)
			require.NoError(t, err)
			require.Equal(t, Open, f.State())
			w.damage(false)
			w.end(t)
			time.Sleep(6 * time.Minute)
			i, _ = k.Get(1)
			require.False(t, i.Reviewed.IsZero())
		})
	})
}

// An incident is found by its space without reading the others, from when it has one until it is forgotten. The newest counts.
func TestIncidentOfASpace(t *testing.T) {
	s := memory.New(nil)
	add := func(room string) int64 {
		id, err := s.AddIncident(t.Context(), store.Incident{Command: "C-" + room, RoomID: room, Closed: t0})
		require.NoError(t, err)
		return id
	}
	for n := range 100 {
		add(fmt.Sprint("S", n))
	}
	k, err := Load(t.Context(), s)
	require.NoError(t, err)
	of := func(space string) int64 { i, _ := k.Of(Space(store.Incident{RoomID: space})); return i.ID }
	require.EqualValues(t, 1, of("S0"))
	require.Zero(t, of("new"))
	require.Zero(t, of(""))
	for _, room := range []string{"noc", "space:none", Space(store.Incident{RoomID: "S50"})} {
		require.Zero(t, testing.AllocsPerRun(10, func() { k.Of(room) }), room)
	}
	i, err := k.Add(t.Context(), store.Incident{Command: "C"})
	require.NoError(t, err)
	require.Zero(t, of("new"))
	_, err = k.Update(t.Context(), i.ID, func(i *store.Incident) { i.RoomID = "new" })
	require.NoError(t, err)
	_, err = k.Update(t.Context(), i.ID, func(i *store.Incident) { i.Title = "x" })
	require.NoError(t, err)
	require.Equal(t, i.ID, of("new"))
	later, err := k.Add(t.Context(), store.Incident{Command: "D", RoomID: "S7"})
	require.NoError(t, err)
	require.Equal(t, later.ID, of("S7"))
	k.Forget(t0.Add(time.Hour))
	require.Zero(t, of("S0"))
	require.Equal(t, i.ID, of("new"))
	require.Equal(t, later.ID, of("S7"))
}

// A crash after any effect of an incident's life loses and repeats nothing: one space, each person once, each message once. A crash
// before an effect leaves what a crash after the effect before it leaves.
func TestLifeAcrossCrashes(t *testing.T) {
	var whole []string
	for crash, crashed := -1, true; crashed; crash++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.tries["bob@example.com"] = &webex.Error{Status: 403, Message: "not allowed"}
			w.crash = crash
			crashed = crash < 0
			for range 3 { // made and invited; resolved and reviewed; left and closed
				for again := true; again; {
					w.run(t, func(*Keeper) {
						for range 4 { // the review, the graph (later if it isn't taken at once), the end
							time.Sleep(look)
							w.deliver(t)
						}
					})
					again = w.restart()
					crashed = crashed || again
				}
				w.end(t)
				time.Sleep(70 * time.Minute)
			}
			all, err := w.Incidents(context.Background())
			require.NoError(t, err)
			require.False(t, all[0].Closed.IsZero())
			require.Len(t, w.rooms, 2, "one space")
			require.Equal(t, "S1", all[0].RoomID)
			require.Equal(t, []string{"alice@example.com", "left"}, slices.Compact(w.members["S1"]))
			entries, err := w.IncidentEntries(context.Background(), 1)
			require.NoError(t, err)
			require.Len(t, entries, 3, "each is invited once")
			require.Contains(t, all[0].Review, "# INC-1: db1: Disk full")
			require.Len(t, slices.DeleteFunc(slices.Clone(w.said), func(s string) bool { return !strings.Contains(s, "graph of Disk full") }), 1)
			said := texts(w.said)
			if crash < 0 {
				whole = said
			}
			require.ElementsMatch(t, whole, said)
			require.True(t, crashed || crash > 15, "it has so many effects")
		})
	}
}

// texts are messages without their times, which depend on the restarts.
func texts(said []string) (all []string) {
	for _, s := range said {
		line, _, _ := strings.Cut(s, "\n")
		line, _, _ = strings.Cut(line, "after")
		all = append(all, line)
	}
	return all
}

// A space that Webex refuses ends the incident with the reason, once, where it was opened.
func TestRefusedSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuses = &webex.Error{Op: "POST /rooms", Status: 403, Message: "bots may not"}
		w.run(t, func(k *Keeper) {
			time.Sleep(time.Minute)
			i, _ := k.Get(1)
			require.False(t, i.Closed.IsZero())
		})
		require.Len(t, w.said, 2)
		require.Contains(t, w.said[1], "noc INC-1:origin ❌")
		require.Contains(t, w.said[1], "Webex says 403: bots may not")
	})
}

// While Webex is away the space waits, the room is told so, and after half an hour it is given up.
func TestSpaceThatWaits(t *testing.T) {
	for _, back := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.refuses = &webex.Error{Op: "POST /rooms", Status: 503, Message: "maintenance"}
			w.run(t, func(k *Keeper) {
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				w.mu.Lock()
				last := w.said[len(w.said)-1]
				w.mu.Unlock()
				require.Contains(t, last, "I can't make its space yet")
				if back {
					w.mu.Lock()
					w.refuses = nil
					w.mu.Unlock()
				}
				time.Sleep(30 * time.Minute)
				i, _ := k.Get(1)
				require.Equal(t, back, i.RoomID != "")
				require.Equal(t, !back, i.Refused != "")
			})
		})
	}
}

// A slow call holds up its own incident. If more are slow than advance at once, the others wait for one call to end.
func TestSlowCalls(t *testing.T) {
	for name, c := range map[string]struct {
		slow int
		wait time.Duration
	}{"some": {maxTurns - 1, time.Second}, "more than advance at once": {maxTurns + 1, time.Minute + time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				const incidents = 20
				for n := range incidents - 1 {
					_, err := w.AddIncident(t.Context(), store.Incident{Command: fmt.Sprint("more", n), Title: "x", Room: "noc", Bot: "noc", By: alice, Opened: time.Now()})
					require.NoError(t, err)
				}
				slow := func(id int64) bool { return id <= int64(c.slow) }
				w.calling = map[string]int{}
				w.slow = func(title string) bool {
					number, _, _ := strings.Cut(title, " ")
					id, _ := ParseNumber(number)
					return slow(id)
				}
				w.run(t, func(k *Keeper) {
					time.Sleep(c.wait)
					synctest.Wait()
					for _, i := range k.All() {
						require.Equal(t, !slow(i.ID), i.RoomID != "", Number(i.ID))
					}
					time.Sleep(10 * time.Minute)
					for _, i := range k.All() {
						require.Equal(t, slow(i.ID), i.Attempts > 2, Number(i.ID))
					}
				})
				require.Equal(t, min(c.slow, maxTurns), w.most)
			})
		})
	}
}

// The bot's removal is told once where the incident was opened, and the review goes there.
func TestLostSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(t, func(k *Keeper) {
			time.Sleep(time.Minute)
			i, _ := k.Get(1)
			for _, reason := range []string{"404 not found", "403 forbidden"} {
				lost, err := k.Lost(t.Context(), Space(i), reason)
				require.NoError(t, err)
				require.True(t, lost)
			}
			i, _ = k.Get(1)
			require.Equal(t, "404 not found", i.LostWhy)
			other, err := k.Lost(t.Context(), "space:other", "404")
			require.NoError(t, err)
			require.False(t, other)
			time.Sleep(time.Minute)
			w.end(t)
			time.Sleep(10 * time.Minute)
			w.deliver(t)
			time.Sleep(2 * time.Hour)
			i, _ = k.Get(1)
			require.False(t, i.Closed.IsZero())
			require.False(t, i.Left)
		})
		lost := slices.DeleteFunc(slices.Clone(w.said), func(s string) bool { return !strings.Contains(s, ":lost") })
		require.Len(t, lost, 1)
		require.True(t, strings.HasPrefix(lost[0], "noc "))
		require.True(t, slices.ContainsFunc(w.said, func(s string) bool {
			return strings.HasPrefix(s, "noc ") && strings.Contains(s, "its review is attached")
		}))
	})
}

// A space that is gone is noticed within minutes, though nothing is posted there; one that Webex doesn't tell about isn't given up.
func TestSpaceThatIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		lost   bool
	}{
		"there":          {nil, false},
		"deleted":        {&webex.Error{Status: 404, Message: "Could not find a room"}, true},
		"not a member":   {&webex.Error{Status: 403, Message: "not in it"}, true},
		"webex is away":  {&webex.Error{Status: 503}, false},
		"too many calls": {&webex.Error{Status: 429}, false},
		"no answer":      {errors.New("connection refused"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, before := newWorld(t), 0
				w.run(t, func(*Keeper) {
					time.Sleep(time.Minute)
					synctest.Wait()
					w.mu.Lock()
					w.unfound, before = c.answer, len(w.said)
					w.mu.Unlock()
					time.Sleep(20 * time.Minute)
				})
				said := w.said[before:]
				if !c.lost {
					require.Empty(t, said)
					require.InDelta(t, 5, w.looks, 1, "every five minutes")
					return
				}
				require.Len(t, said, 1)
				require.True(t, strings.HasPrefix(said[0], "noc INC-1:lost "))
				require.Contains(t, said[0], "The incident goes on")
				require.Equal(t, 2, w.looks)
			})
		})
	}
}

// A review that its space refuses goes to where the incident was opened, if the space is gone. Otherwise Webex is asked once whether it is.
func TestReviewThatItsSpaceRefuses(t *testing.T) {
	for name, gone := range map[string]error{"gone": &webex.Error{Status: 404, Message: "Could not find a room"}, "there": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, before := newWorld(t), 0
				w.run(t, func(*Keeper) {
					time.Sleep(time.Minute)
					w.deliver(t)
					w.end(t)
					time.Sleep(5*time.Minute + look)
					synctest.Wait()
					pending, err := w.PendingNotices(t.Context())
					require.NoError(t, err)
					at := slices.IndexFunc(pending, func(n store.Notice) bool { return n.File != nil })
					require.NotEqual(t, -1, at, "the review")
					pending[at].State = store.NoticeDead
					require.NoError(t, w.SaveNotice(t.Context(), pending[at]))
					w.mu.Lock()
					w.unfound, before, w.looks = gone, len(w.said), 0
					w.mu.Unlock()
					time.Sleep(look)
					w.deliver(t)
					time.Sleep(3 * time.Minute)
				})
				if gone == nil {
					require.Equal(t, 1, w.looks)
					require.NotContains(t, strings.Join(w.said[before:], "\n"), "its review is attached")
					return
				}
				var reviews []string
				for _, said := range w.said[before:] {
					if strings.Contains(said, "its review is attached") {
						reviews = append(reviews, said)
					}
				}
				require.Len(t, reviews, 1)
				require.True(t, strings.HasPrefix(reviews[0], "noc "), reviews[0])
			})
		})
	}
}

// The graphs that follow the review are at most four, of the worst problems, in its thread; one that can't be drawn holds up nothing.
func TestGraphs(t *testing.T) {
	for _, undrawn := range []error{nil, errors.New("no history")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.undrawn = undrawn
			w.run(t, func(k *Keeper) {
				time.Sleep(time.Minute)
				for n, severity := range []alert.Severity{alert.Average, alert.Disaster, alert.Warning, alert.High, alert.Average} {
					p := problem(alert.Key{Source: "main", EventID: fmt.Sprint(n)}, alert.StateResolved, fmt.Sprint("other", n))
					p.Severity, p.ResolvedAt = severity, time.Now()
					require.NoError(t, w.CommitFold(context.Background(), store.Fold{Problems: []alert.Problem{p}}))
					_, err := k.Update(t.Context(), 1, func(i *store.Incident) { Join(i, p.Key, time.Now()) })
					require.NoError(t, err)
				}
				w.end(t)
				time.Sleep(5*time.Minute + look)
				for range 2 * (maxGraphs + 1) {
					time.Sleep(look)
					w.deliver(t)
				}
				time.Sleep(70 * time.Minute)
				i, _ := k.Get(1)
				require.False(t, i.Closed.IsZero())
				require.Empty(t, i.Graphs)
			})
			var drawn []string
			for id := int64(1); ; id++ {
				n, err := w.Notice(t.Context(), id)
				if err != nil {
					break
				}
				if n.Kind == store.NoticeGraph {
					drawn = append(drawn, n.Markdown)
					review, err := w.Notice(t.Context(), id-int64(len(drawn)))
					require.NoError(t, err)
					require.Equal(t, "inc-1-review.md", review.File.Name)
					require.Equal(t, review.MessageID, n.ParentID)
				}
			}
			if undrawn != nil {
				require.Empty(t, drawn)
				return
			}
			require.Equal(t, []string{"graph of Disk full on 1", "graph of Disk full on 4711", "graph of Disk full on 3", "graph of Disk full on 0"}, drawn)
		})
	}
}

// A graph that was drawn while a problem joined belongs to a review that counts no more: it holds up no later one.
func TestGraphOfAnEarlierReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(t, func(k *Keeper) {
			time.Sleep(time.Minute)
			i, err := k.Update(t.Context(), 1, func(i *store.Incident) { i.Reviewed, i.Graphs = time.Now(), []alert.Key{k1, k2} })
			require.NoError(t, err)
			f, err := k.Facts(t.Context(), i)
			require.NoError(t, err)
			later := time.Now().Add(time.Second)
			_, err = k.Update(t.Context(), 1, func(i *store.Incident) { i.Reviewed, i.Posting = later, 77 })
			require.NoError(t, err)
			l := NewLoop(Options{Keeper: k, Log: slog.New(slog.DiscardHandler), Graph: func(context.Context, Facts, alert.Problem) (Graph, error) {
				return Graph{Words: "x", File: &store.File{Name: "graph.png", Content: []byte("PNG")}}, nil
			}})
			require.NoError(t, l.draw(t.Context(), f, k1))
			i, _ = k.Get(1)
			require.Equal(t, []alert.Key{k1, k2}, i.Graphs)
			require.Equal(t, int64(77), i.Posting)
		})
	})
}

// The same trigger that opens again joins by itself, whatever value its name has now, and there is another review. Another trigger
// doesn't, nor a problem of another room or an older one.
func TestComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		openIn := func(room string, opened time.Time, key alert.Key, trigger string) {
			p := problem(key, alert.StateOpen, trigger)
			p.Name, p.OpenedAt = "Disk full on "+key.EventID, opened
			require.NoError(t, w.CommitFold(context.Background(), store.Fold{Problems: []alert.Problem{p}, Posts: []store.Post{{Key: key, Room: room, Desired: 1, Open: true, TellAfter: time.Now()}}}))
		}
		open := func(key alert.Key, trigger string) { openIn("noc", time.Now(), key, trigger) }
		w.run(t, func(k *Keeper) {
			time.Sleep(time.Minute)
			w.end(t)
			time.Sleep(10 * time.Minute)
			i, _ := k.Get(1)
			require.False(t, i.Reviewed.IsZero())
			open(alert.Key{Source: "main", EventID: "99"}, "other")
			openIn("db", time.Now(), alert.Key{Source: "main", EventID: "98"}, "t1")
			openIn("noc", time.Now().Add(-time.Hour), alert.Key{Source: "main", EventID: "97"}, "t1")
			open(k2, "t1")
			time.Sleep(time.Minute)
			i, _ = k.Get(1)
			require.Equal(t, []alert.Key{k1, k2}, Current(i))
			require.True(t, i.Reviewed.IsZero())
			f, err := k.Facts(t.Context(), i)
			require.NoError(t, err)
			require.Equal(t, Open, f.State())
		})
	})
}
