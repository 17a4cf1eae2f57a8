package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A digest whose edit is refused while problems have joined that its message
// doesn't name gets a list that does. Where none joined, its message names all as it is.
func TestARefusedEditOwesTheList(t *testing.T) {
	now := time.Now()
	d := store.Digest{State: store.PostLive, MessageID: "M", Hash: "H", Complete: true, Open: 8, Joined: 8, Shown: 5, Edits: 1, Pending: true}
	refused := func(d store.Digest) Step {
		after, _, v := RefusedDigest(Step{Op: OpDigestEdit}, d, Doubts{}, &webex.Error{Status: 400}, time.Minute, now)
		require.Equal(t, VerdictReplan, v)
		after = ShownDigest(after) // nothing is resolved that the thread could tell
		require.Equal(t, after.Pending, owesFile(after))
		return NextDigest(after, Seen{}, now)
	}
	require.Equal(t, OpDigestFile, refused(d).Op)
	d.Shown = 8
	require.Equal(t, OpNone, refused(d).Op)
}

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
			w.store.mu.Lock()
			d := w.store.digests[1]
			require.NotEmpty(t, d.MessageID)
			d.State, d.Pending = store.PostLive, true
			w.store.digests[1] = d
			w.store.mu.Unlock()
			w.d.RescanNow()
			w.pass(5 * time.Minute)
			require.Len(t, w.digestTexts("noc"), 1)
			require.Contains(t, w.digestTexts("noc")[0], "main/0=resolved")
		})
	}
}

// A digest's message that was taken for deleted is asked for again where no other could be
// posted at once.
func TestADigestThatWasTakenForDeletedIsAskedForAgain(t *testing.T) {
	now := time.Now()
	d := store.Digest{State: store.PostLive, MessageID: "M", Hash: "H", Open: 8, Joined: 8, Shown: 5}
	d, doubts, v := RefusedDigest(Step{Op: OpDigestEdit}, d, Doubts{}, &webex.Error{Status: 404}, time.Minute, now)
	require.Equal(t, VerdictReplan, v)
	require.Equal(t, OpDigest, NextDigest(d, Seen{}, now).Op)
	for _, status := range []int{401, 429, 503} {
		d, doubts, v := RefusedDigest(Step{Op: OpDigest}, d, doubts, &webex.Error{Status: status}, time.Minute, now)
		require.Equal(t, VerdictRetry, v)
		require.Equal(t, "M", d.MessageID)
		require.Equal(t, Doubts{}, doubts)
	}
}
