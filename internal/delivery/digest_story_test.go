package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// digestTexts are the digests that a room shows.
func (w *world) digestTexts(room string) (out []string) {
	for _, text := range w.texts(room) {
		if strings.HasPrefix(text, "digest ") {
			out = append(out, text)
		}
	}
	return out
}

// rain changes problems in one fold. If more than three are new, they join a group.
func (w *world) rain(from, to int, change func(*alert.Problem)) {
	w.store.storm = to-from > 3
	defer func() { w.store.storm = false }()
	var told store.Fold
	for n := from; n < to; n++ {
		told = both(told, w.store.fold(key(n), change, "noc"))
	}
	w.d.Notify(told)
}

func inStorm(t *testing.T, story func(t *testing.T, w *world)) {
	inWorld(t, nil, story)
}

// A storm is one message and its list; a problem that somebody acts on leaves it
// for a message of its own, a recovery doesn't; in the end it says resolved.
func TestALifeOfADigest(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
		require.Equal(t, []string{"post", "reply"}, w.ops())
		require.Len(t, w.digestTexts("noc"), 1)
		require.Contains(t, w.digestTexts("noc")[0], "main/7=open")
		require.Zero(t, w.store.pending())

		w.rain(1, 2, ack)
		w.pass(10 * time.Second)
		require.NotContains(t, w.digestTexts("noc")[0], "main/1=")
		require.Contains(t, w.digestTexts("noc")[0], "left=1")
		own := w.store.post(key(1), "noc")
		require.NotEmpty(t, own.RootID)
		require.Zero(t, own.Group)
		require.NotEmpty(t, own.CardID, "with its buttons")

		w.rain(2, 3, severity(alert.Disaster))
		w.rain(3, 4, resolve)
		w.pass(30 * time.Second)
		require.NotEmpty(t, w.store.post(key(2), "noc").RootID)
		require.Contains(t, w.digestTexts("noc")[0], "main/3=resolved")

		// Done to all: they stay.
		for n := 4; n < 8; n++ {
			w.rain(n, n+1, func(p *alert.Problem) { ack(p); p.Timeline[len(p.Timeline)-1].Update.Wide = true })
			w.pass(3 * time.Second)
		}
		w.pass(time.Minute)
		require.Contains(t, w.digestTexts("noc")[0], "main/4=open+ack main/5=open+ack main/6=open+ack main/7=open+ack")

		w.rain(4, 8, resolve)
		w.rain(0, 1, resolve)
		before := len(w.ops())
		w.pass(5 * time.Second)
		require.Equal(t, []string{"edit"}, w.ops()[before:])
		require.NotContains(t, w.digestTexts("noc")[0], "=open")
		require.Zero(t, w.store.pending())
	})
}

// Problems that flap for an hour cost no more edits than Webex allows, and the
// last is there for the end; what no edit is left for is told in the thread.
func TestADigestsEditBudget(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 60, nil)
		w.pass(5 * time.Second)
		for n := range 59 {
			w.rain(n, n+1, resolve)
			w.pass(time.Minute)
		}
		w.pass(20 * time.Minute)
		require.Zero(t, w.store.pending())
		require.Contains(t, strings.Join(w.texts("noc"), "\n"), "account main/0=resolved")
		w.rain(59, 60, resolve)
		w.pass(5 * time.Second)
		require.NotContains(t, w.digestTexts("noc")[0], "=open")
		for _, m := range w.webex.live("R-noc") {
			require.LessOrEqual(t, m.edits, 10)
		}
	})
}

// A disaster in a storm is told by itself at once, and a problem that nobody
// waits with isn't held back by a few others.
func TestOnlyAStormIsGathered(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 3, nil)
		w.pass(450 * time.Millisecond)
		require.NotEmpty(t, w.store.post(key(0), "noc").RootID)
		require.Empty(t, w.digestTexts("noc"))
		w.pass(time.Minute)

		w.rain(10, 30, nil)
		w.rain(40, 41, severity(alert.Disaster))
		w.pass(450 * time.Millisecond)
		require.NotEmpty(t, w.store.post(key(40), "noc").RootID)
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)

		// Long after, another storm is another digest.
		w.pass(time.Hour)
		w.rain(100, 120, nil)
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 2)
	})
}

// A room that refuses a digest: the default room is told of all its problems,
// and the digest is a dead letter that can be replayed.
func TestARoomRefusesItsDigest(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
		w.rain(0, 20, nil)
		w.pass(10 * time.Minute)
		require.Zero(t, w.store.pending())
		told := strings.Join(w.texts("default"), "\n")
		for n := range 20 {
			require.Contains(t, told, key(n).String()+" open")
		}
		require.InDelta(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"), 0)

		w.webex.set(func(f *fakeWebex) { f.rooms["R-noc"] = true })
		w.replay("digest:1")
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)
	})
}

// Who leaves a digest that can't be edited any more is named in its thread as gone, with
// how all the others are now; a crash in between loses neither. Its last edit before the end says that there is none.
func TestWhoLeavesADigestThatCannotBeEdited(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.pass(5 * time.Second)
		for n := range 9 {
			w.rain(n, n+1, resolve)
			w.pass(20 * time.Minute)
		}
		require.Contains(t, w.digestTexts("noc")[0], " last")
		w.rain(15, 16, ack)
		w.pass(10 * time.Millisecond)
		w.stop()
		require.Zero(t, w.store.post(key(15), "noc").Group, "it has left")
		w.start()
		w.pass(20 * time.Minute)
		require.Zero(t, w.store.pending())
		texts := w.texts("noc")
		account := ""
		for _, text := range texts {
			if strings.HasPrefix(text, "account ") {
				account = text
			}
		}
		require.Contains(t, account, "gone:main/15")
		require.NotContains(t, account, "main/15=")
		require.Contains(t, account, "main/8=resolved main/9=open left=1")
		require.NotEmpty(t, w.store.post(key(15), "noc").RootID)

		before := len(w.ops())
		w.pass(time.Hour)
		require.Len(t, w.ops(), before, "it is said once")
	})
}
