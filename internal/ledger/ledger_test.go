package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/zabbix"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

var t0 = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// faulty is a store that fails on demand. Every successful commit is sent to committed.
type faulty struct {
	store.Store
	committed chan store.Fold
	fail      func(f store.Fold) (before, after error)
}

// CommitFold can fail before the commit, or after it: then its answer is lost, as if the process had died.
func (s *faulty) CommitFold(ctx context.Context, f store.Fold) error {
	var before, after error
	if s.fail != nil {
		before, after = s.fail(f)
	}
	if before != nil {
		return before
	}
	if err := s.Store.CommitFold(ctx, f); err != nil {
		return err
	}
	s.committed <- f
	return after
}

// bench is a ledger over SQLite.
type bench struct {
	t       *testing.T
	store   *faulty
	ledger  *ledger.Ledger
	metrics *ledger.Metrics

	mu      sync.Mutex
	changed []store.Post
	learned []alert.Key
	notices int
}

func toNoc(alert.Problem, string, time.Time) []route.Target { return []route.Target{{Room: "noc"}} }

func nowhere(alert.Problem, string, time.Time) []route.Target { return nil }

func newBench(t *testing.T) *bench {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: sqlitetest.New(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	b := &bench{t: t, store: &faulty{Store: s, committed: make(chan store.Fold, 1000)}, metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"})}
	b.ledger = ledger.New(ledger.Options{
		Store: b.store,
		Rules: ledger.Rules{
			Rooms: func(_ alert.Problem, sendTo string, _ time.Time) []route.Target {
				if sendTo == "" {
					return []route.Target{{Room: "noc"}}
				}
				return []route.Target{{Room: "noc"}, {Room: sendTo, Route: "send_to"}}
			},
			Test: func(source, sendTo string, _ time.Time) []store.Notice {
				return []store.Notice{{Kind: store.NoticeTest, Room: "noc", Text: "a test of " + source}}
			},
			Canary: func(c ledger.Canary, _ time.Time) []store.Notice {
				return []store.Notice{{Kind: store.NoticeCanary, Room: c.Room, Text: c.Name, Dedup: c.Name}}
			},
			OrphanWait: func() time.Duration { return 2 * time.Minute },
		},
		Decode: decode,
		Changed: func(written store.Fold) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed = append(b.changed, written.Posts...)
			if len(written.Notices) > 0 {
				b.notices++
			}
		},
		Learned: func(keys []alert.Key) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.learned = append(b.learned, keys...)
		},
		Log: slog.New(slog.DiscardHandler), Metrics: b.metrics,
	})
	return b
}

// decode decodes a payload of Zabbix. The payload "panic" breaks it.
func decode(e store.Entry) (ledger.Decoded, error) {
	if string(e.Payload) == "panic" {
		panic("a broken decoder")
	}
	p, faults := zabbix.Parse(e.Payload)
	if len(faults) > 0 {
		return ledger.Decoded{}, errors.New(faults[0].Error())
	}
	if p.Test {
		return ledger.Decoded{Test: true, Event: alert.Event{SendTo: p.Macro("alert.sendto")}}, nil
	}
	event, err := p.Event(zabbix.DecodeOptions{Source: e.Source, Location: time.UTC, ReceivedAt: e.ReceivedAt})
	return ledger.Decoded{Event: event}, err
}

func (b *bench) append(payload string) int64 {
	b.t.Helper()
	return b.appendEntry(store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload), ReceivedAt: t0})
}

func (b *bench) appendEntry(e store.Entry) int64 {
	b.t.Helper()
	id, err := b.store.Append(b.t.Context(), e)
	require.NoError(b.t, err)
	return id
}

// own appends an entry of the relay's own.
func (b *bench) own(kind store.EntryKind, env store.Envelope) {
	b.t.Helper()
	payload, err := json.Marshal(env)
	require.NoError(b.t, err)
	b.appendEntry(store.Entry{Source: "main", Kind: kind, Payload: payload, ReceivedAt: t0})
}

