package history

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/graph"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
)

var now = time.Date(2026, 11, 24, 14, 20, 0, 0, time.UTC)

// fakeZabbix has values of a minute each, and records what it is asked.
type fakeZabbix struct {
	items []zabbix.Item
	since time.Time // it has no values before
	text  string
	err   error
	asked []string
}

func (f *fakeZabbix) ask(what string, i zabbix.Item, from, to time.Time) {
	f.asked = append(f.asked, what+" "+i.ID+" "+to.Sub(from).String())
}

func (f *fakeZabbix) TriggerItems(context.Context, string) ([]zabbix.Item, error) {
	return f.items, f.err
}

func (f *fakeZabbix) History(_ context.Context, i zabbix.Item, from, to time.Time, limit int) (list []zabbix.Value, err error) {
	f.ask("history", i, from, to)
	for at := to.Truncate(time.Minute); !at.Before(from) && !at.Before(f.since) && len(list) < limit; at = at.Add(-time.Minute) {
		list = append(list, zabbix.Value{At: at, Number: float64(at.Minute())})
	}
	return list, f.err
}

func (f *fakeZabbix) Trends(_ context.Context, i zabbix.Item, from, to time.Time, limit int) (list []zabbix.Trend, err error) {
	f.ask("trends", i, from, to)
	for at := from; at.Add(2*time.Hour).Before(to) && len(list) < limit; at = at.Add(time.Hour) {
		list = append(list, zabbix.Trend{At: at, Max: 59, Avg: 29.5})
	}
	return list, f.err
}

func (f *fakeZabbix) Texts(_ context.Context, i zabbix.Item, from, to time.Time, limit int) (list []zabbix.TextValue, err error) {
	f.ask("texts", i, from, to)
	for n := 0; n < limit && f.text != ""; n++ {
		list = append(list, zabbix.TextValue{At: to.Add(-time.Duration(n) * time.Hour), Text: f.text})
	}
	return list, f.err
}

const day = 24 * time.Hour

func item(id string) zabbix.Item {
	return zabbix.Item{ID: id, Name: "Item " + id, Host: "sw1", Type: zabbix.Float, Units: "%", History: 7 * day, Trends: 365 * day, Delay: time.Minute}
}

func request(opened time.Duration) Request {
	return Request{Now: now, Title: "`4711` Link down", Problem: alert.Problem{Key: alert.Key{Source: "main", EventID: "4711"}, Facts: alert.Facts{Name: "Link down", TriggerID: "1"}, OpenedAt: now.Add(-opened)}}
}

func TestWhatIsRead(t *testing.T) {
	with := func(change func(*zabbix.Item)) zabbix.Item {
		i := item("1")
		change(&i)
		return i
	}
	for _, c := range []struct {
		name  string
		item  zabbix.Item
		open  time.Duration
		asked time.Duration
		since time.Duration // values begin that long ago; 0: always
		want  string
	}{
		{"values", item("1"), time.Hour, 0, 0, "history 1 2h0m0s"},
		{"more than two days", item("1"), 2 * day, 0, 0, "trends 1 72h20m0s; history 1 1h20m0s"},
		{"more than two days, asked for", item("1"), time.Hour, 3 * day, 0, "trends 1 72h20m0s; history 1 1h20m0s"},
		{"before the values", with(func(i *zabbix.Item) { i.History = time.Hour }), time.Hour, 0, 0, "trends 1 2h20m0s; history 1 1h20m0s"},
		{"values are kept for an unknown time", with(func(i *zabbix.Item) { i.History = -1 }), time.Hour, 0, 0, "history 1 2h0m0s"},
		{"no values are kept", with(func(i *zabbix.Item) { i.History = 0 }), time.Hour, 0, 0, "trends 1 2h20m0s"},
		{"no trends are kept", with(func(i *zabbix.Item) { i.Trends = 0 }), 2 * day, 0, 0, "history 1 72h0m0s"},
		{"no values are left", item("1"), time.Hour, 0, -1, "history 1 2h0m0s; trends 1 2h20m0s; history 1 1h20m0s"},
		{"too many values", with(func(i *zabbix.Item) { i.Delay = time.Second }), 20 * time.Hour, 0, 0, "trends 1 30h20m0s; history 1 1h20m0s"},
	} {
		f := &fakeZabbix{items: []zabbix.Item{c.item}}
		if c.since != 0 {
			f.since = now.Add(-c.since)
		}
		r := request(c.open)
		r.Asked = c.asked
		_, p, err := collect(t.Context(), f, r)
		require.NoError(t, err)
		require.NotEmpty(t, p.Name, c.name)
		require.Equal(t, c.want, strings.Join(f.asked, "; "), c.name)
	}
	s, err := read(t.Context(), &fakeZabbix{}, with(func(i *zabbix.Item) { i.Delay = 0 }), now.Add(-2*time.Hour), now, Request{Now: now}, 100)
	require.NoError(t, err)
	require.Empty(t, s.Points, "cut values would look as if Zabbix had none before")
	require.NotEmpty(t, s.Buckets)
}

// The hour that Zabbix hasn't summarised yet is made of its values.
func TestTheLastHour(t *testing.T) {
	s, err := read(t.Context(), &fakeZabbix{}, item("1"), now.Add(-3*day), now, Request{Now: now}, 10_000)
	require.NoError(t, err)
	n := len(s.Buckets)
	require.Equal(t, []graph.Bucket{{At: now.Truncate(time.Hour).Add(-time.Hour), Min: 0, Avg: 29.5, Max: 59}, {At: now.Truncate(time.Hour), Min: 0, Avg: 10, Max: 20}}, s.Buckets[n-2:])
}

