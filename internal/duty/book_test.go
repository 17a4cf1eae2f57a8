package duty

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/testlog"
)

// feed is a calendar that a test changes. Its methods may be called at any time.
type feed struct {
	mu    sync.Mutex
	text  string
	err   error
	calls int
}

func (f *feed) set(text string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, err
}

func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *feed) fetch(context.Context, config.Calendar, string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.err != nil {
		return nil, f.err
	}
	return Reduce([]byte(f.text))
}

// shelf is a book in virtual time.
type shelf struct {
	t     *testing.T
	feed  *feed
	feeds map[string]*feed // by address, instead of the one
	store *memory.Store
	fails atomic.Bool // the store, at each call
	// reloads is a configuration that becomes the current one while the store is read.
	reloads atomic.Pointer[config.Config]
	log     testlog.Lines
	book    *Book
	stop    func()
}

func (s *shelf) start(cfg *config.Config) {
	s.book = NewBook(s.t.Context(), Options{Config: cfg, Store: s, Fetch: s.fetch, Log: s.log.Logger(), Now: time.Now})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.book.Run(ctx) }()
	s.stop = func() {
		cancel()
		require.NoError(s.t, <-ended)
	}
}

func (s *shelf) fetch(ctx context.Context, c config.Calendar, key string) ([]byte, error) {
	if f := s.feeds[c.URL]; f != nil {
		return f.fetch(ctx, c, key)
	}
	return s.feed.fetch(ctx, c, key)
}

func (s *shelf) Value(ctx context.Context, name string) (string, error) {
	if s.fails.Load() {
		return "", errors.New("the disk is full")
	}
	if cfg := s.reloads.Swap(nil); cfg != nil {
		s.book.Set(cfg, func() {})
	}
	return s.store.Value(ctx, name)
}

func (s *shelf) SetValue(ctx context.Context, name, value string) error {
	if s.fails.Load() {
		return errors.New("the disk is full")
	}
	return s.store.SetValue(ctx, name, value)
}

// stored is what the store has; "" for nothing.
func (s *shelf) stored() string {
	value, err := s.store.Value(s.t.Context(), valueName)
	if !errors.Is(err, store.ErrNotFound) {
		require.NoError(s.t, err)
	}
	return value
}

// pass lets time pass.
func (s *shelf) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *shelf) onDuty() string {
	emails, gap := s.book.Call("network", "primary", time.Now())
	if gap != (alert.Gap{}) {
		return gap.String()
	}
	return strings.Join(emails, " ")
}

// The clock of a synctest begins on 1 January 2000.
const newYear = "DTSTART:20000101T000000Z\nDTEND:20000301T000000Z\n"

const fromURL = "    calendar: [{url: \"https://calendar.example.com/s3cr3t\"}]"

