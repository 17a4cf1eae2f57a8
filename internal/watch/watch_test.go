package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/zabbix"
)

// source is a Zabbix that answers as it is told.
type source struct {
	mu    sync.Mutex
	shows zabbix.Sending
	fails error
	found int64
	// away is why its problems aren't compared; "" if they are.
	away string
}

func (s *source) set(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *source) Sending(context.Context, time.Time) (zabbix.Sending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shows, s.fails
}

// world runs Sources over a store.
type world struct {
	t       *testing.T
	source  *source
	store   *memory.Store
	metrics *Metrics
	log     *testlog.Lines
	sources *Sources
	stop    func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, source: &source{}, store: memory.New(nil)}
	w.enable(true)
	return w
}

func (w *world) enable(on bool) {
	w.source.set(func(s *source) {
		s.shows.MediaTypes = []zabbix.MediaType{{ID: "9", Name: "Alert relay", Ours: true, Disabled: !on}}
		s.shows.FailedKnown = true
	})
}

// start starts the relay, or starts it again.
func (w *world) start() { w.startWith(map[string]Zabbix{"main": w.source}) }

// startWith is start with other sources.
func (w *world) startWith(all map[string]Zabbix) {
	if w.stop != nil {
		w.stop()
	}
	w.metrics, w.log = NewMetrics(prometheus.NewRegistry()), &testlog.Lines{}
	sources := NewSources(Options{
		Sources: all, Interval: time.Hour, Store: w.store, Metrics: w.metrics, Log: w.log.Logger(),
		Found: func(string) (n int64) { w.source.set(func(s *source) { n = s.found }); return n },
		Compared: func(string) (at time.Time, failure string) {
			w.source.set(func(s *source) {
				if failure = s.away; failure == "" {
					at = time.Now()
				}
			})
			return at, failure
		},
		Notices: func(source, key string, kind Kind, c Condition) []store.Notice {
			return []store.Notice{{Kind: store.NoticeSystem, Room: "noc", Dedup: key, Markdown: fmt.Sprintf("%s %s %t %d", source, kind, c.Open(), c.Count) + removed[c.Removed]}}
		},
	})
	w.sources = sources
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { _ = sources.Run(ctx); close(done) }()
	w.stop = func() { stop(); <-done }
	synctest.Wait()
}

func (w *world) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

var removed = map[bool]string{true: " removed"}

// The message about a source ends when the source is removed from the configuration, while the relay runs or while it is down.
func TestMessageOfARemovedSourceEnds(t *testing.T) {
	for _, running := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.enable(false)
			w.start()
			defer func() { w.stop() }()
			w.pass(5 * time.Minute)
			require.Equal(t, []string{"main media_type true 0 ×1"}, w.messages())
			without := map[string]Zabbix{"other": &source{}}
			if running {
				w.sources.SetSources(without, time.Hour)
			} else {
				w.startWith(without)
			}
			w.pass(time.Second)
			want := []string{"main media_type false 0 removed ×2"}
			require.Equal(t, want, w.messages())
			w.startWith(without)
			w.pass(time.Hour)
			require.Equal(t, want, w.messages())
			w.start()
			w.pass(5 * time.Minute)
			require.Len(t, w.messages(), 2, "a source that is back has a new message")
		})
	}
}

// messages are the notices, each with how often it was queued.
func (w *world) messages() (texts []string) {
	w.t.Helper()
	pending, err := w.store.PendingNotices(w.t.Context())
	require.NoError(w.t, err)
	for _, n := range pending {
		texts = append(texts, fmt.Sprintf("%s ×%d", n.Markdown, n.Version))
	}
	return texts
}

func (w *world) trouble(kind Kind) float64 {
	return testutil.ToFloat64(w.metrics.Trouble.WithLabelValues("main", string(kind)))
}

// A disabled media type is one message, in the second look, which is edited when it is enabled again. A restart changes nothing.
func TestTroubleIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		require.Equal(t, len(Kinds), testutil.CollectAndCount(w.metrics.Trouble), "every kind is there from the start")
		w.pass(5 * time.Minute)
		require.Empty(t, w.messages())

		w.enable(false)
		w.pass(maxInterval)
		require.Empty(t, w.messages(), "one look")
		w.pass(maxInterval)
		first := []string{"main media_type true 0 ×1"}
		require.Equal(t, first, w.messages())
		require.EqualValues(t, 1, w.trouble(MediaType))
		w.pass(10 * time.Minute)
		require.Equal(t, first, w.messages())

		w.start()
		w.pass(10 * time.Minute)
		require.Equal(t, first, w.messages(), "after a restart")
		require.EqualValues(t, 1, w.trouble(MediaType))
		w.source.set(func(s *source) { s.fails = errors.New("unreachable") })
		w.pass(10 * time.Minute)
		w.source.set(func(s *source) { s.fails = nil })
		require.Equal(t, first, w.messages(), "a Zabbix that doesn't answer ends nothing")

		w.enable(true)
		w.pass(maxInterval)
		over := []string{"main media_type false 0 ×2"}
		require.Equal(t, over, w.messages())
		require.Zero(t, w.trouble(MediaType))
		w.start()
		w.pass(10 * time.Minute)
		require.Equal(t, over, w.messages())
	})
}

