package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// After a pause, one worker sends replies first, then new problems by severity and age, recoveries, cards, and the rest.
func TestOrder(t *testing.T) {
	inWorld(t, func(o *Options) { o.Workers = 1 }, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if c.card {
				return &trouble{status: 429, retryAfter: 20 * time.Second}
			}
			return nil
		})
		w.fold(1, nil, "noc") // resolves later
		w.fold(2, nil, "noc") // gets only its card
		w.pass(time.Second)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		before := len(w.ops())
		w.notice(store.Notice{Kind: store.NoticeNotify, Room: "noc", Markdown: "from ansible"})
		w.fold(1, resolve)
		for n, s := range []alert.Severity{alert.Warning, alert.Disaster, alert.High} {
			w.fold(10+n, severity(s), "noc")
		}
		w.fold(20, severity(alert.High), "noc")
		w.notice(store.Notice{Kind: store.NoticeAnswer, Room: "noc", Markdown: "answer"})
		w.pass(25 * time.Second)
		var got []string
		for _, c := range w.webex.seen()[before:] {
			words := strings.Fields(c.markdown + " (delete)")
			if c.card {
				words = []string{"card", words[2]}
			} else if c.op == "edit" || c.parent != "" {
				words[1] = c.op
			}
			got = append(got, strings.Join(words[:min(2, len(words))], " "))
		}
		require.Equal(t, []string{
			"answer (delete)", "main/11 open", "main/12 open", "main/20 open", "main/10 open",
			"main/1 edit", "main/1 post", "card main/11", "card main/2", "card main/12", "card main/20", "card main/10", "from ansible",
		}, got)
	})
}

// After a restart delivery doesn't know at first which step a post needs. A card still comes after a recovery.
func TestCardsFollowRecoveriesAfterARestart(t *testing.T) {
	inWorld(t, func(o *Options) { o.Workers = 1 }, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if c.card {
				return &trouble{status: 429, retryAfter: 5 * time.Second}
			}
			return nil
		})
		for n := range 3 {
			w.fold(n, severity(alert.Disaster), "noc")
		}
		w.fold(3, nil, "noc")
		w.pass(time.Second)
		w.stop()
		w.store.fold(key(3), resolve)
		w.webex.meets(nil)
		before := len(w.ops())
		w.start()
		w.pass(10 * time.Second)
		require.Equal(t, []string{"edit", "reply", "card", "card", "card"}, w.ops()[before:])
	})
}

// A storm in one room doesn't delay another room.
func TestAStormDoesNotDelayAnotherRoom(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5; o.Workers = 2 }, func(t *testing.T, w *world) {
		for n := range 5000 {
			w.fold(n, severity(alert.Disaster), "noc")
		}
		w.pass(10 * time.Second)
		w.fold(9000, severity(alert.Disaster), "db")
		w.fold(9001, severity(alert.Warning), "line")
		w.pass(time.Second)
		require.Contains(t, strings.Join(w.texts("db"), " "), "main/9000", "equally urgent: after one other call")
		w.pass(queue.Patience + 2*time.Second)
		require.Contains(t, strings.Join(w.texts("line"), " "), "main/9001", "less urgent: after a wait")
		w.webex.set(func(f *fakeWebex) { f.took = 0 })
		w.d.bot("noc").mu.Lock()
		w.d.bot("noc").rate.Rate = pace.NewRate(100000, time.Now())
		w.d.bot("noc").mu.Unlock()
		w.pass(time.Minute)
		require.Zero(t, w.store.pending())
		require.Zero(t, w.metric("alert_relay_delivery_queue"))
	})
}
