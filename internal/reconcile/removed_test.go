package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// Open problems of a source that isn't configured any more are logged at the start and after a change, and closed as gone when an operator
// asks. Those of a source that is configured, with or without an API token, never are.
func TestRemovedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer func() { r.stop() }()
		one, two := r.told(), r.told()
		r.pass(2 * time.Minute)
		require.Zero(t, r.log.warned())
		_, err := r.sweeps.CloseRemoved(t.Context(), "main", "me")
		require.ErrorIs(t, err, store.ErrNotFound)

		r.stop()
		configured := true
		r.configured = func(string) bool { return configured }
		r.start()
		r.sweeps.SetSources(nil, r.set) // it has no API token now
		r.pass(time.Minute)
		require.Zero(t, r.log.warned())
		_, err = r.sweeps.CloseRemoved(t.Context(), "main", "me")
		require.ErrorIs(t, err, store.ErrNotFound)
		configured = false
		r.sweeps.SetSources(nil, r.set)
		r.pass(time.Minute)
		require.Equal(t, 1, r.log.warned())
		removed, err := r.sweeps.Removed(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"main": 2}, removed)
		require.True(t, r.problem(one).Open())

		report, err := r.sweeps.CloseRemoved(t.Context(), "main", "me")
		require.NoError(t, err)
		require.Equal(t, Report{Source: "main", Removed: true, Missing: 2, Closing: 2}, report)
		r.pass(time.Minute)
		require.True(t, r.problem(one).Gone)
		require.True(t, r.problem(two).Gone)
		_, err = r.sweeps.CloseRemoved(t.Context(), "main", "me")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}