// What the relay can't see is logged once and is no trouble.
func TestWhatIsNotShownIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.source.set(func(s *source) { s.shows = zabbix.Sending{} })
		w.start()
		defer func() { w.stop() }()
		w.pass(time.Hour)
		require.Empty(t, w.messages())
		require.Equal(t, 1, strings.Count(w.log.String(), "doesn't show the relay's user everything"))
		w.enable(true)
		w.source.set(func(s *source) {
			s.shows.Actions = []zabbix.Action{{Name: "Report", Problem: []string{"9"}, Recovery: []string{"9"}, Update: []string{"9"}}}
		})
		w.pass(time.Hour)
		require.Equal(t, 1, strings.Count(w.log.String(), "Zabbix shows the relay's user everything that could keep it from reporting"))
		require.NotContains(t, w.log.String(), "not_shown=[]")
	})
}

// What reconciliation finds in the first minutes is from the relay's own downtime. Later three are trouble.
func TestOnlyReconciliationFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		w.pass(2 * maxInterval)
		w.source.set(func(s *source) { s.found = 50 })
		w.pass(time.Hour)
		require.Empty(t, w.messages())
		w.source.set(func(s *source) { s.found += foundLimit })
		w.pass(2 * maxInterval)
		require.Equal(t, []string{"main found true 3 ×1"}, w.messages())
		w.pass(foundWindow)
		require.Equal(t, []string{"main found false 3 ×2"}, w.messages())
	})
}

// Comparisons that fail for longer than a quarter of an hour are one message, with the reason. It ends with the next comparison.
func TestComparisonsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.source.set(func(s *source) { s.away = "problem.get: forbidden" })
		w.start()
		defer func() { w.stop() }()
		w.pass(staleRounds * time.Hour)
		require.Empty(t, w.messages(), "the interval is an hour")
		w.pass(2 * maxInterval)
		require.Equal(t, []string{"main reconcile true 0 ×1"}, w.messages())
		w.pass(24 * time.Hour)
		require.Equal(t, []string{"main reconcile true 0 ×1"}, w.messages())
		require.EqualValues(t, 1, w.trouble(Reconcile))
		w.source.set(func(s *source) { s.away = "" })
		w.pass(maxInterval)
		require.Equal(t, []string{"main reconcile false 0 ×2"}, w.messages())
		require.Zero(t, w.trouble(Reconcile))
	})
}

// Failed alerts are counted in one message, and are over a quarter of an hour after the last one.
func TestFailedAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		fail := func() {
			w.source.set(func(s *source) {
				s.shows.Failed = append([]zabbix.FailedAlert{{At: time.Now(), Error: "timed out"}}, s.shows.Failed...)
			})
		}
		fail()
		w.pass(2 * maxInterval)
		require.Equal(t, []string{"main alerts true 1 ×1"}, w.messages())
		fail()
		w.pass(maxInterval)
		require.Equal(t, []string{"main alerts true 2 ×2"}, w.messages())
		fail()
		w.pass(maxInterval)
		require.Equal(t, []string{"main alerts true 2 ×2"}, w.messages(), "an edit for each would use up the ten that Webex allows")
		w.pass(alertWindow + maxInterval)
		require.Equal(t, []string{"main alerts false 3 ×3"}, w.messages())
	})
}

// broken is a store that refuses notices.
type broken struct {
	*memory.Store
	fails bool
}

func (b *broken) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	if b.fails {
		return 0, errors.New("no space left")
	}
	return b.Store.AddNotice(ctx, n)
}

// A message that couldn't be stored is stored in the next look, with the same key.
func TestMessageIsRetried(t *testing.T) {
	s := &broken{memory.New(nil), true}
	var keys []string
	l := &look{Sources: NewSources(Options{Store: s, Log: (&testlog.Lines{}).Logger(), Metrics: NewMetrics(prometheus.NewRegistry()),
		Notices: func(_, key string, _ Kind, c Condition) []store.Notice {
			keys = append(keys, key)
			return []store.Notice{{Room: "noc", Dedup: key, Markdown: "trouble"}}
		}}), name: "main", conditions: map[Kind]Condition{}, looks: map[Kind]int{}}
	f := Finding{Verdict: Trouble}
	require.NoError(t, l.apply(t.Context(), Action, f, noon))
	require.Error(t, l.apply(t.Context(), Action, f, noon.Add(time.Minute)))
	s.fails = false
	require.NoError(t, l.apply(t.Context(), Action, f, noon.Add(2*time.Minute)))
	require.NoError(t, l.apply(t.Context(), Action, f, noon.Add(3*time.Minute)))
	require.Equal(t, []string{"watch/main/action/2026-11-24T12:01:00Z", "watch/main/action/2026-11-24T12:01:00Z"}, keys)
}
