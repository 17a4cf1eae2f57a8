package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func openHere(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "relay.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// random is an incompressible payload.
func random(t *testing.T, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func entry(payload string) store.Entry {
	return store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload), ReceivedAt: time.Unix(1, 0)}
}

// requireWaiting fails unless n appends are waiting once nothing moves any more. It needs a synctest bubble.
func (q *intake) requireWaiting(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	require.Len(t, q.waiting, n)
}

// Appends that wait for a commit share the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openHere(t)
		require.NoError(t, s.writer.lock(t.Context()))
		var wg sync.WaitGroup
		ids := make([]int64, 100)
		for i := range ids {
			wg.Go(func() {
				id, err := s.Append(context.Background(), entry(fmt.Sprint(i)))
				if err != nil {
					t.Error(err)
				}
				ids[i] = id
			})
		}
		s.intake.requireWaiting(t, len(ids))
		before := commits(t, s)
		s.writer.unlock()
		wg.Wait()
		require.Equal(t, before+1, commits(t, s), "one transaction for all")
		seen := map[int64]bool{}
		for _, id := range ids {
			require.False(t, seen[id])
			seen[id] = true
		}
	})
}

// commits counts the transactions in the log: the last frame of each has the database's length
// (https://www.sqlite.org/fileformat2.html#walformat).
func commits(t testing.TB, s *Store) (n int) {
	t.Helper()
	const header, frame = 32, 24 + 4096
	log, err := os.ReadFile(s.path + "-wal")
	require.NoError(t, err)
	for at := header; at+frame <= len(log); at += frame {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// Beyond the limit of waiting appends Append returns ErrBusy at once; those that wait are written.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openHere(t)
		require.NoError(t, s.writer.lock(t.Context()))
		var wg sync.WaitGroup
		for range maxWaiting {
			wg.Go(func() {
				if _, err := s.Append(context.Background(), entry("x")); err != nil {
					t.Error(err)
				}
			})
		}
		s.intake.requireWaiting(t, maxWaiting)
		_, err := s.Append(t.Context(), entry("one too many"))
		require.ErrorIs(t, err, store.ErrBusy)
		s.writer.unlock()
		wg.Wait()
		_, err = s.Append(t.Context(), entry("welcome again"))
		require.NoError(t, err)
		st, err := s.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, maxWaiting+1, st.JournalPending)
	})
}

// Waiting appends are bounded in bytes, too. A single entry is never too large.
func TestBusyByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openHere(t)
		require.NoError(t, s.writer.lock(t.Context()))
		large := entry("")
		large.Payload = bytes.Repeat([]byte("x"), maxWaitingBytes/2+1)
		done := make(chan error, 1)
		go func() {
			_, err := s.Append(context.Background(), large)
			done <- err
		}()
		s.intake.requireWaiting(t, 1)
		_, err := s.Append(t.Context(), large)
		require.ErrorIs(t, err, store.ErrBusy)
		s.writer.unlock()
		require.NoError(t, <-done)
	})
}

// A caller that gives up while waiting writes nothing and delays nobody.
func TestACallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openHere(t)
		require.NoError(t, s.writer.lock(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := s.Append(ctx, entry("given up"))
			gone <- err
		}()
		s.intake.requireWaiting(t, 1)
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		go func() {
			_, err := s.Append(context.Background(), entry("kept"))
			stays <- err
		}()
		s.intake.requireWaiting(t, 1)
		s.writer.unlock()
		require.NoError(t, <-stays)
		entries, err := s.Entries(t.Context(), 0, 0)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, "kept", string(entries[0].Payload))
	})
}

// Close writes the waiting appends before it closes.
func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openHere(t)
		require.NoError(t, s.writer.lock(t.Context()))
		appended, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := s.Append(context.Background(), entry("x"))
			appended <- err
		}()
		s.intake.requireWaiting(t, 1)
		go func() { closed <- s.Close() }()
		s.writer.unlock()
		require.NoError(t, <-appended)
		require.NoError(t, <-closed)
	})
}

