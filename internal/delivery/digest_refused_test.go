package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A digest of a room that the bot was put out of looks as if somebody had deleted it.
// Once the room turns out to take nothing at all its message isn't forgotten:
// when the bot is back it is edited, and none is posted beside it.
func TestADigestOfARoomThatTheBotComesBackTo(t *testing.T) {
	for _, between := range []func(w *world){
		func(*world) {},
		func(w *world) { // Webex is away after the edit that was refused, and the relay restarts
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

// A list that its thread refuses for itself is a dead letter of its own, once an edit has proved that the
// message is there: the digest stands, and goes on. Replayed, the list is attached. Also where files
// aren't welcome in the room, and where no edit is left to prove it with.
func TestAListThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ status, edits int }{"refused": {400, 0}, "forbidden": {403, 0}, "all edits but one are used": {400, 9}, "no edit is left": {400, 10}} {
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
				require.Contains(t, shows(w.webex.live("R-noc")[0], w.webex.live("R-noc")), "main/0=resolved", "the digest goes on")
				for _, m := range w.webex.live("R-noc") {
					require.Empty(t, m.file, "and isn't listed by itself")
				}
				w.replay("list:1")
				w.pass(time.Minute)
				require.NotEmpty(t, w.webex.live("R-noc")[len(w.webex.live("R-noc"))-1].file)
				require.Zero(t, w.store.pending())
			})
		})
	}
}

// What its thread refuses of how a digest is now, where no edit is left to say so, makes
// the digest a dead letter: a room isn't to be left with what was.
func TestAnAccountThatIsRefused(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(10 * time.Second)
		w.store.setGroup(1, func(g *store.GroupCursor) {
			g.Edits = webex.MaxEdits
			w.webex.messages[g.MessageID].edits = webex.MaxEdits
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
