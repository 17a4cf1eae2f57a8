package watch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

func TestHeartbeatDeadline(t *testing.T) {
	h := Heartbeat{Interval: 10 * time.Minute, Grace: time.Minute}
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for name, c := range map[string]struct {
		h       Heartbeat
		beat    Beat
		watched time.Time
		want    time.Time
	}{
		"never heard":                  {h, Beat{Known: noon}, noon, at(11)},
		"heard":                        {h, Beat{Known: noon, Last: at(5)}, noon, at(16)},
		"heard before a restart":       {h, Beat{Known: noon, Last: at(5)}, at(12), at(23)},
		"a daily one before a restart": {Heartbeat{Interval: 24 * time.Hour}, Beat{Last: noon}, at(23*60 + 30), at(24*60 + 30)},
		"a daily one, a restart early": {Heartbeat{Interval: 24 * time.Hour}, Beat{Last: noon}, at(60), at(24 * 60)},
	} {
		require.Equal(t, c.want, c.h.deadline(c.beat, c.watched), name)
	}
}

// listening runs Heartbeats over a store, and can be started again.
type listening struct {
	t     *testing.T
	store *memory.Store
	log   *slog.Logger // nil for none
	beats *Heartbeats
	stop  func()
}

func (l *listening) start(heartbeats ...Heartbeat) {
	if l.stop != nil {
		l.stop()
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.beats = NewHeartbeats(HeartbeatOptions{Heartbeats: heartbeats, Store: l.store, Log: l.log, Now: time.Now,
		Notices: func(h Heartbeat, key string, b Beat) (notices []store.Notice) {
			for _, room := range h.Rooms {
				text := fmt.Sprintf("%s %s missing=%t heard=%t", room, h.Name, b.Silent.Open(), !b.Last.IsZero())
				if b.Silent.Count > 1 {
					text += fmt.Sprintf(" times=%d", b.Silent.Count)
				}
				if b.Stays {
					text += " stays"
				}
				notices = append(notices, store.Notice{Room: room, Dedup: key, Markdown: text + removed[b.Silent.Removed]})
			}
			return notices
		}})
	ctx, stop := context.WithCancel(l.t.Context())
	done := make(chan struct{})
	go func() { _ = l.beats.Run(ctx); close(done) }()
	l.stop = func() { stop(); <-done }
	synctest.Wait()
}

func (l *listening) messages() (texts []string) {
	l.t.Helper()
	pending, err := l.store.PendingNotices(l.t.Context())
	require.NoError(l.t, err)
	for _, n := range pending {
		texts = append(texts, fmt.Sprintf("%s ×%d", n.Markdown, n.Version))
	}
	return texts
}

// missing reports whether the metric says that a heartbeat is missing.
func (l *listening) missing() bool {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(l.beats)
	families, err := registry.Gather()
	require.NoError(l.t, err)
	for _, f := range families {
		if f.GetName() == "alert_relay_heartbeat_missing" && f.GetMetric()[0].GetGauge().GetValue() == 1 {
			return true
		}
	}
	return false
}

func (l *listening) beat(name string) time.Time {
	l.t.Helper()
	by, err := l.beats.Beat(l.t.Context(), name)
	require.NoError(l.t, err)
	synctest.Wait()
	return by
}

// A heartbeat that is missing is one message in each room, edited when it is back. A restart neither forgets it nor cries.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backup := Heartbeat{Name: "backup", Interval: 10 * time.Minute, Grace: time.Minute, Rooms: []string{"noc", "db"}}
		l := &listening{t: t, store: memory.New(nil)}
		l.start(backup)
		defer func() { l.stop() }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(10 * time.Minute)
		require.Empty(t, l.messages())
		pass(time.Minute)
		require.Equal(t, []string{"noc backup missing=true heard=false ×1", "db backup missing=true heard=false ×1"}, l.messages())

		l.start(backup)
		pass(time.Hour)
		require.Equal(t, []string{"noc backup missing=true heard=false ×1", "db backup missing=true heard=false ×1"}, l.messages())
		require.NoError(t, testutil.CollectAndCompare(l.beats, strings.NewReader(`# HELP alert_relay_heartbeat_missing 1 while a heartbeat isn't heard within its interval and grace, by name.
# TYPE alert_relay_heartbeat_missing gauge
alert_relay_heartbeat_missing{name="backup"} 1
`), "alert_relay_heartbeat_missing"))

		require.Equal(t, time.Now().Add(11*time.Minute), l.beat("backup"))
		back := []string{"noc backup missing=false heard=true ×2", "db backup missing=false heard=true ×2"}
		require.Equal(t, back, l.messages())
		for range 20 {
			pass(9 * time.Minute)
			l.beat("backup")
		}
		require.Equal(t, back, l.messages())
		require.NoError(t, testutil.CollectAndCompare(l.beats, strings.NewReader(`# HELP alert_relay_heartbeat_age_seconds Time since a heartbeat was last heard, or since it was configured if it never was, by name.
# TYPE alert_relay_heartbeat_age_seconds gauge
alert_relay_heartbeat_age_seconds{name="backup"} 0
`), "alert_relay_heartbeat_age_seconds"))

		l.stop()
		pass(time.Hour)
		l.stop = nil
		l.start(backup)
		pass(10 * time.Minute)
		require.Equal(t, back, l.messages(), "the relay's own downtime is not the sender's silence")
		pass(time.Minute)
		require.Len(t, l.messages(), 4, "a new message")
	})
}

