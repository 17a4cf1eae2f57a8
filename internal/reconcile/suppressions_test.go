package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

func heldAs(states map[string]bool) (held []store.Suppression) {
	for id, suppressed := range states {
		held = append(held, store.Suppression{Key: alert.Key{Source: "main", EventID: id}, Suppressed: suppressed})
	}
	return held
}

// Only problems that differ are read, and one that keeps differing with a growing backoff.
func TestDiffering(t *testing.T) {
	now := time.Unix(0, 0)
	key := func(id string) alert.Key { return alert.Key{Source: "main", EventID: id} }
	for name, c := range map[string]struct {
		held       map[string]bool
		suppressed []string
		before     map[string]difference
		ask        []string
		after      map[string]difference
	}{
		"nothing is stored":              {nil, []string{"1"}, nil, nil, nil},
		"nothing is suppressed":          {map[string]bool{"1": false}, nil, nil, nil, nil},
		"as stored":                      {map[string]bool{"1": true, "2": false}, []string{"1"}, nil, nil, nil},
		"not stored here":                {map[string]bool{"1": true}, []string{"1", "9"}, nil, nil, nil},
		"a maintenance began":            {map[string]bool{"1": false}, []string{"1"}, nil, []string{"1"}, map[string]difference{"1": {true, 1, now.Add(time.Minute)}}},
		"it ended early":                 {map[string]bool{"1": true}, nil, nil, []string{"1"}, map[string]difference{"1": {false, 1, now.Add(time.Minute)}}},
		"asked just now":                 {map[string]bool{"1": false}, []string{"1"}, map[string]difference{"1": {true, 1, now.Add(1)}}, nil, map[string]difference{"1": {true, 1, now.Add(1)}}},
		"asked a while ago":              {map[string]bool{"1": false}, []string{"1"}, map[string]difference{"1": {true, 1, now}}, []string{"1"}, map[string]difference{"1": {true, 2, now.Add(2 * time.Minute)}}},
		"asked for a day":                {map[string]bool{"1": false}, []string{"1"}, map[string]difference{"1": {true, 30, now}}, []string{"1"}, map[string]difference{"1": {true, 31, now.Add(time.Hour)}}},
		"asked, and now as stored":       {map[string]bool{"1": true}, []string{"1"}, map[string]difference{"1": {true, 3, now.Add(time.Hour)}}, nil, nil},
		"asked, and now the reverse":     {map[string]bool{"1": true}, nil, map[string]difference{"1": {true, 3, now.Add(time.Hour)}}, []string{"1"}, map[string]difference{"1": {false, 1, now.Add(time.Minute)}}},
		"asked, and now resolved":        {nil, []string{"1"}, map[string]difference{"1": {true, 3, now}}, nil, nil},
		"one was asked, the other not":   {map[string]bool{"1": false, "2": false}, []string{"1", "2"}, map[string]difference{"1": {true, 1, now.Add(1)}}, []string{"2"}, map[string]difference{"1": {true, 1, now.Add(1)}, "2": {true, 1, now.Add(time.Minute)}}},
		"an id is compared as it stands": {map[string]bool{"1": false}, []string{"01", "11"}, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, suppressed := map[alert.Key]difference{}, map[alert.Key]difference{}, map[string]bool{}
			for id, d := range c.before {
				before[key(id)] = d
			}
			for id, d := range c.after {
				after[key(id)] = d
			}
			for _, id := range c.suppressed {
				suppressed[id] = true
			}
			ask, got := differing(heldAs(c.held), suppressed, before, now)
			var ids []string
			for _, k := range ask {
				ids = append(ids, k.EventID)
			}
			require.Equal(t, c.ask, ids)
			require.Equal(t, after, got)
		})
	}
}

// compared is a simulated Zabbix, an Inquirer, a Suppressions, and a store with the journal.
type compared struct {
	*fake
	z   *zabbixsim.Server
	log *counting
	ids []string
	// deaf: the store ignores the journal.
	deaf bool
	err  error // of the store
}

// held folds the suppressions in the journal.
func (c *compared) held(context.Context, string, time.Time) ([]store.Suppression, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	states := map[string]bool{}
	for _, id := range c.ids {
		states[id] = false
	}
	for _, entry := range c.entries {
		var e store.Envelope
		if err := json.Unmarshal(entry.Payload, &e); err != nil {
			return nil, err
		}
		states[e.EventID] = e.Observation.Suppressed && !c.deaf
	}
	return heldAs(states), c.err
}

func compare(t *testing.T, version string, interval time.Duration, problems int) *compared {
	z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
	require.NoError(t, err)
	c := &compared{fake: &fake{}, z: z, log: &counting{}}
	for range problems {
		c.ids = append(c.ids, strconv.FormatInt(z.Raise(z.Triggers()[0]), 10))
	}
	transport, hangUp := memnet.Serve("zabbix.test:80", z)
	t.Cleanup(hangUp)
	client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport, Log: slog.New(c.log)})
	q := NewInquirer(Options{Sources: map[string]Observer{"main": client}, Journal: c, Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics(prometheus.NewRegistry(), []string{"main"})})
	s := NewSuppressions(SuppressionOptions{Sources: map[string]Suppressor{"main": client}, Interval: interval, Held: c.held, Ask: q.AskAll, Log: slog.New(c.log)})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	for _, run := range []func(context.Context) error{q.Run, s.Run} {
		go func() { _ = run(ctx); done <- struct{}{} }()
	}
	t.Cleanup(func() { stop(); <-done; <-done })
	return c
}

