package delivery

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is delivery with a store in memory and a strict fake of Webex, in virtual time.
type world struct {
	t     *testing.T
	store *testStore
	webex *fakeWebex
	reg   *prometheus.Registry
	opts  Options
	d     *Delivery
	stop  func()
}

// inWorld runs a story with one bot, the rooms noc (thread), card, line and default, and direct chats.
func inWorld(t *testing.T, set func(*Options), story func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: newTestStore(), webex: newFakeWebex("R-noc", "R-card", "R-line", "R-db", "R-default")}
		w.opts = Options{
			Store: w.store, Notifier: &w.store.Local, Render: func() Renderer { return plainRenderer{} }, Bots: []Bot{{Name: "noc", Client: w.webex}},
			Rooms: someRooms, Fallback: func(room string) (string, bool) { return "default", room != "default" },
			Jitter: func() float64 { return 0.5 }, Workers: 4, RateLimit: 100,
		}
		if set != nil {
			set(&w.opts)
		}
		w.start()
		t.Cleanup(func() { w.stop() }) // even if the story fails
		story(t, w)
		w.stop()
		require.Empty(t, w.webex.violations)
	})
}

func someRooms(room, route string) (RoomSettings, bool) {
	s := RoomSettings{Room: render.Room{Name: room, Location: time.UTC, Presentation: config.PresentThread}, ID: "R-" + room, Bot: "noc", Debounce: 2 * time.Second}
	if route == "terse" {
		s.Tell = []string{"resolved"}
	}
	switch room {
	case "card":
		s.Presentation = config.PresentCard
	case "line":
		s.Presentation = config.PresentLine
	case "noc", "db", "default", "away":
	default:
		email, ok := strings.CutPrefix(room, config.PersonRoom)
		s.ID, s.Person = "", email
		return s, ok
	}
	return s, true
}

// start starts delivery as in a new process.
func (w *world) start() {
	w.reg = prometheus.NewRegistry()
	w.opts.Metrics = NewMetrics(w.reg)
	d, err := New(w.opts)
	require.NoError(w.t, err)
	w.d, w.store.changed = d, d.Notify
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-ended)
	})
	synctest.Wait()
}

// pass advances the time and waits for everything that is due by then.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// refuse makes Webex answer created to calls that post, and 404 to all others.
func (w *world) refuse(created int) {
	w.webex.set(func(f *fakeWebex) {
		f.meet = func(c aCall) *trouble {
			if c.op == "post" {
				return &trouble{status: created}
			}
			return &trouble{status: 404}
		}
	})
}

func key(n int) alert.Key { return alert.Key{Source: "main", EventID: fmt.Sprint(n)} }

// replay sends a dead letter again.
func (w *world) replay(id string) {
	require.NoError(w.t, w.store.ReplayDead(context.Background(), id))
}

// fold is a change by the ledger.
func (w *world) fold(n int, change func(*alert.Problem), rooms ...string) {
	w.d.Notify(w.store.fold(key(n), change, rooms...))
}

// both merges what two folds wrote.
func both(a, b store.Fold) store.Fold {
	a.Posts = append(a.Posts, b.Posts...)
	return a
}

func (w *world) notice(n store.Notice) int64 {
	id, err := w.store.AddNotice(context.Background(), n)
	require.NoError(w.t, err)
	return id
}

// ops returns the calls so far, in short: "post", "reply", "card", "edit", "delete".
func (w *world) ops() []string {
	var ops []string
	for _, c := range w.webex.seen() {
		op := c.op
		switch {
		case op == "post" && c.card:
			op = "card"
		case op == "post" && c.parent != "":
			op = "reply"
		}
		if c.status >= 300 {
			op += fmt.Sprint(" ", c.status)
		}
		ops = append(ops, op)
	}
	return ops
}

// texts returns the texts of a room's live messages.
func (w *world) texts(room string) []string {
	var out []string
	for _, m := range w.webex.live("R-" + room) {
		out = append(out, m.markdown)
	}
	return out
}

// textsWith returns the texts of a room's live messages that contain words.
func (w *world) textsWith(room, words string) (out []string) {
	for _, text := range w.texts(room) {
		if strings.Contains(text, words) {
			out = append(out, text)
		}
	}
	return out
}

func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	return metric(w.t, w.reg, name, labels...)
}

func metric(t *testing.T, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			match := true
			for i := 0; i < len(labels); i += 2 {
				match = match && have[labels[i]] == labels[i+1]
			}
			if match {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("no metric %s %v", name, labels)
	return 0
}