// A heartbeat can be added and removed while the relay runs; an unknown one is an error.
func TestHeartbeatsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listening{t: t, store: memory.New(nil)}
		l.start()
		defer func() { l.stop() }()
		_, err := l.beats.Beat(t.Context(), "backup")
		require.ErrorIs(t, err, store.ErrNotFound)
		l.beats.Set([]Heartbeat{{Name: "backup", Interval: time.Minute, Rooms: []string{"noc"}}})
		require.Equal(t, []string{"backup"}, l.beats.Names())
		l.beat("backup")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, l.messages(), 1)
		l.beats.Set(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"noc backup missing=false heard=true removed ×2"}, l.messages())
	})
}

// A heartbeat that was removed while the relay was down has its message ended, in the rooms that have it. One that comes back starts anew.
func TestMessageOfARemovedHeartbeatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backup := Heartbeat{Name: "backup", Interval: 10 * time.Minute, Rooms: []string{"noc", "db"}}
		l := &listening{t: t, store: memory.New(nil)}
		l.start(backup)
		defer func() { l.stop() }()
		time.Sleep(time.Hour)
		l.start()
		ended := []string{"noc backup missing=false heard=false removed ×2", "db backup missing=false heard=false removed ×2"}
		require.Equal(t, ended, l.messages())
		l.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, ended, l.messages())
		l.beats.Set([]Heartbeat{backup})
		synctest.Wait()
		require.Equal(t, ended, l.messages())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, l.messages(), 4)
	})
}

// A store that refuses the message gets it again.
func TestHeartbeatMessageIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &broken{memory.New(nil), true}
		h := NewHeartbeats(HeartbeatOptions{Heartbeats: []Heartbeat{{Name: "backup", Interval: time.Minute}}, Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Notices: func(_ Heartbeat, key string, _ Beat) []store.Notice { return []store.Notice{{Room: "noc", Dedup: key}} }})
		_, err := h.check(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = h.check(t.Context())
		require.ErrorContains(t, err, "heartbeat backup: no space left")
		s.fails = false
		_, err = h.check(t.Context())
		require.NoError(t, err)
		pending, err := s.PendingNotices(t.Context())
		require.NoError(t, err)
		require.Len(t, pending, 1)
	})
}

// stuck is a store that doesn't finish writing.
type stuck struct {
	*memory.Store
	writing, free chan struct{}
}

func (s *stuck) SetValue(ctx context.Context, name, value string) error {
	close(s.writing)
	<-s.free
	return s.Store.SetValue(ctx, name, value)
}

// A store that hangs doesn't keep anybody from reading the metrics.
func TestMetricsDoNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{memory.New(nil), make(chan struct{}), make(chan struct{})}
		h := NewHeartbeats(HeartbeatOptions{Heartbeats: []Heartbeat{{Name: "backup", Interval: time.Hour}}, Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		beaten := make(chan error)
		go func() {
			_, err := h.Beat(t.Context(), "backup")
			beaten <- err
		}()
		<-s.writing
		require.Equal(t, 2, testutil.CollectAndCount(h))
		s.writing = make(chan struct{})
		close(s.free)
		require.NoError(t, <-beaten)
	})
}