// The last good copy stays in use while the calendar can't be read, over a restart too; its age is told, and a metric counts.
func TestTheLastGoodCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, feed: new(feed), store: memory.New(time.Now)}
		cfg := configured(t, fromURL)
		s.feed.set("", errors.New("its server answered 503"))
		s.start(cfg)
		require.Equal(t, "network (primary): unread", s.onDuty())
		s.pass(time.Minute)
		require.Contains(t, s.log.String(), "cannot read a calendar of who is on duty")

		s.feed.set(calendarOf(newYear+"SUMMARY:alice@example.com", newYear+"SUMMARY:mallory@evil.example"), nil)
		s.pass(retryAfter)
		read := time.Now()
		require.Equal(t, "alice@example.com", s.onDuty())
		require.Contains(t, s.log.String(), "can be read again")

		s.feed.set("<html>Log in</html>", nil)
		s.pass(time.Hour)
		require.Equal(t, "alice@example.com", s.onDuty())
		_, states, _ := s.book.Of("network")
		require.ErrorContains(t, states[0].Fault, "no iCalendar file")
		require.WithinDuration(t, read, states[0].At, time.Minute)
		require.Equal(t, 1, strings.Count(s.log.String(), "no iCalendar file"), "once, not at each attempt")

		s.stop()
		s.start(cfg)
		require.Equal(t, "alice@example.com", s.onDuty(), "at once after a restart")
		s.pass(time.Second)
		require.NoError(t, testutil.CollectAndCompare(s.book, strings.NewReader(`
# HELP alert_relay_duty_people People on duty now whom the relay can write to, by schedule and layer; 0 is a gap.
# TYPE alert_relay_duty_people gauge
alert_relay_duty_people{layer="primary",schedule="network"} 1
# HELP alert_relay_duty_refreshes_total Attempts to read the calendars of a schedule, by result: ok, failed (the last good copy stays in use).
# TYPE alert_relay_duty_refreshes_total counter
alert_relay_duty_refreshes_total{result="failed",schedule="network"} 1
alert_relay_duty_refreshes_total{result="ok",schedule="network"} 0
# HELP alert_relay_duty_unknown_people People in the calendars of a schedule, for the next two months, whom the relay can't write to: no address, or not in an allowed domain.
# TYPE alert_relay_duty_unknown_people gauge
alert_relay_duty_unknown_people{schedule="network"} 1
`), "alert_relay_duty_people", "alert_relay_duty_refreshes_total", "alert_relay_duty_unknown_people"))
		require.NotContains(t, s.log.String(), "s3cr3t")
		s.stop()
	})
}

// A reload changes who is meant by a name at once, keeps the copy of an address that stays, and never uses that of another.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, feed: new(feed), store: memory.New(time.Now)}
		s.feed.set(calendarOf(newYear+"SUMMARY:Ali"), nil)
		s.start(configured(t, fromURL))
		s.pass(time.Second)
		require.Equal(t, "network (primary): unwritable", s.onDuty())

		s.feed.set("", errors.New("away"))
		s.book.Set(configured(t, strings.Replace(fromURL, "}]", ", people: [{name: ALI, email: alice@example.com}]}]", 1)), func() {})
		require.Equal(t, "alice@example.com", s.onDuty())

		s.book.Set(configured(t, strings.Replace(fromURL, "s3cr3t", "other", 1)), func() {})
		require.Equal(t, "network (primary): unread", s.onDuty())
		s.pass(time.Second)
		require.Contains(t, s.onDuty(), "unread", "the stored copy is another calendar's")

		s.book.Set(configured(t, "    rota: [{people: [bob@example.com], start: 1999-01-01}]"), func() {})
		require.Equal(t, "bob@example.com", s.onDuty())
		s.pass(time.Second)
		require.Equal(t, "{}", s.stored(), "the copy of a calendar that isn't configured is removed")
		s.stop()
	})
}

// calendars is the configuration of calendars with these names in their addresses.
func calendars(names ...string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = `{url: "https://` + name + `.example.com/x"}`
	}
	return "    calendar: [" + strings.Join(list, ", ") + "]"
}