// run folds until nothing is pending.
func (b *bench) run() {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.ledger.Run(ctx) }()
	for b.stats().JournalPending > 0 {
		select {
		case <-b.store.committed:
		case err := <-done:
			b.t.Fatal("the ledger ended", err)
		}
	}
	stop()
	require.NoError(b.t, <-done)
}

func (b *bench) stats() store.Stats {
	st, err := b.store.Stats(context.Background())
	require.NoError(b.t, err)
	return st
}

func (b *bench) problem(id string) alert.Problem {
	b.t.Helper()
	key := alert.Key{Source: "main", EventID: id}
	found, err := b.store.Problems(b.t.Context(), []alert.Key{key})
	require.NoError(b.t, err)
	require.Contains(b.t, found, key)
	return found[key]
}

func (b *bench) posts(id string) []store.Post {
	key := alert.Key{Source: "main", EventID: id}
	found, err := b.store.PostsOf(b.t.Context(), []alert.Key{key})
	require.NoError(b.t, err)
	return found[key]
}

func payload(id, value string, more ...string) string {
	macros := map[string]string{"EVENT.ID": id, "EVENT.SOURCE": "0", "EVENT.VALUE": value, "EVENT.NSEVERITY": "4", "EVENT.NAME": "Disk full",
		"EVENT.DATE": "2026.11.24", "EVENT.TIME": "11:59:58", "EVENT.UPDATE.STATUS": "0"}
	for i := 0; i+1 < len(more); i += 2 {
		macros[more[i]] = more[i+1]
	}
	text, err := json.Marshal(macros)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Payloads and the relay's own entries become problems and posts, once, and Changed and Learned are called.
func TestFold(t *testing.T) {
	b := newBench(t)
	b.append(payload("1", "1", "ALERT.SENDTO", "db"))
	b.append(payload("1", "1", "ALERT.SENDTO", "db"))
	b.append(payload("2", "1"))
	b.append(payload("2", "0", "EVENT.RECOVERY.DATE", "2026.11.24", "EVENT.RECOVERY.TIME", "11:59:59"))
	b.own(store.EntryObservation, store.Envelope{EventID: "1", Observation: &alert.Observation{At: t0.Add(time.Second), Name: "Disk full", Opened: t0, Severity: alert.Disaster, ManualClose: true}})
	b.own(store.EntryAction, store.Envelope{EventID: "1", Update: &alert.Update{At: t0.Add(2 * time.Second), Exact: true, Actor: alert.Actor{Name: "Alice", Email: "alice@example.com"}, Actions: alert.Actions{Ack: true}}})
	b.append(`{"EVENT.ID": "{EVENT.ID}", "ALERT.SENDTO": "{ALERT.SENDTO}"}`)
	b.run()

	one := b.problem("1")
	require.Equal(t, alert.StateOpen, one.State)
	require.Equal(t, alert.Disaster, one.Severity)
	require.True(t, one.Acknowledged)
	require.True(t, one.CanClose)
	require.Equal(t, "Alice", one.AcknowledgedBy().Actor.Name)
	require.Len(t, b.posts("1"), 2)
	for _, p := range b.posts("1") {
		require.True(t, p.Pending())
		require.Equal(t, one.Revision, p.Desired)
	}
	require.Equal(t, alert.StateResolved, b.problem("2").State)
	require.Len(t, b.posts("2"), 1)
	notices, err := b.store.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Len(t, notices, 1)
	require.Equal(t, "a test of main", notices[0].Text)

	require.Len(t, b.changed, 3)
	require.Equal(t, 1, b.notices)
	require.ElementsMatch(t, []alert.Key{one.Key, b.problem("2").Key, b.problem("2").Key}, b.learned, "once for each payload with news")
	count := func(kind alert.Kind, result string) float64 {
		return testutil.ToFloat64(b.metrics.Events.WithLabelValues("main", string(kind), result))
	}
	require.EqualValues(t, 2, count(alert.KindProblem, "accepted"))
	require.EqualValues(t, 1, count(alert.KindProblem, "duplicate"))
	require.EqualValues(t, 1, count(alert.KindRecovery, "accepted"))
}

// Each entry is applied exactly once, whichever call fails. A commit whose answer was lost isn't repeated.
func TestExactlyOnce(t *testing.T) {
	down := errors.New("disk I/O error")
	for name, fail := range map[string]func() (before, after error){
		"before the commit": func() (error, error) { return down, nil },
		"after the commit":  func() (error, error) { return nil, down },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			left := 1
			b.store.fail = func(f store.Fold) (before, after error) {
				if left--; left >= 0 {
					return fail()
				}
				return nil, nil
			}
			for i := range 20 {
				b.append(payload("1", "1"))
				b.append(payload("1", "1", "EVENT.UPDATE.STATUS", "1", "EVENT.UPDATE.DATE", "2026.11.24", "EVENT.UPDATE.TIME", fmt.Sprintf("12:%02d:00", i),
					"EVENT.UPDATE.ACTION", "commented", "EVENT.UPDATE.MESSAGE", fmt.Sprint("comment ", i)))
			}
			if name == "after the commit" {
				b.append(`{"EVENT.ID": "{EVENT.ID}"}`)
			}
			b.run()
			require.Len(t, b.problem("1").Timeline, 21)
			require.Len(t, b.posts("1"), 1)
			require.Equal(t, b.problem("1").Revision, b.posts("1")[0].Desired)
			require.Zero(t, b.stats().SetAside, "the store was at fault, not an entry")
			notices, err := b.store.PendingNotices(t.Context())
			require.NoError(t, err)
			require.Equal(t, name == "after the commit", len(notices) == 1)
		})
	}
}

