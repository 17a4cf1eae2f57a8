package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
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

// rain changes problems in one batch, as in a storm. More than three new ones join a group.
func (w *world) rain(from, to int, change func(*alert.Problem)) {
	w.store.set(func() { w.store.storm = to-from > 3 })
	defer w.store.set(func() { w.store.storm = false })
	var written store.Fold
	for n := from; n < to; n++ {
		written = both(written, w.store.fold(key(n), change, "noc"))
	}
	w.d.Notify(written)
}

func inStorm(t *testing.T, story func(t *testing.T, w *world)) {
	inWorld(t, nil, story)
}

// A storm is one message and its list. A problem that somebody acts on leaves it and gets its own message; one that
// resolves stays. In the end the digest says resolved.
func TestADigestFromOpenToResolved(t *testing.T) {
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

		// An update of all at once: they stay.
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

// An hour of changes costs no more edits than Webex allows, and the last edit is kept for the end. Once the others are
// spent, changes are posted in the thread.
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

// A disaster during a storm gets its own message at once, and a few problems at once are no storm.
func TestADisasterStaysOutOfADigest(t *testing.T) {
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

		// A storm an hour later is another digest.
		w.pass(time.Hour)
		w.rain(100, 120, nil)
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 2)
	})
}

// If a room refuses a digest, the default room gets all of its problems, and the digest becomes a dead letter that can
// be replayed.
func TestARefusedDigestIsRerouted(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
		w.rain(0, 20, nil)
		w.pass(10 * time.Minute)
		require.Zero(t, w.store.pending())
		texts := strings.Join(w.texts("default"), "\n")
		for n := range 20 {
			require.Contains(t, texts, key(n).String()+" open")
		}
		require.InDelta(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"), 0)

		w.webex.set(func(f *fakeWebex) { f.rooms["R-noc"] = true })
		w.replay("digest:1")
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)
	})
}

// When a problem leaves a digest without edits left, a line in the thread names it as gone and has the current state of
// the others, also after a crash. The last edit before the end says that it is the last.
func TestLeavingADigestWithoutEdits(t *testing.T) {
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
		require.Zero(t, w.store.post(key(15), "noc").Group, "it left the digest")
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
		require.Len(t, w.ops(), before, "one line only")
	})
}

// A digest that all problems have left says so. If somebody deleted it, nothing is posted in its place, and it is left
// alone.
func TestADigestThatAllHaveLeft(t *testing.T) {
	for name, c := range map[string]struct {
		listed, deleted bool
		edits           int
	}{
		"at once": {}, "after its list": {listed: true}, "at once, no edit left": {edits: webex.MaxEdits},
		"deleted, at once": {deleted: true}, "deleted, after its list": {listed: true, deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				w.rain(0, 4, nil)
				for len(w.digestTexts("noc")) == 0 {
					w.pass(100 * time.Millisecond)
				}
				w.store.setGroup(1, func(g *store.GroupCursor) { g.Edits = c.edits })
				if c.listed {
					w.pass(5 * time.Second)
				}
				if c.deleted {
					w.webex.deleteBySomebody(w.store.group(1).MessageID)
				}
				for n := range 4 {
					w.rain(n, n+1, ack)
				}
				w.pass(5 * time.Minute)
				require.Zero(t, w.store.pending())
				switch {
				case c.deleted:
					require.Empty(t, w.digestTexts("noc"))
				case c.edits > 0:
					require.Len(t, w.textsWith("noc", "account "), 1)
				default:
					require.Equal(t, []string{"digest left=4"}, w.digestTexts("noc"))
				}
				require.Empty(t, w.textsWith("noc", "📎 The complete list: 0 problems"))
				before := len(w.ops())
				w.pass(time.Hour)
				require.Len(t, w.ops(), before)
				require.Equal(t, 4, w.roots("R-noc")-len(w.digestTexts("noc")))

				w.rain(8, 16, nil) // a later storm is shown
				w.pass(5 * time.Minute)
				require.Contains(t, w.digestTexts("noc")[len(w.digestTexts("noc"))-1], "main/15=open")
				require.Zero(t, w.store.pending())
			})
		})
	}
}
