package delivery

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// account is one of several bots on the fake Webex; it counts its calls.
type account struct {
	*fakeWebex
	mu    sync.Mutex
	calls int
}

func (a *account) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

func (a *account) CreateMessage(ctx context.Context, m webex.NewMessage) (webex.Message, error) {
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	return a.fakeWebex.CreateMessage(ctx, m)
}

// A room passes from one bot to another, which may be removed, while its calls are in flight and more are queued: the calls finish, no
// two calls of a problem overlap, and the second bot posts the rest, each once.
func TestARoomPassesToAnotherBot(t *testing.T) {
	for name, removed := range map[string]bool{"the first bot stays": false, "the first bot is removed": true} {
		t.Run(name, func(t *testing.T) {
			serving := "noc"
			rooms := func(room, route string) (RoomSettings, bool) {
				s, ok := someRooms(room, route)
				s.Bot = serving
				return s, ok
			}
			inWorld(t, func(o *Options) { o.Rooms, o.Workers = rooms, 3 }, func(t *testing.T, w *world) {
				second := &account{fakeWebex: w.webex}
				w.webex.set(func(f *fakeWebex) { f.took = 20 * time.Second }) // more than Grace
				w.notice(store.Notice{Kind: store.NoticeSystem, Room: "noc", Bot: "noc", Markdown: "a notice", State: store.NoticePending, CreatedAt: time.Now()})
				w.pass(time.Second)
				for n := range 6 {
					w.fold(n, nil, "noc")
				}
				w.pass(time.Second)
				require.Empty(t, w.webex.seen(), "all calls are still in flight")
				old, next := Bot{"noc", w.webex}, Bot{"second", second}
				bots := []Bot{next, old}
				if removed {
					bots = []Bot{next}
				}
				w.d.SetBots(bots, 3, func() {
					serving = "second"
					require.NotNil(t, w.d.bot("second"), "the new bot is there before a room names it")
					require.NotNil(t, w.d.bot("noc"), "the old bot is there as long as a room names it")
				})
				w.pass(10 * time.Second)
				require.Zero(t, second.count(), "the new bot waits for the calls of the old one")
				w.pass(12 * time.Second)
				require.NotZero(t, second.count(), "it begins once these have ended, before the next rescan")
				for n := range 6 {
					w.fold(n, resolve, "noc")
				}
				w.pass(10 * time.Minute)
				require.Zero(t, w.store.pending())
				require.Equal(t, 7, w.roots("R-noc"), "each problem and the notice once")
				posted := 0
				for _, c := range w.webex.seen() {
					if c.op == "post" {
						posted++
					}
				}
				require.LessOrEqual(t, posted-second.count(), 3, "the old bot makes no call that wasn't in flight")
				_, there := w.gauge("alert_relay_delivery_queue", "noc")
				require.Equal(t, !removed, there, "a bot that is gone has no gauges")

				// The room returns to the first bot.
				w.d.SetBots([]Bot{next, old}, 3, func() {})
				_, there = w.gauge("alert_relay_delivery_queue", "noc")
				require.True(t, there)
				w.d.SetBots([]Bot{old}, 3, func() { serving = "noc" })
				before := second.count()
				w.fold(10, nil, "noc")
				w.pass(time.Minute)
				require.Equal(t, 8, w.roots("R-noc"))
				require.Equal(t, before, second.count())
			})
		})
	}
}

// roots counts the messages of a room that are in no thread.
func (w *world) roots(room string) (n int) {
	for _, m := range w.webex.live(room) {
		if m.parent == "" {
			n++
		}
	}
	return n
}

// gauge returns the gauge of a bot.
func (w *world) gauge(name, bot string) (value float64, there bool) {
	families, err := w.reg.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == bot {
				return m.GetGauge().GetValue(), true
			}
		}
	}
	return 0, false
}
