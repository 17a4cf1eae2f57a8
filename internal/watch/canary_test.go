package watch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// proving runs a Canary over a store, and can be started again. The test plays ledger and delivery.
type proving struct {
	*memory.Store
	t      *testing.T
	full   atomic.Bool // the disk: appends fail
	canary *Canary
	stop   func()
}

func (p *proving) Append(ctx context.Context, e store.Entry) (int64, error) {
	if p.full.Load() {
		return 0, errors.New("the disk is full")
	}
	return p.Store.Append(ctx, e)
}

func (p *proving) start(s CanarySettings) {
	if p.stop != nil {
		p.stop()
	}
	p.canary = NewCanary(CanaryOptions{Settings: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Store: p})
	ctx, stop := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() { _ = p.canary.Run(ctx); close(done) }()
	p.stop = func() { stop(); <-done }
	synctest.Wait()
}

// pending returns the canaries in the journal.
func (p *proving) pending() (entries []store.Entry) {
	p.t.Helper()
	synctest.Wait()
	all, err := p.Store.PendingEntries(p.t.Context(), 1000)
	require.NoError(p.t, err)
	for _, e := range all {
		if e.Kind == store.EntryCanary {
			entries = append(entries, e)
		}
	}
	return entries
}

// fold applies the one canary in the journal, and returns its notice.
func (p *proving) fold() store.Notice {
	p.t.Helper()
	entries := p.pending()
	require.Len(p.t, entries, 1)
	var env store.Envelope
	require.NoError(p.t, json.Unmarshal(entries[0].Payload, &env))
	n := store.Notice{Kind: store.NoticeCanary, Room: env.Room, Dedup: env.EventID}
	require.NoError(p.t, p.Store.CommitFold(p.t.Context(), store.Fold{Applied: []int64{entries[0].ID}, Notices: []store.Notice{n}}))
	notices, err := p.Store.PendingNotices(p.t.Context())
	require.NoError(p.t, err)
	require.Len(p.t, notices, 1)
	return notices[0]
}

// end is delivery's end of a canary.
func (p *proving) end(n store.Notice, failed CanaryStep) {
	p.t.Helper()
	n.State, n.SentVersion = store.NoticeSent, n.Version
	require.NoError(p.t, p.Store.SaveNotice(p.t.Context(), n))
	p.canary.Ended(n.Dedup, failed)
	synctest.Wait()
}

func (p *proving) failures(step CanaryStep) float64 {
	synctest.Wait()
	return testutil.ToFloat64(p.canary.failures.WithLabelValues(string(step)))
}

func inProof(t *testing.T, story func(t *testing.T, p *proving)) {
	synctest.Test(t, func(t *testing.T) {
		p := &proving{t: t, Store: memory.New(nil)}
		p.start(CanarySettings{15 * time.Minute, "noc"})
		story(t, p)
		p.stop()
	})
}

// A canary begins at once and then every interval, also after a restart, in the room of the present settings.
func TestCanaryBeginsEveryInterval(t *testing.T) {
	inProof(t, func(t *testing.T, p *proving) {
		p.end(p.fold(), "")
		time.Sleep(15*time.Minute - time.Second)
		synctest.Wait()
		require.Empty(t, p.pending())
		p.start(CanarySettings{15 * time.Minute, "noc"})
		require.Empty(t, p.pending(), "a restart doesn't begin another one early")
		time.Sleep(time.Second)
		n := p.fold()
		require.Equal(t, "noc", n.Room)
		p.end(n, "")
		time.Sleep(15 * time.Minute)
		n = p.fold()
		p.canary.Set(CanarySettings{15 * time.Minute, "db"})
		require.Empty(t, p.pending(), "one is under way in the other room")
		p.end(n, "")
		n = p.fold()
		require.Equal(t, "db", n.Room, "another room is proved at once")
		p.end(n, "")
		p.canary.Set(CanarySettings{})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Empty(t, p.pending())
		p.canary.Set(CanarySettings{time.Hour, "db"})
		p.end(p.fold(), "")
		for _, step := range canarySteps {
			require.Zero(t, p.failures(step))
		}
	})
}