func (c *compared) maintain(t *testing.T, id string, d time.Duration) {
	n, err := strconv.ParseInt(id, 10, 64)
	require.NoError(t, err)
	require.NoError(t, c.z.Maintain(n, d))
}

// said returns the journalled suppressions, in order.
func (c *compared) said(t *testing.T) (said []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, entry := range c.entries {
		var e store.Envelope
		require.NoError(t, json.Unmarshal(entry.Payload, &e))
		said = append(said, fmt.Sprintf("%s %v", e.EventID, e.Observation.Suppressed))
	}
	return said
}

// A maintenance that begins over an open problem, and its early end, are noticed within an interval without a
// message. A problem that doesn't differ isn't read.
func TestSuppressionsAreFound(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := compare(t, version, time.Minute, 3)
				time.Sleep(10*time.Minute + time.Second)
				synctest.Wait()
				require.Equal(t, 10, c.z.Calls()["problem.get"])
				require.Zero(t, c.z.Calls()["event.get"])

				c.maintain(t, c.ids[1], 10*time.Hour)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, []string{c.ids[1] + " true"}, c.said(t))
				time.Sleep(time.Hour)
				c.maintain(t, c.ids[1], 0)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, []string{c.ids[1] + " true", c.ids[1] + " false"}, c.said(t))
				c.maintain(t, c.ids[1], 10*time.Hour)
				c.maintain(t, c.ids[2], 10*time.Hour)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.ElementsMatch(t, []string{c.ids[1] + " true", c.ids[2] + " true"}, c.said(t)[2:])
				require.Equal(t, 3, c.z.Calls()["event.get"], "both in one call")
				require.Zero(t, c.log.warnings)
			})
		})
	}
}

// Whatever Zabbix answers instead of the list, nothing changes, the log has one line, and differences are found once
// the list is back.
func TestSuppressionsOfFailingZabbix(t *testing.T) {
	for _, c := range []struct {
		breaks   string
		warnings int
		asks     bool // about the suppressed problem
	}{
		{"page-500", 1, false}, {"page-429", 1, false}, {"page-401", 1, false}, {"login-page", 1, false}, {"lost-cut", 1, false}, {"empty", 1, false},
		{"wrong-type", 1, false}, {"null-result", 1, false}, {"other-json", 1, false}, {"database-away", 1, false}, {"refuse-unknown", 1, false},
		{"forbid:problem.get", 1, false}, {"show-nothing", 0, true},
	} {
		t.Run(c.breaks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := compare(t, "7.0.22", 10*time.Second, 2)
				w.maintain(t, w.ids[0], 100*time.Hour)
				time.Sleep(15 * time.Second)
				synctest.Wait()
				require.Equal(t, []string{w.ids[0] + " true"}, w.said(t))
				asked := w.z.Calls()["event.get"]

				if !c.asks {
					require.NoError(t, w.z.Break("only:problem.get"))
				}
				require.NoError(t, w.z.Break(c.breaks))
				w.maintain(t, w.ids[1], 100*time.Hour)
				time.Sleep(30 * time.Minute)
				synctest.Wait()
				require.Equal(t, []string{w.ids[0] + " true"}, w.said(t))
				if c.asks {
					require.LessOrEqual(t, w.z.Calls()["event.get"]-asked, 5, "the backoff grows")
				} else {
					require.Equal(t, asked, w.z.Calls()["event.get"])
					require.Less(t, w.z.Calls()["problem.get"], 42, "it isn't flooded with calls")
				}
				require.Equal(t, c.warnings, w.log.warnings)

				w.z.Mend()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.Equal(t, []string{w.ids[0] + " true", w.ids[1] + " true"}, w.said(t))
				require.Equal(t, c.warnings, w.log.warnings)
			})
		})
	}
}

// A failing store is retried, and a problem that always differs is eventually read once an hour.
func TestSuppressionsThatNeverAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := compare(t, "7.0.22", time.Minute, 1)
		c.mu.Lock()
		c.deaf, c.err = true, errors.New("disk full")
		c.mu.Unlock()
		c.maintain(t, c.ids[0], 100*time.Hour)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, c.said(t))
		require.Equal(t, 1, c.log.warnings)
		c.mu.Lock()
		c.err = nil
		c.mu.Unlock()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.InDelta(t, 29, len(c.said(t)), 1)
		require.False(t, slices.Contains(c.said(t), c.ids[0]+" false"))
	})
}

// Without any source Run waits for ctx.
func TestSuppressionsWithoutSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := false
		go func() { _ = NewSuppressions(SuppressionOptions{}).Run(ctx); ended = true }()
		synctest.Wait()
		require.False(t, ended)
		stop()
		synctest.Wait()
		require.True(t, ended)
	})
}
