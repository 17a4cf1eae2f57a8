package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Appends a second by concurrent callers, each of which waits until its entry is on disk. The relay's media type
// sends about 2,000 bytes.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, err := Open(b.Context(), Options{Path: filepath.Join(b.TempDir(), "relay.db")})
			require.NoError(b, err)
			defer s.Close()
			e := store.Entry{Source: "main", Kind: store.EntryEvent, Payload: bytes.Repeat([]byte("x"), 2000), ReceivedAt: time.Now()}
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := s.Append(context.Background(), e); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// The cost of a new problem with one post in a fold, by batch size.
func BenchmarkCommitFold(b *testing.B) {
	for _, size := range []int{32, 128, 512} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s, err := Open(b.Context(), Options{Path: filepath.Join(b.TempDir(), "relay.db")})
			require.NoError(b, err)
			defer s.Close()
			now := time.Now()
			b.ReportAllocs()
			for at := 0; at < b.N; at += size {
				b.StopTimer()
				var f store.Fold
				for i := range size {
					p := alert.Problem{
						Key: alert.Key{Source: "main", EventID: fmt.Sprint(1_000_000_000 + at + i)}, State: alert.StateOpen, Revision: 1, OpenedAt: now,
						Facts: alert.Facts{Name: "High CPU utilization", Hosts: []alert.Host{{ID: "20100", Host: "sw-storm-00100", Name: "sw-storm-00100", IP: "10.64.0.101"}},
							Macros: map[string]string{"trigger.expression": strings.Repeat("x", 700)}},
					}
					f.Problems = append(f.Problems, p)
					f.Posts = append(f.Posts, store.Post{Key: p.Key, Room: "noc", Route: "all", Desired: 1, Open: true, OpenedAt: now, JoinedAt: now, PendingSince: now})
				}
				b.StartTimer()
				if err := s.CommitFold(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