// One canary is under way: while it waits, no other begins, also after a restart, and each interval counts a failure of the step that it
// is at.
func TestOneCanaryIsUnderWay(t *testing.T) {
	inProof(t, func(t *testing.T, p *proving) {
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, p.pending(), 1)
		require.EqualValues(t, 4, p.failures(CanaryJournal))
		n := p.fold()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, p.pending())
		require.EqualValues(t, 4, p.failures(CanaryPost))
		p.start(CanarySettings{15 * time.Minute, "noc"})
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, p.pending())
		require.EqualValues(t, 5, p.failures(CanaryPost), "one at the start, which is late already")
		n.MessageID, n.SentVersion = "m1", 1
		require.NoError(t, p.Store.SaveNotice(t.Context(), n))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 4, p.failures(CanaryDelete))
		p.end(n, "")
		time.Sleep(15 * time.Minute)
		p.end(p.fold(), CanaryRead)
		require.EqualValues(t, 1, p.failures(CanaryRead))
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		require.Len(t, p.pending(), 1, "after a failure the next one begins")
	})
}

// A canary whose entry was set aside, or couldn't be appended, is a failure of the journal; the next one begins all the same.
func TestCanaryThatDoesNotReachTheRoom(t *testing.T) {
	inProof(t, func(t *testing.T, p *proving) {
		require.NoError(t, p.Store.CommitFold(t.Context(), store.Fold{SetAside: map[int64]string{p.pending()[0].ID: "a test"}}))
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		require.Len(t, p.pending(), 1)
		require.EqualValues(t, 1, p.failures(CanaryJournal))
		p.end(p.fold(), "")
		p.full.Store(true)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		require.Empty(t, p.pending())
		require.EqualValues(t, 2, p.failures(CanaryJournal))
		p.full.Store(false)
		time.Sleep(15 * time.Minute)
		p.end(p.fold(), "")
		require.EqualValues(t, 2, p.failures(CanaryJournal))
	})
}

// A fold that is far behind isn't given another canary.
func TestCanaryWaitsForTheFold(t *testing.T) {
	inProof(t, func(t *testing.T, p *proving) {
		p.end(p.fold(), "")
		for range maxBehind {
			_, err := p.Store.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte("{}"), ReceivedAt: time.Now()})
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, p.pending())
		require.Zero(t, p.failures(CanaryJournal))
	})
}

// The metrics have the last proof, also after a restart, and exist only while the canary is on.
func TestCanaryMetrics(t *testing.T) {
	inProof(t, func(t *testing.T, p *proving) {
		const names = "alert_relay_canary_last_success_timestamp_seconds alert_relay_canary_interval_seconds alert_relay_canary_last_duration_seconds"
		expect := func(want string) {
			t.Helper()
			require.NoError(t, testutil.CollectAndCompare(p.canary, strings.NewReader(want), strings.Fields(names)...))
		}
		require.EqualValues(t, 7, testutil.CollectAndCount(p.canary))
		time.Sleep(3 * time.Second)
		p.end(p.fold(), "")
		proved := `
# HELP alert_relay_canary_interval_seconds How often the chain is proved. Only while canary.interval is set.
# TYPE alert_relay_canary_interval_seconds gauge
alert_relay_canary_interval_seconds{room="noc"} 900
# HELP alert_relay_canary_last_duration_seconds How long the last proof took, from the journal until its message was deleted. Only while canary.interval is set.
# TYPE alert_relay_canary_last_duration_seconds gauge
alert_relay_canary_last_duration_seconds{room="noc"} 3
# HELP alert_relay_canary_last_success_timestamp_seconds When a canary last proved that the chain from the journal to its room works; 0 for never. Only while canary.interval is set.
# TYPE alert_relay_canary_last_success_timestamp_seconds gauge
alert_relay_canary_last_success_timestamp_seconds{room="noc"} 9.46684803e+08
`
		expect(proved)
		p.start(CanarySettings{15 * time.Minute, "noc"})
		expect(proved)
		time.Sleep(15 * time.Minute)
		p.end(p.fold(), CanaryPost)
		expect(proved)
		p.canary.Set(CanarySettings{15 * time.Minute, "db"})
		p.pending()
		expect(strings.NewReplacer(`"noc"`, `"db"`, "seconds{room=\"noc\"} 3", "seconds{room=\"db\"} 0", "9.46684803e+08", "0").Replace(proved))
		p.canary.Set(CanarySettings{})
		expect("")
	})
}