// An entry that can't be decoded, or that the store rejects, is set aside with the reason. All others are folded.
func TestSetAside(t *testing.T) {
	b := newBench(t)
	b.store.fail = func(f store.Fold) (before, after error) {
		for _, p := range f.Problems {
			if p.Key.EventID == "666" {
				return fmt.Errorf("%w: too big", store.ErrRejected), nil
			}
		}
		return nil, nil
	}
	for i := range 40 {
		b.append(payload(fmt.Sprint(i+1), "1"))
	}
	broken := b.append("no JSON")
	panics := b.append("panic")
	rejected := b.append(payload("666", "1"))
	unknown := b.appendEntry(store.Entry{Source: "main", Kind: "poem", Payload: []byte(`{"event_id": "1"}`), ReceivedAt: t0})
	for i := range 40 {
		b.append(payload(fmt.Sprint(i+41), "1"))
	}
	b.run()
	require.EqualValues(t, 80, b.stats().OpenProblems[alert.High])
	aside, err := b.store.SetAsideEntries(t.Context(), 10)
	require.NoError(t, err)
	reasons := map[int64]string{}
	for _, e := range aside {
		reasons[e.ID] = e.SetAside
	}
	require.Len(t, reasons, 4)
	require.Contains(t, reasons[broken], "JSON")
	require.Contains(t, reasons[panics], "a broken decoder")
	require.Contains(t, reasons[rejected], "too big")
	require.Contains(t, reasons[unknown], "poem")
	require.EqualValues(t, 4, testutil.ToFloat64(b.metrics.SetAside))

	// Entries that were set aside can be retried with a fixed relay.
	b.store.fail = nil
	require.NoError(t, b.store.RetryEntry(t.Context(), rejected))
	b.run()
	require.Equal(t, alert.StateOpen, b.problem("666").State)
}

