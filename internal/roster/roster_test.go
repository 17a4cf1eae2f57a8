package roster

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A loop runs for each member as long as it is one, and only one loop for a name, whoever is added and removed meanwhile.
func TestLoopsFollowTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		add := func(name string) string {
			made++
			return fmt.Sprint(name, made)
		}
		var r Roster[string]
		added, removed := r.Set([]string{"a", "b"}, add)
		require.Equal(t, []string{"a1", "b2"}, added)
		require.Empty(t, removed)

		linger := make(chan struct{})
		events := make(chan string, 100)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Run(ctx, func(ctx context.Context, name, value string) {
				events <- "begin " + value
				<-ctx.Done()
				<-linger // calls in flight finish
				events <- "end " + value
			})
		}()
		settled := func() (list []string) {
			synctest.Wait()
			for len(events) > 0 {
				list = append(list, <-events)
			}
			slices.Sort(list)
			return list
		}
		require.Equal(t, []string{"begin a1", "begin b2"}, settled())

		added, removed = r.Set([]string{"b", "c"}, add)
		require.Equal(t, []string{"c3"}, added)
		require.Equal(t, []string{"a1"}, removed)
		require.Equal(t, []string{"begin c3"}, settled())
		_, ok := r.Get("a")
		require.False(t, ok)
		value, ok := r.Get("b")
		require.True(t, ok)
		require.Equal(t, "b2", value, "a member that stays isn't made again")
		require.Equal(t, map[string]string{"b": "b2", "c": "c3"}, r.All())

		// a comes back while its first loop still ends.
		r.Set([]string{"a", "b", "c"}, add)
		require.Empty(t, settled())
		linger <- struct{}{}
		require.Equal(t, []string{"begin a4", "end a1"}, settled())

		stop()
		require.Empty(t, settled())
		select {
		case <-done:
			t.Fatal("Run returned before its loops")
		default:
		}
		close(linger)
		require.Equal(t, []string{"end a4", "end b2", "end c3"}, settled())
		<-done
		r.Set([]string{"d"}, add)
		require.Empty(t, settled(), "nothing starts after the end")
	})
}