// On a full disk writes fail and leave nothing behind. Once there is space, writing works again.
func TestFullDisk(t *testing.T) {
	s := openHere(t)
	_, err := s.Append(t.Context(), entry("before"))
	require.NoError(t, err)
	limit := func(pages int) {
		require.NoError(t, s.writer.lock(t.Context()))
		defer s.writer.unlock()
		_, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	limit(1) // SQLite rounds it up to the present size
	big := strings.Repeat("x", 100_000)
	_, err = s.Append(t.Context(), entry(string(random(t, 100_000))))
	require.ErrorContains(t, err, "full")
	require.ErrorContains(t, err, s.path)
	require.NotErrorIs(t, err, store.ErrRejected)
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen, Facts: alert.Facts{Name: big}}
	err = s.CommitFold(t.Context(), store.Fold{Applied: []int64{1}, Problems: []alert.Problem{p}})
	require.ErrorContains(t, err, "full")
	require.NotErrorIs(t, err, store.ErrRejected, "no entry is to blame for it")
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, st.JournalPending)

	limit(1 << 30)
	id, err := s.Append(t.Context(), entry("after"))
	require.NoError(t, err)
	require.EqualValues(t, 2, id, "the failed one used no id")
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{1, 2}, Problems: []alert.Problem{p}}))
}

// A relay refuses a store that a newer version has migrated, and leaves it unchanged.
func TestNewerSchema(t *testing.T) {
	s := openHere(t)
	require.NoError(t, s.writer.lock(t.Context()))
	_, err := s.writer.conn.ExecContext(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)")
	require.NoError(t, err)
	s.writer.unlock()
	path := s.path
	require.NoError(t, s.Close())
	_, err = Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, "newer relay")
	require.ErrorContains(t, err, path)
}

// Pruning removes few rows in each transaction.
func TestPruneInPieces(t *testing.T) {
	s := openHere(t)
	var f store.Fold
	for i := range 100 {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: fmt.Sprint(i + 1)}, State: alert.StateResolved}
		f.Problems = append(f.Problems, p)
		f.Posts = append(f.Posts, store.Post{Key: p.Key, Room: "noc"})
	}
	require.NoError(t, s.CommitFold(t.Context(), f))
	before, later := commits(t, s), time.Now().Add(time.Hour)
	n, err := s.Prune(t.Context(), later, later, later, 90)
	require.NoError(t, err)
	require.Equal(t, 180, n, "the bound of problems for one transaction, with their posts")
	require.Equal(t, before+3, commits(t, s))
	n, err = s.Prune(t.Context(), later, later, later, 0)
	require.NoError(t, err)
	require.Equal(t, 20, n)
}

// Prunable problems are found before the transaction; one that is needed by then stays.
func TestPruneChecksAgain(t *testing.T) {
	needed := map[string]func(t *testing.T, s *Store, key alert.Key){
		"nothing happened": nil,
		"it is open again": func(t *testing.T, s *Store, key alert.Key) {
			require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{{Key: key, State: alert.StateOpen}}}))
		},
		"it was written just now": func(t *testing.T, s *Store, key alert.Key) {
			s.clock = func() time.Time { return time.Now().Add(time.Hour) }
			require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{{Key: key, State: alert.StateResolved}}}))
		},
		"its room is behind": func(t *testing.T, s *Store, key alert.Key) {
			require.NoError(t, s.CommitFold(t.Context(), store.Fold{Posts: []store.Post{{Key: key, Room: "noc", Desired: 2, PendingSince: time.Now()}}}))
		},
		"its post is a dead letter": func(t *testing.T, s *Store, key alert.Key) {
			require.NoError(t, s.CommitFold(t.Context(), store.Fold{Posts: []store.Post{{Key: key, Room: "noc", Desired: 2, PendingSince: time.Now()}}}))
			_, err := s.ClaimPost(t.Context(), key, "noc")
			require.NoError(t, err)
			require.NoError(t, s.SavePost(t.Context(), key, "noc", store.Cursor{State: store.PostDead, DeadAt: time.Now()}))
		},
		"it was removed": func(t *testing.T, s *Store, _ alert.Key) {
			later := time.Now().Add(time.Minute)
			_, err := s.Prune(t.Context(), later, later, later, 0)
			require.NoError(t, err)
		},
	}
	for name, happens := range needed {
		t.Run(name, func(t *testing.T) {
			s := openHere(t)
			key, before := alert.Key{Source: "main", EventID: "1"}, micro(time.Now().Add(time.Minute))
			require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{{Key: key, State: alert.StateResolved}}, Posts: []store.Post{{Key: key, Room: "noc"}}}))
			ids, err := query(t.Context(), s, "search", scanID, prunableProblems, before, 10)
			require.NoError(t, err)
			require.Len(t, ids, 1)
			if happens != nil {
				happens(t, s, key)
			}
			var removed int
			require.NoError(t, s.write(t.Context(), "prune", func(t *tx) (err error) {
				_, removed, err = t.pruneProblems(ids, before)
				return err
			}))
			if happens == nil {
				require.Equal(t, 2, removed, "the problem and its post")
			} else {
				require.Zero(t, removed)
			}
		})
	}
}