// A copy belongs to its address, wherever that stands in the configuration, and whether a reload or a restart changes that. The store
// keeps those that are configured.
func TestCopiesFollowTheirAddress(t *testing.T) {
	const rota = "    rota: [{people: [dora@example.com], start: 1999-01-01}]"
	const night = "\n  - name: night\n"
	for name, c := range map[string]struct {
		after  string
		want   string
		stored []string
	}{
		"the first goes":       {calendars("bob"), "bob@example.com", []string{"bob"}},
		"the last goes":        {calendars("alice"), "alice@example.com", []string{"alice"}},
		"they change places":   {calendars("bob", "alice"), "bob@example.com alice@example.com", []string{"alice", "bob"}},
		"one comes before":     {calendars("carol", "alice", "bob"), "alice@example.com bob@example.com", []string{"alice", "bob"}},
		"another schedule":     {rota + night + calendars("alice"), "dora@example.com", []string{"alice"}},
		"in both schedules":    {calendars("bob") + night + calendars("bob"), "bob@example.com", []string{"bob"}},
		"none is left, a rota": {rota, "dora@example.com", nil},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &shelf{t: t, feed: new(feed), feeds: map[string]*feed{}, store: memory.New(time.Now)}
					for _, who := range []string{"alice", "bob"} {
						f := new(feed)
						f.set(calendarOf(newYear+"SUMMARY:"+who+"@example.com"), nil)
						s.feeds["https://"+who+".example.com/x"] = f
					}
					s.feed.set("", errors.New("away"))
					s.start(configured(t, calendars("alice", "bob")))
					defer func() { s.stop() }()
					s.pass(time.Second)
					require.Equal(t, "alice@example.com bob@example.com", s.onDuty())
					for _, f := range s.feeds {
						f.set("", errors.New("away"))
					}
					cfg := configured(t, c.after)
					if restart {
						s.stop()
						s.start(cfg)
					} else {
						s.book.Set(cfg, func() {})
					}
					require.Equal(t, c.want, s.onDuty(), "at once")
					s.pass(time.Hour)
					require.Equal(t, c.want, s.onDuty())
					for _, who := range []string{"alice", "bob"} {
						require.Equal(t, slices.Contains(c.stored, who), strings.Contains(s.stored(), who), who)
					}
				})
			})
		}
	}
}

// While the store fails nothing of it is lost: a copy that it has is neither overwritten nor used in place of a newer one, and what is to
// be removed is removed later. Without calendars nothing is stored.
func TestCopiesWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, feed: new(feed), feeds: map[string]*feed{}, store: memory.New(time.Now)}
		for _, who := range []string{"alice", "bob"} {
			s.feeds["https://"+who+".example.com/x"] = new(feed)
			s.feeds["https://"+who+".example.com/x"].set(calendarOf(newYear+"SUMMARY:"+who+"@example.com"), nil)
		}
		s.start(configured(t, calendars("alice", "bob")))
		s.pass(time.Second)
		s.stop()

		s.feeds["https://alice.example.com/x"].set(calendarOf(newYear+"SUMMARY:ann@example.com"), nil)
		s.feeds["https://bob.example.com/x"].set("", errors.New("away"))
		s.fails.Store(true)
		s.start(configured(t, calendars("alice", "bob")))
		s.pass(time.Second)
		require.Equal(t, "ann@example.com", s.onDuty(), "bob's copy isn't at hand")
		require.Contains(t, s.log.String(), "cannot read the stored copies of the calendars")
		s.reloads.Store(configured(t, calendars("alice", "bob")))
		s.fails.Store(false)
		s.pass(retryAfter)
		require.Equal(t, "ann@example.com bob@example.com", s.onDuty())
		require.Contains(t, s.stored(), "ann@example.com")
		require.Contains(t, s.stored(), "bob@example.com")

		s.fails.Store(true)
		s.book.Set(configured(t, calendars("alice")), func() {})
		s.pass(time.Second)
		require.Contains(t, s.stored(), "bob@example.com")
		s.fails.Store(false)
		s.pass(time.Hour)
		require.NotContains(t, s.stored(), "bob@example.com")
		s.stop()

		require.NoError(t, s.store.SetValue(t.Context(), valueName, "{damaged"))
		s.start(configured(t, calendars("alice")))
		require.Contains(t, s.log.String(), "are damaged")
		s.pass(time.Second)
		require.Equal(t, "ann@example.com", s.onDuty())
		s.stop()

		s.store = memory.New(time.Now)
		s.start(configured(t, "    rota: [{people: [bob@example.com], start: 1999-01-01}]"))
		s.pass(time.Hour)
		require.Empty(t, s.stored())
		s.stop()
	})
}