func TestSeveralItems(t *testing.T) {
	text := item("t")
	text.Type = "4"
	other := item("6")
	other.Host = "sw2"
	f := &fakeZabbix{items: []zabbix.Item{item("1"), text, item("2"), other, item("3"), item("4"), item("5")}, text: "bad \x1b[31m`<@all>`\n" + strings.Repeat("x", 70_000)}
	r := request(time.Hour)
	p, err := Of(t.Context(), f, r)
	require.NoError(t, err)
	require.Equal(t, "graph-4711.png", p.Name)
	picture, err := png.Decode(bytes.NewReader(p.PNG))
	require.NoError(t, err)
	require.Equal(t, 840, picture.Bounds().Dy())
	require.Equal(t, []string{"history 1 2h0m0s", "history 2 2h0m0s", "history 6 2h0m0s", "history 3 2h0m0s", "texts t 722h0m0s"}, f.asked)
	require.Contains(t, p.Words, "12:20 UTC to 14:20 UTC · sw1: Item 1: 20 % · ")
	require.Contains(t, p.Words, "**Item t**\n- 14:20 UTC: `bad [31m'")
	require.NotContains(t, p.Words, "<@all>")
	require.Less(t, len(p.Words), 2500)
}

func TestWithoutNumbers(t *testing.T) {
	text, binary := item("t"), item("b")
	text.Type, binary.Type = "2", "5"
	for want, f := range map[string]*fakeZabbix{
		"ℹ️ There is nothing to draw for `4711` Link down: Zabbix shows the relay's user no item of its trigger.": {items: []zabbix.Item{binary}},
		"ℹ️ There is nothing to draw for `4711` Link down: Zabbix has no values of 12:20 UTC to 14:20 UTC.":       {items: []zabbix.Item{{ID: "1", Type: zabbix.Float, History: day}}, since: now.Add(1)},
		"📄 `4711` Link down, last values:\n\n**Item t**: no values":                                               {items: []zabbix.Item{text}},
		"📄 `4711` Link down, last values:\n\n**Item t**\n- 14:20 UTC: `late`\n- 13:20 UTC":                        {items: []zabbix.Item{text}, text: "late"},
	} {
		p, err := Of(t.Context(), f, request(time.Hour))
		require.NoError(t, err)
		require.Nil(t, p.PNG)
		require.True(t, strings.HasPrefix(p.Words, want), p.Words)
	}
}

func TestErrors(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	away, refused := &zabbix.Error{Kind: zabbix.Unreachable}, &zabbix.Error{Kind: zabbix.RoleForbids}
	for _, err := range []error{away, refused} {
		p, got := Of(t.Context(), &fakeZabbix{err: err}, request(time.Hour))
		require.ErrorIs(t, got, err)
		m.Count(ForCommand, p, got, time.Second)
	}
	m.Count(ForRoute, Picture{PNG: []byte{1}}, nil, time.Second)
	m.Count(ForRoute, Picture{}, nil, time.Second)
	m.Count(ForRoute, Picture{}, errors.New("no space"), time.Second)
	for _, l := range [][2]string{{"command", resultAway}, {"command", resultRefused}, {"route", resultDrawn}, {"route", resultNothing}, {"route", resultFailed}} {
		require.InDelta(t, 1, testutil.ToFloat64(m.graphs.WithLabelValues(l[0], l[1])), 0, l)
	}
}

// Each version's API is asked in its form: the simulator is as strict as it is.
func TestEveryVersion(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		s, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
		require.NoError(t, err)
		server := httptest.NewServer(s)
		c := zabbix.New(zabbix.Options{URL: server.URL, Token: zabbixsim.RelayToken})
		for i, want := range map[int]string{3: "Replication lag: ", 0: "operational status: down \\(2\\)", 5: "Checkout: requests: "} {
			trigger := s.Triggers()[i]
			r := request(0)
			r.Now = time.Now()
			r.Problem.OpenedAt, r.Problem.TriggerID = r.Now, trigger.ID
			s.Raise(trigger)
			_, p, err := collect(t.Context(), c, r)
			require.NoError(t, err, version)
			require.NotEmpty(t, p.Name, version)
			require.Contains(t, p.Words, want, version)
			items, err := c.TriggerItems(t.Context(), trigger.ID)
			require.NoError(t, err)
			require.Len(t, items[0].Thresholds, 1, version)
		}
		trigger := s.Triggers()[6]
		r := request(time.Hour)
		r.Now, r.Problem.TriggerID = time.Now(), trigger.ID
		p, err := Of(t.Context(), c, r)
		require.NoError(t, err, version)
		require.Contains(t, p.Words, "backup finished after", version)
		trends, err := c.Trends(t.Context(), zabbix.Item{ID: s.Triggers()[4].ItemID}, time.Now().Add(-10*day), time.Now(), 1000)
		require.NoError(t, err)
		require.InDelta(t, 240, len(trends), 1, version)
		server.Close()
	}
}

// A long window of several items has its newest hours, too: Zabbix sends trends in no order, and the oldest first in practice.
func TestALongWindowHasItsNewestHours(t *testing.T) {
	f := &fakeZabbix{}
	from := now.Add(-MaxLength)
	series, err := read(t.Context(), f, item("1"), from, now, Request{Now: now, Zone: time.UTC}, 100)
	require.NoError(t, err)
	require.WithinDuration(t, now, series.Buckets[len(series.Buckets)-1].At, 2*time.Hour)
	require.Greater(t, len(series.Buckets), int(MaxLength/time.Hour)-3)
}