// The cost of frequent statements doesn't grow with the store: none scans a table, only partial indexes of the wanted
// rows.
func TestPlans(t *testing.T) {
	s := openHere(t)
	small := []string{"json_each", "CONSTANT ROW", "k", "r", "(subquery", "INDEX journal_pending", "INDEX journal_set_aside", // lists
		"INDEX group_cursors_dead", "INDEX group_cursors_list_dead", "w", "pending_groups", "q", "pending", "o",
		"INDEX posts_waiting", "INDEX cursors_dead", "INDEX notices_pending", "INDEX notices_dead", "INDEX commands_unfinished", "INDEX problems_open", "INDEX reminders_due"} // read from an end, up to a limit
	roomed, _ := conditions(store.Filter{Rooms: []string{"noc"}, NotBy: "subscription"})
	for name, text := range map[string]string{
		"pending entries": pendingEntries, "set aside": setAsideEntries, "put problem": putProblem, "mark applied": markApplied, "problems by key": problemsByKey, "posts by key": postsByKey, "pending posts": pendingPosts,
		"by message":          messageByID,
		"a post's messages":   `DELETE FROM messages WHERE event_id <> '' AND event_id = ? AND source = ? AND room = ?`, // as the triggers have them
		"a group's messages":  `DELETE FROM messages WHERE grp > 0 AND grp = ?`,
		"a notice's messages": `DELETE FROM messages WHERE notice > 0 AND notice = ?`,
		"pending notices":     pendingNotices, "unfinished commands": unfinishedCommands,
		"dead letters": deadLetters, "counts": counts, "counts by room": byRoom, "open problems": openProblems,
		"pending groups": pendingGroups, "group's posts": groupPosts, "members": members, "group's leavers": groupLeavers,
		"fresh posts": freshPosts, "room counts": roomCounts, "newest storm": newestStorm, "newest flaps": newestFlaps, "groups by id": groupsByID,
		"openings": openings, "claimed post": claimedPost, "not pending": notPending, "all pending": allPending,
		"due posts":      duePosts,
		"next reminders": nextReminders, "ended problems": endedProblems(" WHERE 1"), "a report": endedProblems(roomed), "reminder by message": reminderByMessage,
		"is prunable":    isPrunable,
		"to ask about":   unobservedProblems,
		"ended unread":   unreadEnds,
		"worst problems": `SELECT p.doc FROM problems p WHERE p.open = 1 ORDER BY p.severity DESC, p.opened_at DESC, p.id DESC LIMIT ?`,
	} {
		rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?")-strings.Count(text, "?1")+min(1, strings.Count(text, "?1")))...)
		require.NoError(t, err, name)
		steps, err := collect(rows, func(rows *sql.Rows) (step string, err error) {
			var n int
			return step, rows.Scan(&n, &n, &n, &step)
		})
		require.NoError(t, err, name)
		for _, step := range steps {
			if what, ok := strings.CutPrefix(step, "SCAN "); ok {
				fine := false
				for _, table := range small {
					fine = fine || what == table || strings.HasPrefix(what, table+" ") || strings.Contains(what, table) && strings.HasPrefix(table, "INDEX") || strings.HasPrefix(what, table) && strings.HasPrefix(table, "(")
				}
				require.True(t, fine, "%s: %s\n%s", name, step, strings.Join(steps, "\n"))
			}
		}
	}
}
