package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// If a room refuses its digest, the default room gets every problem of it, including those that joined at the last
// moment, even if the relay crashes right after the digest became a dead letter.
func TestARefusedDigestIsReroutedAfterACrash(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
		crashed := false
		w.store.setFail(func(op string) error {
			if op == "GroupPosts" && w.store.group(1).State == store.PostDead {
				crashed = true
			}
			if crashed {
				return store.ErrClosed
			}
			return nil
		})
		w.rain(0, 20, nil)
		w.pass(time.Minute)
		require.True(t, crashed)
		require.Empty(t, w.texts("default"))
		require.Equal(t, 1, w.store.pending(), "the dead digest owes its problems")
		w.stop()
		w.store.setFail(nil)
		w.start()
		w.pass(time.Minute)
		texts := strings.Join(w.texts("default"), "\n")
		for n := range 20 {
			require.Contains(t, texts, fmt.Sprint(key(n), " open"))
		}
		require.Zero(t, w.store.pending())
		require.EqualValues(t, 20, w.metric("alert_relay_reroutes_total"))
		require.Len(t, w.digestTexts("noc"), 0)
	})
}

// What a subscription added to a digest isn't shown in the default room, even if the person's chat refuses messages. What Zabbix sends to
// that person is.
func TestARefusedDigestOfSubscriptionsIsNotRerouted(t *testing.T) {
	const alice = "person:alice@example.com"
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(c aCall) *trouble {
				if c.op == "post" && !strings.HasPrefix(c.room, "R-") {
					return &trouble{status: 404}
				}
				return nil
			}
		})
		w.store.set(func() { w.store.storm = true })
		var written store.Fold
		for n := range 8 {
			written = both(written, w.store.fold(key(n), nil, alice))
			w.store.setPost(key(n), alice, func(p *store.Post, _ groupDraft) {
				if p.Route = "subscription #1"; n == 3 {
					p.Route = "send_to"
				}
			})
		}
		w.d.Notify(written)
		w.pass(2 * time.Minute)
		require.EqualValues(t, 1, w.metric("alert_relay_reroutes_total"))
		texts := strings.Join(w.texts("default"), "\n")
		require.Contains(t, texts, fmt.Sprint(key(3), "=open"))
		require.NotContains(t, texts, key(4).String())
		require.Contains(t, texts, "can't be reached by direct messages")
		require.Zero(t, w.store.pending())
	})
}

// A digest that the space of an incident refuses is told nobody here: the incident tells it where it was opened.
func TestARefusedDigestOfAnIncidentIsNotAnnounced(t *testing.T) {
	const space = "person:alice@example.com" // any room that the default room isn't
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(c aCall) *trouble {
				if c.op == "post" && !strings.HasPrefix(c.room, "R-") {
					return &trouble{status: 404}
				}
				return nil
			}
		})
		w.store.set(func() { w.store.storm = true })
		var written store.Fold
		for n := range 8 {
			written = both(written, w.store.fold(key(n), nil, space))
			w.store.setPost(key(n), space, func(p *store.Post, _ groupDraft) { p.Route = "incident #7" })
		}
		w.d.Notify(written)
		w.pass(2 * time.Minute)
		require.Equal(t, store.PostDead, w.store.group(1).State)
		require.Zero(t, w.metric("alert_relay_reroutes_total"))
		require.Empty(t, w.texts("default"))
		require.Zero(t, w.store.pending())
	})
}
