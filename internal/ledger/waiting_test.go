package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// waiting runs a ledger for one room, with six problems that wait there for their first message. pace is how many
// calls a second Webex accepts.
func waiting(t *testing.T, s interface {
	ledger.Store
	store.Journal
}, pace *atomic.Int64, log *slog.Logger) (open func(id int)) {
	l := ledger.New(ledger.Options{
		Store: s, Decode: decode,
		Rules: ledger.Rules{Rooms: toNoc, Grouping: func(string) ledger.Grouping {
			return ledger.Grouping{Threshold: 10, Window: 5 * time.Second, Pace: float64(pace.Load()), Individual: alert.Disaster}
		}},
		Log: log, Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	open = func(id int) {
		_, err := s.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload(fmt.Sprint(id), "1")), ReceivedAt: t0})
		require.NoError(t, err)
		l.Wake()
		synctest.Wait()
	}
	for id := 1; id <= 6; id++ {
		open(id)
	}
	return open
}

func groupOf(t *testing.T, s ledger.Store, id int) int64 {
	key := alert.Key{Source: "main", EventID: fmt.Sprint(id)}
	posts, err := s.PostsOf(t.Context(), []alert.Key{key})
	require.NoError(t, err)
	require.Len(t, posts[key], 1)
	return posts[key][0].Group
}

// Waiting problems share a digest once Webex becomes slow, even without new problems.
func TestWaitingProblemsShareADigestWhenWebexBecomesSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(time.Now)
		var pace atomic.Int64
		pace.Store(5)
		waiting(t, s, &pace, slog.New(slog.DiscardHandler))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Zero(t, groupOf(t, s, 1))
		pace.Store(1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for id := 1; id <= 6; id++ {
			require.NotZero(t, groupOf(t, s, id))
		}
	})
}

// A damaged problem that waits in a room doesn't block the events of other problems, nor keep the others there from sharing
// a message. The log names it once, however long it waits.
func TestDamagedProblemThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &damagedProblem{Store: memory.New(time.Now), key: alert.Key{Source: "main", EventID: "3"}}
		var pace atomic.Int64
		pace.Store(5)
		var log bytes.Buffer
		open := waiting(t, s, &pace, slog.New(slog.NewTextHandler(&log, nil)))
		s.damaged.Store(true)
		for id := 7; id <= 20; id++ {
			open(id)
		}
		aside, err := s.SetAsideEntries(t.Context(), 0)
		require.NoError(t, err)
		require.Empty(t, aside)
		for id := 1; id <= 20; id++ {
			require.Equal(t, id != 3, groupOf(t, s, id) != 0, "problem %d", id)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "it shares no message"), log.String())
		require.Contains(t, log.String(), "key=main/3")
	})
}

// damagedProblem is a store that can't read a problem once it is damaged.
type damagedProblem struct {
	*memory.Store
	key     alert.Key
	damaged atomic.Bool
}

func (d *damagedProblem) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	if d.damaged.Load() && slices.Contains(keys, d.key) {
		found, _ := d.Store.Problems(ctx, keys)
		delete(found, d.key)
		return found, fmt.Errorf("%w: problem %s, one of %d, can't be read", store.ErrRejected, d.key, len(keys))
	}
	return d.Store.Problems(ctx, keys)
}
