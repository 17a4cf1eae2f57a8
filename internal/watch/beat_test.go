package watch

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store/memory"
)

// A heartbeat that comes and goes is one message: it is edited as the count doubles, and says that it is back once it has been heard for
// ten minutes. One that stays away is a new message.
func TestHeartbeatThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		backup := Heartbeat{Name: "backup", Interval: time.Minute, Rooms: []string{"noc"}}
		l := &listening{t: t, store: memory.New(nil), log: slog.New(slog.NewTextHandler(&log, nil))}
		l.start(backup)
		defer func() { l.stop() }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		heard := func(d time.Duration) { // every half minute
			for range d / (30 * time.Second) {
				l.beat("backup")
				pass(30 * time.Second)
			}
		}
		only := func(want string, edits int) {
			t.Helper()
			require.Equal(t, []string{strings.Replace(fmt.Sprintf("noc backup %s ×%d", want, edits), "e ", "e heard=true ", 1)}, l.messages())
		}
		l.beat("backup")
		pass(2 * time.Minute)
		only("missing=true", 1)
		heard(5 * time.Minute)
		only("missing=false", 2)
		require.False(t, l.missing())
		pass(2 * time.Minute)
		only("missing=true times=2", 3)
		require.True(t, l.missing())
		heard(5 * time.Minute)
		only("missing=true times=2", 3)
		require.False(t, l.missing(), "the metric is of now")
		l.start(backup) // a restart forgets nothing
		pass(2 * time.Minute)
		heard(time.Minute)
		only("missing=true times=2", 3)
		pass(2 * time.Minute)
		only("missing=true times=4", 4)
		heard(9 * time.Minute)
		only("missing=true times=4", 4)
		heard(2 * time.Minute)
		only("missing=false times=4", 5)

		heard(11 * time.Minute)
		pass(2 * time.Minute)
		require.Len(t, l.messages(), 2, "it was calm: a new message")
		heard(time.Minute)
		pass(time.Minute)
		heard(time.Minute)
		pass(11 * time.Minute)
		messages := l.messages()
		require.Len(t, messages, 3, "it stays away")
		require.Equal(t, "noc backup missing=false heard=true times=3 stays ×4", messages[1])
		require.Equal(t, "noc backup missing=true heard=true ×1", messages[2])
		pass(24 * time.Hour)
		require.Equal(t, messages, l.messages())
		heard(time.Minute)
		require.Equal(t, "noc backup missing=false heard=true ×2", l.messages()[2])
		require.Equal(t, 7, strings.Count(log.String(), "heartbeat missing"), log.String())
	})
}

// A stored value that can't be read is logged, and counts as none.
func TestUnreadableValueCountsAsNone(t *testing.T) {
	var log strings.Builder
	s := memory.New(nil)
	require.NoError(t, s.SetValue(t.Context(), "heartbeats", `["a", {`))
	list := told{store: s, value: "heartbeats", log: slog.New(slog.NewTextHandler(&log, nil))}
	names, err := list.list(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	require.Contains(t, log.String(), "name=heartbeats")
	require.NoError(t, list.set(t.Context(), "backup", true))
	again := told{store: s, value: "heartbeats", log: slog.New(slog.DiscardHandler)}
	names, err = again.list(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"backup"}, names)
}

// A heartbeat that comes and goes is a trouble that goes on only while it is missing.
func TestStoredHeartbeats(t *testing.T) {
	missing := `{"known":"2026-11-24T12:00:00Z","silent":{"since":"2026-11-24T13:00:00Z","count":2}`
	list := ReadStored(map[string]string{"heartbeat/backup": missing + `}`, "heartbeat/other": missing + `,"back":"2026-11-24T13:05:00Z"}`})
	require.Len(t, list, 1)
	require.Equal(t, "backup", list[0].Name)
}