// A damaged problem affects only the entries about it.
func TestDamagedProblem(t *testing.T) {
	b := newBench(t)
	b.append(payload("1", "1"))
	b.run()
	damaged := &damaging{b.store, alert.Key{Source: "main", EventID: "1"}}
	o := ledger.Options{Store: damaged, Rules: ledger.Rules{Rooms: nowhere}, Decode: decode,
		Log: slog.New(slog.DiscardHandler), Metrics: b.metrics}
	b.ledger = ledger.New(o)
	b.append(payload("2", "1"))
	b.append(payload("1", "0"))
	b.append(payload("3", "1"))
	b.run()
	require.EqualValues(t, 1, b.stats().SetAside)
	require.Equal(t, alert.StateOpen, b.problem("3").State)
}

type damaging struct {
	*faulty
	key alert.Key
}

func (d *damaging) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	for _, k := range keys {
		if k == d.key {
			return nil, fmt.Errorf("%w: problem %s can't be read", store.ErrRejected, k)
		}
	}
	return d.faulty.Problems(ctx, keys)
}

// Wake makes the fold look at once, and is never lost.
func TestWake(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.ledger.Run(ctx) }()
	for i := range 50 {
		id := b.append(payload(fmt.Sprint(i+1), "1"))
		b.ledger.Wake()
		f := <-b.store.committed
		require.Equal(t, []int64{id}, f.Applied)
	}
	stop()
	require.NoError(t, <-done)
}

// All recorded payloads of real Zabbix servers are folded. A repetition changes nothing.
func TestFixtures(t *testing.T) {
	for _, version := range []string{"6.0", "7.0"} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t)
			files := fixtures(t, version)
			for _, text := range files {
				b.append(text)
			}
			b.run()
			require.Zero(t, b.stats().SetAside)
			before, err := b.store.FindProblems(t.Context(), store.Filter{})
			require.NoError(t, err)
			require.NotEmpty(t, before)
			pending := b.stats().PostsPending
			for _, text := range files {
				b.append(text)
			}
			b.run()
			require.Zero(t, b.stats().SetAside)
			after, err := b.store.FindProblems(t.Context(), store.Filter{})
			require.NoError(t, err)
			require.Len(t, after, len(before))
			for i := range before {
				require.Equal(t, before[i].Revision, after[i].Revision, "%s changed by a repetition", after[i].Key)
			}
			require.Equal(t, pending, b.stats().PostsPending)
		})
	}
}

// fixtures are the recorded payloads of a version that the receiver would accept.
func fixtures(t *testing.T, version string) (all []string) {
	root := "fixtures/zabbix-" + version + "/events"
	require.NoError(t, fs.WalkDir(testdata.Fixtures, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), "cut-at-64k") {
			return err
		}
		text, err := fs.ReadFile(testdata.Fixtures, name)
		all = append(all, string(text))
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

// The state of flapping triggers is in the store: it survives a restart, and a commit whose answer was lost.
func TestFlappingSurvivesARestart(t *testing.T) {
	b := newBench(t)
	begin := func() {
		b.ledger = ledger.New(ledger.Options{
			Store: b.store, Decode: decode,
			Rules: ledger.Rules{Rooms: toNoc, Grouping: func(string) ledger.Grouping {
				return ledger.Grouping{Individual: alert.Disaster, FlapCount: 3, FlapWindow: time.Hour}
			}},
			Log: slog.New(slog.DiscardHandler), Metrics: b.metrics,
		})
	}
	flaps := func(id string) bool {
		b.append(payload(id, "1", "TRIGGER.ID", "17"))
		b.append(payload(id, "0", "TRIGGER.ID", "17"))
		b.run()
		return b.posts(id)[0].Group != 0
	}
	begin()
	require.False(t, flaps("1"))
	begin()
	lost := true
	b.store.fail = func(store.Fold) (before, after error) {
		if lost {
			lost = false
			return nil, errors.New("its answer was lost")
		}
		return nil, nil
	}
	require.False(t, flaps("2"))
	require.False(t, lost)
	require.True(t, flaps("3"))
	begin()
	require.True(t, flaps("4"))
	require.InDelta(t, 2, testutil.ToFloat64(b.metrics.Flapping), 0)
}
