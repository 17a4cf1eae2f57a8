package delivery

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// reminded adds a reminder to a problem.
func reminded(p *alert.Problem) {
	addEntry(p, alert.EntryReminded, "")
	p.Timeline[len(p.Timeline)-1].Nudge = &alert.Nudge{Kind: alert.EntryReminded, Room: "noc", At: time.Now()}
}

// mentioned escalates a problem in noc, and mentions all.
func mentioned(p *alert.Problem) {
	addEntry(p, alert.EntryEscalated, "")
	p.Timeline[len(p.Timeline)-1].Nudge = &alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Mention: []string{"all"}, After: 15 * time.Minute, At: time.Now()}
}

// A digest sends one reminder for all of its problems that are still unattended. The reminder costs no edit.
func TestADigestRemindsInOneLine(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 30, nil)
		w.pass(time.Hour)
		edits := strings.Count(strings.Join(w.ops(), " "), "edit")
		w.rain(0, 30, reminded)
		w.rain(0, 4, resolve)
		w.pass(time.Minute)
		require.Equal(t, []string{"⏰ 26 problems still open, and nobody has acknowledged them"}, w.textsWith("noc", "⏰"))
		require.Equal(t, edits+1, strings.Count(strings.Join(w.ops(), " "), "edit"))
		require.Contains(t, w.digestTexts("noc")[0], "main/3=resolved")
		require.Zero(t, w.store.pending())

		w.rain(4, 5, reminded)
		w.pass(time.Minute)
		require.Len(t, w.textsWith("noc", "⏰ 1 problem still open, and nobody has acknowledged it"), 1)
		require.Equal(t, edits+1, strings.Count(strings.Join(w.ops(), " "), "edit"))
		require.Zero(t, w.store.pending())
	})
}

// The question who is still on a digest's problems is one message with a button that names the digest; other nudges have no card.
func TestADigestAsksWithAButton(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, func(p *alert.Problem) { p.Acknowledged = true })
		w.pass(time.Minute)
		w.rain(0, 3, func(p *alert.Problem) {
			addEntry(p, alert.EntryAsked, "")
			p.Timeline[len(p.Timeline)-1].Nudge = &alert.Nudge{Kind: alert.EntryAsked, Room: "noc", After: time.Hour, At: time.Now()}
		})
		w.pass(time.Minute)
		var asked []aMessage
		for _, m := range w.webex.live("R-noc") {
			if strings.HasPrefix(m.markdown, "❓ Still on them? 3 problems acknowledged") {
				asked = append(asked, m)
			}
		}
		require.Len(t, asked, 1)
		card, err := json.Marshal(asked[0].content)
		require.NoError(t, err)
		require.Contains(t, string(card), `"action":"still_on","key":"`+w.store.group(1).MessageID+`"`)
		require.Equal(t, w.store.group(1).MessageID, asked[0].parent)
		require.Zero(t, w.store.pending())
	})
}

// A mention that is due before the digest is posted follows it in the thread.
func TestADigestMentionsAfterItsMessage(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, mentioned)
		w.pass(time.Minute)
		require.Equal(t, []string{"⏫ 20 problems open, and nobody acknowledged them for 15m <@all>"}, w.textsWith("noc", "⏫"))
		require.Zero(t, w.store.pending())
	})
}

// A nudge of another room, which raises the revision, doesn't hide the mention.
func TestAMentionSurvivesALaterRevision(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, mentioned)
		for n := range 20 {
			p := w.store.problem(key(n))
			addEntry(&p, alert.EntryReminded, "")
			p.Timeline[len(p.Timeline)-1].Nudge = &alert.Nudge{Kind: alert.EntryReminded, Room: "db", At: time.Now()}
			p.Revision += 2
			require.NoError(t, w.store.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}}))
		}
		w.pass(time.Minute)
		require.Len(t, w.textsWith("noc", "⏫ 20 problems"), 1)
		require.Empty(t, w.textsWith("noc", "⏰"))
		require.Zero(t, w.store.pending())
	})
}

// A refused reminder is retried once an edit has proved that the digest exists. One that is refused again is given
// up; the digest continues.
func TestARefusedReminderOfADigest(t *testing.T) {
	for name, c := range map[string]struct {
		trouble trouble
		times   int
		said    int
	}{
		"once":         {trouble{status: 400}, 1, 1},
		"for good":     {trouble{status: 400}, 2, 0},
		"for a moment": {trouble{status: 503}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				w.rain(0, 20, nil)
				w.pass(time.Minute)
				met := 0
				w.webex.meets(func(c0 aCall) *trouble {
					if !strings.HasPrefix(c0.markdown, "⏰") || met == c.times {
						return nil
					}
					met++
					return &c.trouble
				})
				w.rain(0, 20, reminded)
				w.rain(0, 1, resolve)
				w.pass(5 * time.Minute)
				require.Len(t, w.textsWith("noc", "⏰"), c.said)
				require.Contains(t, w.digestTexts("noc")[0], "main/0=resolved")
				require.Zero(t, w.store.pending())
			})
		})
	}
}

// If somebody deleted the digest, a mention goes to the thread of the one that is posted in its place.
func TestADeletedDigestStillMentions(t *testing.T) {
	for _, status := range []int{400, 404} {
		inStorm(t, func(t *testing.T, w *world) {
			w.rain(0, 20, nil)
			w.pass(time.Minute)
			w.webex.set(func(f *fakeWebex) { f.parentGone = status })
			w.webex.deleteBySomebody(w.store.group(1).MessageID)
			w.rain(0, 20, mentioned)
			w.pass(15 * time.Minute)
			require.Len(t, w.digestTexts("noc"), 1)
			require.Len(t, w.textsWith("noc", "⏫ 20 problems"), 1)
			require.Zero(t, w.store.pending())
		})
	}
}

// Reminders within a few seconds share a line. New problems don't wait for it.
func TestRemindersShareALine(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 40, nil)
		w.pass(time.Minute)
		for n := 0; n < 30; n += 5 {
			w.rain(n, n+5, reminded)
			w.pass(2 * time.Second)
		}
		require.Empty(t, w.textsWith("noc", "⏰"))
		w.rain(40, 60, nil)
		w.rain(30, 35, reminded)
		w.pass(4 * time.Second)
		require.Contains(t, w.digestTexts("noc")[0], "main/59=open")
		require.Empty(t, w.textsWith("noc", "⏰"))
		w.pass(10 * time.Second)
		require.Equal(t, []string{"⏰ 35 problems still open, and nobody has acknowledged them"}, w.textsWith("noc", "⏰"))
		require.Zero(t, w.store.pending())

		// The wait is bounded.
		for range 35 {
			w.rain(0, 5, reminded)
			w.pass(2 * time.Second)
		}
		require.GreaterOrEqual(t, len(w.textsWith("noc", "⏰")), 2)
	})
}
