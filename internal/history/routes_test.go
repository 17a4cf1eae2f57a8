package history

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/zabbix"
)

// town is a store, a Zabbix and a Routes that runs.
type town struct {
	*memory.Store
	*Routes
	zabbix  *fakeZabbix
	metrics *Metrics

	mu     sync.Mutex
	wanted alert.Severity
	away   bool // the source has no API
}

func newTown(t *testing.T) *town {
	w := &town{Store: memory.New(nil), metrics: NewMetrics(prometheus.NewRegistry()), wanted: alert.High,
		zabbix: &fakeZabbix{items: []zabbix.Item{item("1")}, since: time.Now().Add(-3 * time.Minute)}}
	w.Routes = NewRoutes(RoutesOptions{Store: w.Store, Log: slog.New(slog.DiscardHandler), Metrics: w.metrics,
		Source: func(name string) (Source, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.zabbix, name == "main" && !w.away
		},
		Wants: func(room, route string, s alert.Severity) (Room, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return Room{Bot: "noc"}, strings.HasPrefix(room, "noc") && route == "severe" && s >= w.wanted
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	return w
}

// opens posts a problem, and tells Routes.
func (w *town) opens(t *testing.T, id string, change func(*alert.Problem, *store.Post)) {
	key := alert.Key{Source: "main", EventID: id}
	p := alert.Problem{Key: key, State: alert.StateOpen, Origin: alert.OriginTrigger, Severity: alert.High, Revision: 1, Facts: alert.Facts{Name: "Link *down* " + id, TriggerID: "13"}, OpenedAt: time.Now()}
	post := store.Post{Key: key, Room: "noc", Route: "severe", Desired: 1, Open: true, PendingSince: time.Now()}
	if change != nil {
		change(&p, &post)
	}
	require.NoError(t, w.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}, Posts: []store.Post{post}}))
	if post.Group == 0 {
		_, err := w.ClaimPost(t.Context(), key, post.Room)
		require.NoError(t, err)
		require.NoError(t, w.SavePost(t.Context(), key, post.Room, store.Cursor{Delivered: 1, RootID: "ROOT-" + id}))
	}
	post.RootID = "ROOT-" + id
	p.State = alert.StateOpen // as it was when it was posted
	w.Posted(post, p)
}

func (w *town) graphs(t *testing.T) []store.Notice {
	list, err := w.PendingNotices(t.Context())
	require.NoError(t, err)
	return list
}

func (w *town) counted(result string) int {
	return int(testutil.ToFloat64(w.metrics.graphs.WithLabelValues("route", result)))
}

func TestANewProblemGetsAGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.opens(t, "4711", nil)
		time.Sleep(settle - time.Millisecond)
		synctest.Wait()
		require.Empty(t, w.graphs(t))
		time.Sleep(time.Second)
		list := w.graphs(t)
		require.Len(t, list, 1)
		n := list[0]
		require.Equal(t, []string{"noc", "noc", "ROOT-4711", "graph-4711.png"}, []string{n.Room, n.Bot, n.ParentID, n.File.Name})
		require.Equal(t, store.NoticeGraph, n.Kind)
		require.Contains(t, n.Markdown, `📈 **Link \*down\* 4711** · `)
		w.opens(t, "4711", nil) // told again
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, w.graphs(t), 1)
	})
}

// One problem in many rooms is no storm: its values are read once, and each room gets the graph.
func TestAProblemInManyRoomsIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		for n := range maxWaiting + 1 {
			w.opens(t, "4711", func(_ *alert.Problem, post *store.Post) { post.Room = fmt.Sprint("noc", n) })
		}
		w.opens(t, "4712", nil)
		time.Sleep(time.Minute)
		list := w.graphs(t)
		require.Len(t, list, maxWaiting+2)
		require.Equal(t, "noc5", list[maxWaiting].Room)
		require.Len(t, w.zabbix.asked, 2, "once for each problem")
		require.Zero(t, w.counted("skipped"))
	})
}

func TestWhichProblemsGetNoGraph(t *testing.T) {
	for name, change := range map[string]func(*alert.Problem, *store.Post){
		"below the severity": func(p *alert.Problem, _ *store.Post) { p.Severity = alert.Average },
		"another route":      func(_ *alert.Problem, post *store.Post) { post.Route = "other" },
		"resolved by then":   func(p *alert.Problem, _ *store.Post) { p.State = alert.StateResolved },
		"in a digest":        func(_ *alert.Problem, post *store.Post) { post.Group = 7 },
		"not a trigger's":    func(p *alert.Problem, _ *store.Post) { p.Origin = alert.OriginService },
		"a source without API": func(p *alert.Problem, post *store.Post) {
			p.Key.Source, post.Key.Source = "lab", "lab"
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				if name == "a source without API" {
					w.mu.Lock()
					w.away = true
					w.mu.Unlock()
					change = nil
				}
				w.opens(t, "4711", change)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Empty(t, w.graphs(t))
				require.Empty(t, w.zabbix.asked)
			})
		})
	}
}

// A storm makes no graphs. After it there are some again.
func TestAStormMakesNoGraphs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		for i := range 300 {
			w.opens(t, fmt.Sprint(1000+i), nil)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Empty(t, w.graphs(t))
		require.Equal(t, 300, w.counted(resultSkipped))
		time.Sleep(stormPause)
		w.opens(t, "4711", nil)
		time.Sleep(settle + time.Second)
		synctest.Wait()
		require.Len(t, w.graphs(t), 1)
	})
}

func TestAGraphThatZabbixDoesntGive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.zabbix.err = &zabbix.Error{Kind: zabbix.Unreachable}
		w.opens(t, "4711", nil)
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.zabbix = &fakeZabbix{}
		w.mu.Unlock()
		w.opens(t, "4712", nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, w.graphs(t), "a text alone isn't posted")
		require.Equal(t, []int{1, 1}, []int{w.counted(resultAway), w.counted(resultNothing)})
		require.Zero(t, w.counted("skipped"))
		for n := range 3 {
			w.opens(t, "4713", func(_ *alert.Problem, post *store.Post) { post.Room = fmt.Sprint("noc", n) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{2, 2}, []int{w.counted(resultNothing), w.counted("skipped")}, "each room is counted")
	})
}
