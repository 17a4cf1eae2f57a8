package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// After the bot was removed from a room, a digest there looks deleted. Its message id is kept once the room turns out
// to accept nothing: when the bot is back, that message is edited and no second one is posted.
func TestADigestIsEditedAfterTheBotIsReadmitted(t *testing.T) {
	for _, between := range []func(w *world){
		func(*world) {},
		func(w *world) { // after the refused edit Webex is unreachable, and the relay restarts
			w.webex.set(func(f *fakeWebex) {
				f.meet = func(c aCall) *trouble {
					if c.op == "post" {
						return &trouble{status: 503}
					}
					return nil
				}
			})
			w.pass(time.Minute)
			require.Equal(w.t, "post 503", w.ops()[len(w.ops())-1])
			w.stop()
			w.webex.set(func(f *fakeWebex) { f.meet = nil })
			w.start()
		},
	} {
		inStorm(t, func(t *testing.T, w *world) {
			w.rain(0, 8, nil)
			w.pass(5 * time.Second)
			require.Len(t, w.digestTexts("noc"), 1)

			w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
			w.rain(0, 1, resolve)
			between(w)
			w.pass(5 * time.Minute)
			require.InDelta(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"), 0)

			w.webex.set(func(f *fakeWebex) { f.rooms["R-noc"] = true })
			require.NotEmpty(t, w.store.group(1).MessageID)
			w.replay("digest:1")
			w.pass(5 * time.Minute)
			require.Len(t, w.digestTexts("noc"), 1)
			require.Contains(t, w.digestTexts("noc")[0], "main/0=resolved")
		})
	}
}

// A list that the thread refuses becomes a dead letter of its own, once an edit has proved that the digest exists. The
// digest is kept up to date, and a replay attaches the list. The same holds if the room accepts no files, and if no
// edit is left for the proof.
func TestARefusedListIsADeadLetter(t *testing.T) {
	for name, c := range map[string]struct{ status, edits int }{"refused": {400, 0}, "forbidden": {403, 0}, "one edit left": {400, 9}, "no edit left": {400, 10}} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				w.webex.set(func(f *fakeWebex) {
					f.meet = func(call aCall) *trouble {
						if call.op == "post" && call.parent != "" {
							return &trouble{status: c.status}
						}
						if m := f.messages[call.id]; m != nil && m.edits < c.edits {
							m.edits = c.edits
						}
						return nil
					}
				})
				w.rain(0, 8, nil)
				for len(w.ops()) == 0 {
					w.pass(100 * time.Millisecond)
				}
				w.store.setGroup(1, func(g *store.GroupCursor) { g.Edits = c.edits })
				w.pass(time.Minute)
				edit := map[bool]string{false: "edit", true: "edit 400"}[c.edits == webex.MaxEdits]
				require.Equal(t, []string{"post", fmt.Sprint("reply ", c.status), edit, fmt.Sprint("reply ", c.status)}, w.ops())
				require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "list"))
				require.Zero(t, w.store.pending())
				d := w.store.group(1)
				require.Equal(t, store.PostLive, d.State)
				require.False(t, d.ListDeadAt.IsZero())
				require.Contains(t, d.ListError, fmt.Sprint(c.status))
				require.NotEmpty(t, d.ListTrackingID)
				require.Empty(t, d.LastError)

				w.webex.set(func(f *fakeWebex) { f.meet = nil })
				w.rain(0, 8, resolve)
				w.pass(time.Minute)
				require.Contains(t, shows(w.webex.live("R-noc")[0], w.webex.live("R-noc")), "main/0=resolved", "the digest is kept up to date")
				for _, m := range w.webex.live("R-noc") {
					require.Empty(t, m.file, "no list without a replay")
				}
				w.replay("list:1")
				w.pass(time.Minute)
				require.NotEmpty(t, w.webex.live("R-noc")[len(w.webex.live("R-noc"))-1].file)
				require.Zero(t, w.store.pending())
			})
		})
	}
}

// With the edits spent, a digest whose thread refuses the current state becomes a dead letter: the room would be left
// with an outdated message.
func TestARefusedLastLineIsTheDigestsDeadLetter(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(10 * time.Second)
		w.store.setGroup(1, func(g *store.GroupCursor) {
			g.Edits = webex.MaxEdits
			w.webex.set(func(f *fakeWebex) { f.messages[g.MessageID].edits = webex.MaxEdits })
		})
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(call aCall) *trouble {
				if call.op == "post" && call.parent != "" {
					return &trouble{status: 400}
				}
				return nil
			}
		})
		before := len(w.ops())
		w.rain(0, 2, resolve)
		w.pass(time.Hour)
		require.Equal(t, []string{"reply 400", "edit 400", "reply 400"}, w.ops()[before:])
		require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"))
		require.Zero(t, w.store.pending())
	})
}
