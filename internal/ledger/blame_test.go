package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
)

// Whatever else becomes pending at that moment, the entry that the store rejected is the one set aside.
func TestTheRejectedEntryIsSetAside(t *testing.T) {
	for name, c := range map[string]struct {
		older    int  // entries set aside before that are retried at that moment
		newer    int  // entries that arrive at that moment
		damaged  bool // the problem can't be read; else the commit is rejected
		behind   int  // good entries before it
		together bool // the good entries arrive together with it
	}{
		"an older one is retried":                   {older: 1},
		"several older ones are retried":            {older: 5},
		"its problem is damaged":                    {older: 2, damaged: true},
		"newer ones arrive":                         {newer: 3},
		"older and newer ones":                      {older: 2, newer: 2},
		"found by halving, an older one is retried": {older: 1, behind: 7, together: true},
		"found by halving, its problem is damaged":  {older: 3, behind: 40, together: true, damaged: true},
		"after good ones, an older one is retried":  {older: 1, behind: 3},
		"alone": {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var aside []int64
			for range c.older {
				aside = append(aside, b.append("no JSON"))
			}
			b.run()
			require.EqualValues(t, c.older, b.stats().SetAside)

			bad := alert.Key{Source: "main", EventID: "666"}
			done := false
			meanwhile := func() { // once, when the entry fails
				if done {
					return
				}
				done = true
				for _, id := range aside {
					require.NoError(t, b.store.RetryEntry(t.Context(), id))
				}
				for i := range c.newer {
					b.append(payload(fmt.Sprint(9000+i), "1"))
				}
			}
			o := ledger.Options{Store: b.store, Rules: ledger.Rules{Rooms: nowhere},
				Log: slog.New(slog.DiscardHandler), Metrics: b.metrics,
				Decode: func(e store.Entry) (ledger.Decoded, error) {
					if string(e.Payload) == "no JSON" { // the relay was fixed
						e.Payload = []byte(payload(fmt.Sprint(100+e.ID), "1"))
					}
					return decode(e)
				}}
			if c.damaged {
				o.Store = &rejecting{b.store, bad, meanwhile}
			} else {
				b.store.fail = func(f store.Fold) (before, after error) {
					for _, p := range f.Problems {
						if p.Key == bad {
							if len(f.Problems) == 1 {
								meanwhile()
							}
							return fmt.Errorf("%w: too big", store.ErrRejected), nil
						}
					}
					return nil, nil
				}
			}
			b.ledger = ledger.New(o)
			good := 0
			for i := range c.behind {
				b.append(payload(fmt.Sprint(i+1), "1"))
				good++
			}
			if !c.together {
				b.run()
			}
			failed := b.append(payload(bad.EventID, "1"))
			b.run()
			b.run() // what became pending meanwhile
			entries, err := b.store.SetAsideEntries(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, entries, 1)
			require.Equal(t, failed, entries[0].ID)
			require.Zero(t, b.stats().JournalPending)
			require.EqualValues(t, good+c.older+c.newer, b.stats().OpenProblems[alert.High])
		})
	}
}

// rejecting is a store that can't read one problem.
type rejecting struct {
	*faulty
	key  alert.Key
	then func()
}

func (r *rejecting) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	for _, k := range keys {
		if k == r.key {
			if len(keys) == 1 {
				r.then()
			}
			return nil, fmt.Errorf("%w: problem %s can't be read", store.ErrRejected, k)
		}
	}
	return r.faulty.Problems(ctx, keys)
}