// A calendar is read at its interval, and sooner after a failure; the shifts of later weeks come with the time, also from a copy.
func TestRefreshing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, feed: new(feed), store: memory.New(time.Now)}
		s.feed.set(calendarOf("DTSTART:19991229T090000Z\nDURATION:P1W\nRRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:alice@example.com", "DTSTART:20000105T090000Z\nDURATION:P1W\nRRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:bob@example.com"), nil)
		s.start(configured(t, strings.Replace(fromURL, "}]", ", refresh: 1h}]", 1)))
		s.pass(24*time.Hour + time.Second)
		require.Equal(t, 25, s.feed.count())
		s.feed.set("", errors.New("away"))
		s.pass(77 * 24 * time.Hour)
		require.Equal(t, "bob@example.com", s.onDuty(), "eleven weeks later, from the copy")
		s.stop()
	})
}

// Fetching is bounded, follows no redirect, and its errors never have the address.
func TestFetch(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter, r *http.Request){
		"/ok": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(calendarOf(newYear + "SUMMARY:alice@example.com")))
		},
		"/redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/ok?s3cr3t", http.StatusFound)
		},
		"/gone": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no "+r.URL.String(), http.StatusNotFound) },
		"/away": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no "+r.URL.String(), http.StatusBadGateway)
		},
		"/large": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), MaxBytes+10)) },
		"/page": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("<html>" + r.URL.String()))
		},
		"/cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("BEGIN:VCALENDAR\r\n"))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	defer server.Close()
	get := func(address string) ([]byte, error) {
		cfg := configured(t, "    calendar: [{url: \""+address+"\"}]")
		return Fetcher{}.Fetch(t.Context(), cfg.Duty[0].Calendars[0], "duty[0].calendar[0]")
	}
	reduced, err := get(server.URL + "/ok?s3cr3t")
	require.NoError(t, err)
	require.Contains(t, string(reduced), "alice@example.com")
	for path, want := range map[string]string{
		"/redirect": "redirects (302)", "/gone": "answered 404: the address isn't valid any more", "/away": "answered 502", "/large": "longer than 4 MiB", "/page": "no iCalendar file", "/cut": "broke off",
	} {
		_, err := get(server.URL + path + "?s3cr3t")
		require.ErrorContains(t, err, want, path)
		require.NotContains(t, err.Error(), "s3cr3t", path)
	}
	server.Close()
	_, err = get(server.URL + "/ok?s3cr3t")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cr3t")

	file := filepath.Join(t.TempDir(), "duty.ics")
	cfg := configured(t, "    calendar: [{file: "+file+"}]")
	_, err = Fetcher{}.Fetch(t.Context(), cfg.Duty[0].Calendars[0], "")
	require.ErrorContains(t, err, "duty.ics: no such file")
	require.NoError(t, os.WriteFile(file, []byte(calendarOf(newYear)), 0o600))
	_, err = Fetcher{}.Fetch(t.Context(), cfg.Duty[0].Calendars[0], "")
	require.NoError(t, err)
}

// A calendar whose server doesn't answer keeps no other from being read.
func TestASlowCalendarDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, feed: new(feed), store: memory.New(time.Now)}
		s.feed.set(calendarOf(newYear+"SUMMARY:alice@example.com"), nil)
		fetch := func(ctx context.Context, c config.Calendar, key string) ([]byte, error) {
			if strings.Contains(c.URL, "slow") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return s.feed.fetch(ctx, c, key)
		}
		cfg := configured(t, `    calendar: [{url: "https://calendar.example.com/slow"}]
  - name: night
    calendar: [{url: "https://calendar.example.com/night"}]`)
		book := NewBook(t.Context(), Options{Config: cfg, Store: s.store, Fetch: fetch, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- book.Run(ctx) }()
		synctest.Wait()
		emails, gap := book.Call("night", "primary", time.Now())
		require.Equal(t, []string{"alice@example.com"}, emails, gap)
		cancel()
		require.NoError(t, <-ended)
	})
}
