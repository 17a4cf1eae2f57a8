package delivery

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// What a room may not have is never sent, even if it was to be when the post was made, and it waits for nothing. With the right back, the
// room gets what changes from then on.
func TestWithheldPosts(t *testing.T) {
	var mu sync.Mutex
	withheld, asked := true, map[string][]string{}
	var kinds []bool
	const alice = "person:alice@example.com"
	inWorld(t, func(o *Options) {
		o.Withheld = func(room, _ string, posted []string, shown bool) string {
			mu.Lock()
			defer mu.Unlock()
			if posted != nil {
				if room == alice {
					kinds = append(kinds, shown)
				}
				asked[room] = slices.Sorted(slices.Values(posted))
			}
			if room == alice && withheld {
				return "no role"
			}
			return ""
		}
	}, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc", alice)
		w.fold(1, say("more"))
		w.pass(10 * time.Second)
		require.NotEmpty(t, w.texts("noc"))
		require.Zero(t, w.store.pending(), "it waits for nothing")
		require.Empty(t, w.store.post(key(1), alice).RootID)
		require.Equal(t, store.PostLive, w.store.post(key(1), alice).State, "it isn't a dead letter")
		mu.Lock()
		withheld = false
		require.Equal(t, []string{"noc", alice}, asked[alice], "by all rooms of the problem")
		mu.Unlock()
		w.fold(1, func(p *alert.Problem) { p.Severity = alert.Disaster })
		w.pass(10 * time.Second)
		require.NotEmpty(t, w.store.post(key(1), alice).RootID)
		mu.Lock()
		withheld = true
		mu.Unlock()
		calls := len(w.ops())
		w.fold(1, resolve)
		w.pass(10 * time.Second)
		require.Equal(t, []string{"edit", "reply", "delete"}, w.ops()[calls:], "only in noc")
		require.Zero(t, w.store.pending())
		mu.Lock()
		defer mu.Unlock()
		require.False(t, kinds[0], "what isn't posted isn't shown")
		require.True(t, kinds[len(kinds)-1], "a posted one is")
	})
}

// The relay learns which rooms refuse for good.
func TestRefusingRoomsAreTold(t *testing.T) {
	var mu sync.Mutex
	var refused []string
	inWorld(t, func(o *Options) {
		o.Refused = func(_ context.Context, room, reason string) {
			mu.Lock()
			defer mu.Unlock()
			require.NotEmpty(t, reason)
			refused = append(refused, room)
		}
	}, func(t *testing.T, w *world) {
		w.fold(1, nil, "away", "noc")
		w.pass(2 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []string{"away"}, refused)
	})
}

// A notice that waits, for a 429 or an outage, is asked for again before each call. One that its room has lost the right to isn't sent, is
// no dead letter, and delays no other. Its file goes too.
func TestWithheldNotices(t *testing.T) {
	for name, wait := range map[string]*trouble{"429": {status: 429, retryAfter: time.Minute}, "500": {status: 500}} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			lost, asked := "", 0
			inWorld(t, func(o *Options) {
				o.WithheldNotice = func(_ context.Context, n store.Notice) (string, error) {
					mu.Lock()
					defer mu.Unlock()
					asked++
					if asked == 1 {
						return "", errors.New("the store is busy")
					}
					if n.Room == lost {
						return "no role", nil
					}
					return "", nil
				}
			}, func(t *testing.T, w *world) {
				away := true
				w.webex.meets(func(aCall) *trouble {
					mu.Lock()
					defer mu.Unlock()
					if away {
						return wait
					}
					return nil
				})
				const bob, carol = "person:bob@example.com", "person:carol@example.com"
				file := &store.File{Name: "report.md", Type: "text/markdown", Content: []byte("x")}
				waits := w.notice(store.Notice{Kind: store.NoticeReminder, Room: bob, Markdown: "of bob", File: file})
				w.notice(store.Notice{Kind: store.NoticeReminder, Room: carol, Markdown: "of carol"})
				w.pass(10 * time.Second)
				require.NotEmpty(t, w.ops(), "it was tried")
				mu.Lock()
				lost, away = bob, false
				mu.Unlock()
				w.pass(10 * time.Minute)
				require.Empty(t, w.webex.live("direct:bob@example.com"))
				require.Len(t, w.webex.live("direct:carol@example.com"), 1)
				require.Zero(t, w.store.pending())
				n := w.noticed(waits)
				require.Equal(t, store.NoticeSent, n.State, "it isn't a dead letter")
				require.Equal(t, "no role", n.LastError)
				require.Empty(t, n.MessageID)
				_, err := w.store.NoticeFile(t.Context(), waits)
				require.ErrorIs(t, err, store.ErrNotFound)
			})
		})
	}
}
