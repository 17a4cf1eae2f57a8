package binding

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

func load(t *testing.T, s store.Bindings) *Keeper {
	k, err := Load(t.Context(), s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return k
}

func add(t *testing.T, k *Keeper, b store.Binding) store.Binding {
	made, _, err := k.Add(context.Background(), b)
	require.NoError(t, err)
	return made
}

// A change is there at once, after a restart too, and is told.
func TestKeeper(t *testing.T) {
	s := memory.New(nil)
	k := load(t, s)
	told := 0
	k.OnChange(func() {
		told++
		k.Routes() // it may ask
	})
	a := add(t, k, store.Binding{Room: "space:a", Host: "db*", Email: "x@example.com", Command: "C1", Until: time.Now().Add(time.Hour)})
	require.Equal(t, a.ID, add(t, k, store.Binding{Room: "space:a", Host: "db*", Command: "C1"}).ID, "the same command")
	again, replaced, err := k.Add(t.Context(), store.Binding{Room: "space:a", Host: "db*", Email: "x@example.com", Command: "C2"})
	require.NoError(t, err)
	require.Equal(t, a.ID, replaced.ID)
	b := add(t, k, store.Binding{Room: "space:b", Severity: ">=high", Email: "x@example.com", Command: "C3", Until: time.Now().Add(time.Minute)})
	next, ok := k.NextEnd()
	require.True(t, ok)
	require.Equal(t, b.ID, next.ID)
	require.Positive(t, told)
	for _, k := range []*Keeper{k, load(t, s)} {
		require.Len(t, k.Live(), 2)
		require.Len(t, k.Routes(), 2)
		require.Equal(t, again.ID, k.Of("space:a")[0].ID)
		current, ok := k.Named("space:a", "binding #"+fmt.Sprint(a.ID))
		require.True(t, ok)
		require.Equal(t, again.ID, current.ID, "it was replaced")
		_, ok = k.Named("space:b", "binding #"+fmt.Sprint(a.ID))
		require.False(t, ok, "another room's")
	}
	_, err = k.End(t.Context(), a.ID, store.BindingRemoved)
	require.ErrorIs(t, err, store.ErrNotFound, "it has ended")

	ended, err := k.Refused(t.Context(), "space:a")
	require.NoError(t, err)
	require.Len(t, ended, 1)
	gone, ok := k.Named("space:a", "binding #"+fmt.Sprint(again.ID))
	require.True(t, ok)
	require.Equal(t, store.BindingRefused, gone.Ended)
	last, ok := k.Last("space:a")
	require.True(t, ok, "its bot is still known")
	require.Equal(t, store.BindingRefused, last.Ended)
	k.Forget(time.Now().Add(-time.Minute))
	require.Len(t, k.Known("space:a"), 2, "they ended just now")
	k.Forget(time.Now().Add(time.Minute))
	require.Empty(t, k.Known("space:a"))
	require.Len(t, k.Live(), 1, "one that counts is never forgotten")
}

// A crash between adding a binding and ending the one that it replaces leaves one that counts, once its command is read again.
func TestReplacedAcrossACrash(t *testing.T) {
	s := memory.New(nil)
	first := add(t, load(t, s), store.Binding{Room: "space:a", Host: "db*", Command: "C1"})
	second := store.Binding{Room: "space:a", Host: "db*", Command: "C2"}
	_, err := s.AddBinding(t.Context(), second)
	require.NoError(t, err)
	k := load(t, s)
	require.Len(t, k.Live(), 2)
	for range 2 {
		made, _, err := k.Add(t.Context(), second)
		require.NoError(t, err)
		require.Equal(t, "C2", made.Command)
		require.Len(t, k.Live(), 1)
		require.Equal(t, made.ID, k.Live()[0].ID)
	}
	made, replaced, err := k.Add(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, first.ID, made.ID)
	require.Nil(t, replaced)
	require.Equal(t, "C2", k.Live()[0].Command, "an older command, read again, ends nothing")
}

// A room has only so many, and the relay too. One that replaces another is no more.
func TestLimits(t *testing.T) {
	k := load(t, memory.New(nil))
	for i := range MaxOfRoom {
		add(t, k, store.Binding{Room: "person:a@example.com", Host: fmt.Sprint("h", i), Command: fmt.Sprint("C", i)})
	}
	_, _, err := k.Add(t.Context(), store.Binding{Room: "person:a@example.com", Host: "more", Command: "D1"})
	require.ErrorIs(t, err, ErrTooManyHere)
	add(t, k, store.Binding{Room: "person:a@example.com", Host: "h0", Command: "D2"})
	all := slices.Clone(*k.all.Load())
	for i := range MaxOfAll - MaxOfRoom {
		all = append(all, store.Binding{ID: int64(1000 + i), Room: "space:x", Command: fmt.Sprint("E", i)})
	}
	k.all.Store(&all)
	_, _, err = k.Add(t.Context(), store.Binding{Room: "person:b@example.com", Host: "more", Command: "D3"})
	require.ErrorIs(t, err, ErrTooMany)
}

// What can't be compiled, as after a downgrade, is left out alone.
func TestUnreadableBindings(t *testing.T) {
	k := load(t, memory.New(nil))
	add(t, k, store.Binding{Room: "person:a@example.com", Severity: "urgent", Command: "C1"})
	add(t, k, store.Binding{Room: "person:a@example.com", Severity: "high,not-classified", Command: "C2"})
	routes := k.Routes()
	require.Len(t, routes, 1)
	require.Equal(t, "subscription #2", routes[0].Name)
}

// Who reads the bindings waits for no store: the fold and delivery do.
func TestReadingWaitsForNoStore(t *testing.T) {
	s := &stuck{Store: memory.New(nil), entered: make(chan struct{}), release: make(chan struct{})}
	k := load(t, s)
	added := make(chan struct{})
	go func() {
		defer close(added)
		_, _, _ = k.Add(context.Background(), store.Binding{Room: "space:a", Host: "db*", Command: "C1"})
	}()
	<-s.entered
	require.Empty(t, k.Live())
	require.Empty(t, k.Routes())
	_, ok := k.Last("space:a")
	require.False(t, ok)
	close(s.release)
	<-added
	require.Len(t, k.Live(), 1)
}

// stuck is a store whose writes wait.
type stuck struct {
	*memory.Store
	entered, release chan struct{}
}

func (s *stuck) AddBinding(ctx context.Context, b store.Binding) (int64, error) {
	close(s.entered)
	<-s.release
	return s.Store.AddBinding(ctx, b)
}
