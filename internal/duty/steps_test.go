package duty

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store/memory"
)

// What a recurrence costs is what has to be searched, not what is found.
func TestStepsOfARecurrence(t *testing.T) {
	start := time.Date(1970, 1, 1, 8, 0, 0, 0, time.UTC)
	from := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	until := from.Add(63 * 24 * time.Hour)
	for rule, want := range map[string]struct{ found, least, most int }{
		"FREQ=DAILY":                                       {63, 63 * perOccurrence, 70 * (perOccurrence + 1)},
		"FREQ=DAILY;COUNT=99999":                           {63, 63 * perOccurrence, 70 * (perOccurrence + 1)},
		"FREQ=DAILY;COUNT=20000":                           {0, 0, 0},
		"FREQ=DAILY;COUNT=20789":                           {3, 3 * perOccurrence, 10 * perOccurrence},
		"FREQ=WEEKLY;COUNT=999999":                         {9, 9 * perOccurrence, 12*perOccurrence + 80},
		"FREQ=DAILY;COUNT=99999;BYMONTH=1;BYMONTHDAY=15":   {1, 20_000, 30_000},
		"FREQ=DAILY;BYMONTH=1;BYMONTHDAY=15":               {1, 60, 200},
		"FREQ=MONTHLY;BYMONTHDAY=1":                        {2, 20_000, 40_000},
		"FREQ=HOURLY;COUNT=999999;BYMONTH=1;BYMONTHDAY=15": {24, 490_000, 530_000},
		"FREQ=DAILY;COUNT=5;BYDAY=MO":                      {0, 0, 5*perOccurrence + 40},
	} {
		steps := maxSteps
		starts, err := recurring(rule, start, from, until, &steps)
		require.NoError(t, err, rule)
		require.Len(t, starts, want.found, rule)
		require.GreaterOrEqual(t, maxSteps-steps, want.least, rule)
		require.LessOrEqual(t, maxSteps-steps, want.most, rule)
	}
	spent := 0
	_, err := recurring("FREQ=DAILY", start, from, until, &spent)
	require.ErrorIs(t, err, errTooOften)
}

// A thousand events that have to be searched from 1970 are refused after some.
func TestExpensiveRecurrencesAreRefused(t *testing.T) {
	cfg := configured(t, fromURL)
	event := "DTSTART:19700101T000000Z\nDTEND:19700101T010000Z\nSUMMARY:alice@example.com\nRRULE:FREQ=DAILY;COUNT=99999;BYMONTH=1;BYMONTHDAY=31\n"
	reduced, err := Reduce([]byte(calendarOf(strings.Split(strings.TrimSuffix(strings.Repeat(event+"|", 1000), "|"), "|")...)))
	require.NoError(t, err)
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	content, err := Parse(reduced, ReadingOf(cfg, cfg.Duty[0], cfg.Duty[0].Calendars[0]), now.Add(-behind), now.Add(ahead))
	require.NoError(t, err)
	require.Equal(t, 1000, content.Events)
	require.Greater(t, content.Unreadable, 850)
	require.Contains(t, content.Faults[0].String(), "recurs too often")
}

// Who asks who is on duty doesn't wait while a calendar is read.
func TestCallWaitsForNothing(t *testing.T) {
	cfg := configured(t, fromURL)
	s := &shelf{t: t, feed: new(feed), store: memory.New(time.Now)}
	start := time.Now().UTC().Add(-time.Hour).Format("20060102T150405Z")
	s.feed.set(calendarOf("DTSTART:"+start+"\nDURATION:P10D\nSUMMARY:alice@example.com"), nil)
	book := NewBook(t.Context(), Options{Config: cfg, Store: s.store, Fetch: s.feed.fetch, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	s.book = book
	c := book.all()[0]
	parsed := 0
	c.reading.Allowed = func(string) bool {
		parsed++
		require.True(t, book.mu.TryLock(), "a calendar is parsed outside of the lock")
		book.mu.Unlock()
		return true
	}
	book.refresh(t.Context(), c)
	require.Equal(t, 1, parsed)
	book.mu.Lock()
	defer book.mu.Unlock()
	require.Equal(t, "alice@example.com", s.onDuty())
	_, calendars, ok := book.Of("network")
	require.True(t, ok)
	require.False(t, calendars[0].At.IsZero())
}

// During a reload the schedules of both configurations are known: either router may be asked.
func TestSchedulesOfBothConfigurations(t *testing.T) {
	cfg := configured(t, "    rota: [{people: [bob@example.com], start: 1999-01-01}]")
	next := *cfg
	next.Duty = slices.Clone(cfg.Duty)
	next.Duty[0].Name = "servers"
	book := NewBook(t.Context(), Options{Config: cfg, Store: memory.New(time.Now), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	known := func(name string) bool {
		_, _, ok := book.Of(name)
		return ok
	}
	switched := false
	book.Set(&next, func() { switched = known("network") && known("servers") })
	require.True(t, switched)
	require.False(t, known("network"))
	require.True(t, known("servers"))
}
