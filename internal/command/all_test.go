package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func (w *world) DigestByMessage(_ context.Context, id string) (store.Digest, error) {
	if id != "DIGEST" {
		return store.Digest{}, store.ErrNotFound
	}
	return store.Digest{ID: 12, Room: "noc", State: store.PostLive, MessageID: id}, nil
}

func (w *world) DigestPosts(_ context.Context, id int64, _ bool) (out []store.Post, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.posts {
		if p.Digest == id {
			out = append(out, p)
		}
	}
	return out, nil
}

// digested makes so many problems in the digest of room noc, of both sources.
func (w *world) digested(n int) {
	for i := range n {
		source := "main"
		if i%3 == 0 {
			source = "lab"
		}
		k := w.problem(fmt.Sprintf("%s/%d", source, 1000+i))
		w.posts = append(w.posts, store.Post{Key: k, Room: "noc", Open: true, Cursor: store.Cursor{Digest: 12}})
	}
}

// In a digest's thread "ack all" asks first; confirmed, it acknowledges each open
// problem once, with the person's words, and answers once.
func TestAckAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(75)
		acked, over := alert.ParseKey("main/1001"), alert.ParseKey("main/1002")
		p := w.problems[acked]
		p.Acknowledged = true
		w.problems[acked] = p
		p = w.problems[over]
		p.State = alert.StateResolved
		w.problems[over] = p
		young := w.problems[alert.ParseKey("main/1004")]
		young.OpenedAt = time.Now().Add(time.Hour)
		w.problems[young.Key] = young
		other := w.problem("main/1", "noc") // not in the digest
		require.NotEmpty(t, other)
		r := w.start(t)
		defer r.stop()

		r.hears("M1", Heard{Text: "ack all", Room: "noc", ParentID: "DIGEST"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Len(t, w.answers(), 1)
		require.Contains(t, w.answers()[0], "**72 problems**")
		require.Contains(t, w.answers()[0], "`ack all yes`")

		r.hears("M2", Heard{Text: "ack ALL yes on it", Room: "noc", ParentID: "DIGEST"})
		time.Sleep(time.Minute)
		synctest.Wait()
		seen := map[string]int{}
		for _, source := range []string{"main", "lab"} {
			for _, c := range w.calls(source) {
				require.True(t, c.Ack)
				require.True(t, strings.HasPrefix(c.Message, "on it\n— Alice"), c.Message)
				seen[source+"/"+c.EventID]++
			}
		}
		require.Len(t, seen, 72)
		for k, n := range seen {
			require.Equal(t, 1, n, k)
		}
		require.Zero(t, seen["main/1001"]+seen["main/1002"]+seen["main/1004"]+seen["main/1"])
		require.Len(t, w.answers(), 2)
		require.Equal(t, "✅ acknowledged all 72 open problems of this digest", w.answers()[1])
		require.Equal(t, store.CommandDone, w.command("M2").State)
		for _, u := range w.updates(t) {
			require.True(t, u.Wide, "it isn't about one of them")
		}
	})
}

// Who may not, can't; elsewhere "all" is a word of the person's own.
func TestAckAllElsewhere(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.digested(3)
		r.hears("M1", Heard{Text: "ack all good again", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
		require.True(t, strings.HasPrefix(w.calls("main")[0].Message, "all good again\n"))
		require.False(t, w.updates(t)[0].Wide)
		r.hears("M2", Heard{Text: "ack all yes", Room: "db", ParentID: "DIGEST"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1, "another room's digest")
	})
}

// Wherever the relay crashes, each problem is acknowledged exactly once, and
// the person is answered once.
func TestAckAllCrashes(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for crash := 0; crash < 120; crash += 7 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.digested(45)
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.hears("M1", Heard{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()
				w.crash = -1
				r = w.start(t)
				defer r.stop()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				seen := map[string]int{}
				for _, source := range []string{"main", "lab"} {
					for _, c := range w.calls(source) {
						seen[source+"/"+c.EventID]++
					}
				}
				require.Len(t, seen, 45, "crash %d, lost %v", crash, lost)
				for k, n := range seen {
					require.Equal(t, 1, n, "%s: crash %d, lost %v", k, crash, lost)
				}
				require.Equal(t, store.CommandDone, w.command("M1").State)
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], "acknowledged all 45 open problems")
			})
		}
	}
}

// An answer that is lost in the middle changes nothing.
func TestAckAllLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(30)
		w.zabbixes["main"].fail = []failure{{err: errors.New("odd")}}
		r := w.start(t)
		defer r.stop()
		r.hears("M1", Heard{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, w.calls("main"), 20)
		require.Len(t, w.calls("lab"), 10)
		answers := w.answers()
		require.Contains(t, answers[len(answers)-1], "acknowledged all 30 open problems")
	})
}
