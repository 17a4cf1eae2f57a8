package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

// A canary is posted, read back and deleted. Whatever fails, it is reported once, becomes no dead letter, and leaves nothing pending.
func TestCanary(t *testing.T) {
	type ending struct {
		ops    []string
		failed step.Op
		left   int // messages in the room
	}
	failing := func(op string, times int, how trouble) func(*world) {
		return func(w *world) {
			w.webex.meets(func(c aCall) *trouble {
				if c.op == op && times > 0 {
					times--
					return &how
				}
				return nil
			})
		}
	}
	for name, c := range map[string]struct {
		room string
		set  func(*world)
		want ending
	}{
		"all is well":                        {"noc", func(*world) {}, ending{ops: []string{"post", "read", "delete"}}},
		"a post is limited":                  {"noc", failing("post", 1, trouble{status: 429, retryAfter: time.Second}), ending{ops: []string{"post 429", "post", "read", "delete"}}},
		"Webex is broken for a moment":       {"noc", failing("post", 1, trouble{status: 503}), ending{ops: []string{"post 503", "post", "read", "delete"}}},
		"a post is refused":                  {"noc", failing("post", 1, trouble{status: 400}), ending{ops: []string{"post 400"}, failed: step.OpCanary}},
		"the answer to a post is lost":       {"noc", failing("post", 1, trouble{lose: true}), ending{ops: []string{"post"}, failed: step.OpCanary, left: 1}},
		"it can't be read for a moment":      {"noc", failing("read", 4, trouble{status: 404}), ending{ops: []string{"post", "read 404", "read 404", "read 404", "read 404", "read", "delete"}}},
		"it can't be read":                   {"noc", failing("read", 5, trouble{status: 404}), ending{ops: []string{"post", "read 404", "read 404", "read 404", "read 404", "read 404", "delete"}, failed: step.OpCanaryRead}},
		"a read isn't answered":              {"noc", failing("read", 1, trouble{lose: true}), ending{ops: []string{"post", "read", "read", "delete"}}},
		"a deletion isn't answered":          {"noc", failing("delete", 1, trouble{lose: true}), ending{ops: []string{"post", "read", "delete", "delete"}}},
		"it can't be deleted":                {"noc", failing("delete", 1, trouble{status: 403}), ending{ops: []string{"post", "read", "delete 403"}, failed: step.OpCanaryDelete, left: 1}},
		"the bot isn't in the room":          {"away", func(*world) {}, ending{ops: []string{"post 404"}, failed: step.OpCanary}},
		"the room isn't configured any more": {"nowhere", func(*world) {}, ending{failed: step.OpCanary}},
	} {
		t.Run(name, func(t *testing.T) {
			var reports []step.Op
			inWorld(t, func(o *Options) {
				o.Canary = func(name string, failed step.Op) {
					require.Equal(t, "canary1", name)
					reports = append(reports, failed)
				}
			}, func(t *testing.T, w *world) {
				c.set(w)
				id := w.notice(store.Notice{Kind: store.NoticeCanary, Room: c.room, Markdown: "a check (canary1)", Dedup: "canary1"})
				w.pass(5 * time.Minute)
				require.Equal(t, c.want.ops, w.ops())
				require.Equal(t, []step.Op{c.want.failed}, reports)
				require.Len(t, w.texts("noc"), c.want.left)
				require.Zero(t, w.store.pending())
				require.Equal(t, store.NoticeSent, w.noticed(id).State)
				require.Zero(t, w.metric("alert_relay_dead_letters_total", "kind", "notice"))
			})
		})
	}
}

// What Webex returns must be what was posted.
func TestCanaryIsCompared(t *testing.T) {
	var reports []step.Op
	inWorld(t, func(o *Options) { o.Canary = func(_ string, failed step.Op) { reports = append(reports, failed) } }, func(t *testing.T, w *world) {
		w.notice(store.Notice{Kind: store.NoticeCanary, Room: "noc", Markdown: "other words", Dedup: "canary1"})
		w.pass(time.Minute)
		require.Equal(t, []step.Op{step.OpCanaryRead}, reports)
		require.Empty(t, w.texts("noc"))
	})
}

// After a stop at any step, the next process finishes the canary: nothing is left in the room, even if its room isn't configured any more.
func TestCanaryIsFinishedAfterARestart(t *testing.T) {
	for _, op := range []string{"post", "read", "delete"} {
		for _, gone := range []bool{false, true} {
			var reports []step.Op
			inWorld(t, func(o *Options) {
				o.Canary = func(_ string, failed step.Op) { reports = append(reports, failed) }
			}, func(t *testing.T, w *world) {
				reached := false
				w.webex.meets(func(c aCall) *trouble {
					if reached = reached || c.op == op; c.op != "post" && reached {
						return &trouble{status: 503}
					}
					return nil
				})
				w.notice(store.Notice{Kind: store.NoticeCanary, Room: "noc", Markdown: "a check (canary1)", Dedup: "canary1"})
				w.pass(time.Second)
				w.stop()
				require.Empty(t, reports)
				require.Len(t, w.texts("noc"), 1)
				w.webex.set(func(f *fakeWebex) { f.meet = nil })
				if gone {
					w.opts.Rooms = func(string, string) (RoomSettings, bool) { return RoomSettings{}, false }
				}
				w.start()
				w.pass(5 * time.Minute)
				require.Equal(t, []step.Op{""}, reports)
				require.Empty(t, w.texts("noc"))
				require.Zero(t, w.store.pending())
			})
		}
	}
}
