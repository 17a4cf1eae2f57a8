package delivery

import (
	"context"
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
