package delivery

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// aDeed is one step of a random history.
type aDeed struct {
	kind    string
	problem int
	rooms   []string
	after   time.Duration
}

// history is a random history, drawn completely before it is played.
type history struct {
	deeds  []aDeed
	faults []int // the fault that the nth call meets; 0 for none
}

func drawHistory(t *rapid.T) history {
	var h history
	rooms := []string{"noc", "card", "line", "db", "person:alice@example.com"}
	n := rapid.IntRange(1, 60).Draw(t, "deeds")
	for range n {
		h.deeds = append(h.deeds, aDeed{
			kind: rapid.SampledFrom([]string{
				"change", "change", "change", "ack", "severity", "resolve", "notice", "restart", "crash", "lost wake", "root deleted", "store fails",
			}).Draw(t, "kind"),
			problem: rapid.IntRange(0, 5).Draw(t, "problem"),
			rooms:   rooms[:rapid.IntRange(1, len(rooms)).Draw(t, "rooms")],
			after:   time.Duration(rapid.SampledFrom([]int{0, 50, 100, 700, 2500, 30000, 120000}).Draw(t, "after")) * time.Millisecond,
		})
	}
	h.faults = rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 3, 4}), 0, 80).Draw(t, "faults")
	return h
}

// After any history of problems, of faults of Webex and the store, and of crashes: rooms show the present, every
// problem was posted, only calls whose answer was lost are repeated, no message has more than ten edits, and no
// request was made while Webex said to wait.
func TestRoomsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = live(t, h) })
		for _, f := range faults {
			rt.Error(f)
		}
	})
}

// live plays a history and returns the violated promises.
func live(t *testing.T, h history) []string {
	w := &world{t: t, store: newTestStore(), webex: newFakeWebex("R-noc", "R-card", "R-line", "R-db", "R-default")}
	w.opts = Options{
		Store: w.store, Notifier: &w.store.Local, Render: func() Renderer { return plainRenderer{} }, Bots: []Bot{{Name: "noc", Client: w.webex}},
		Rooms: someRooms, Jitter: func() float64 { return 0.5 }, Workers: 3, RateLimit: 20,
	}
	// Where the store failed, a worker may wait to save the progress of a message that Webex has accepted. If the process
	// ends meanwhile, the message is posted again.
	crashed, failed, unsaved := false, 0, 0
	lastSeq := map[alert.Key]map[int64]int{} // revision → the newest entry then
	call := 0
	w.webex.meets(func(c aCall) *trouble {
		if crashed {
			return &trouble{lose: true} // executed, but the answer wasn't saved
		}
		call++
		if call > len(h.faults) {
			return nil
		}
		switch h.faults[call-1] {
		case 1:
			return &trouble{status: 429, retryAfter: 3 * time.Second}
		case 2:
			return &trouble{status: 503}
		case 3:
			return &trouble{lose: true}
		case 4:
			return &trouble{} // never arrived
		}
		return nil
	})
	fold := func(n int, change func(*alert.Problem), wake bool, rooms ...string) {
		posts := w.store.fold(key(n), change, rooms...)
		p := w.store.problem(key(n))
		if lastSeq[p.Key] == nil {
			lastSeq[p.Key] = map[int64]int{}
		}
		lastSeq[p.Key][p.Revision] = p.LastSeq()
		if wake {
			w.d.Notify(posts)
		}
	}
	w.start()
	words := 0
	for _, d := range h.deeds {
		words++
		switch d.kind {
		case "change", "lost wake":
			fold(d.problem, say(fmt.Sprintf("word-%d", words)), d.kind == "change", d.rooms...)
		case "ack":
			fold(d.problem, ack, true, d.rooms...)
		case "severity":
			fold(d.problem, severity(alert.Severity(words%6)), true, d.rooms...)
		case "resolve":
			if w.store.problem(key(d.problem)).State == alert.StateOpen {
				fold(d.problem, resolve, true)
			}
		case "notice":
			w.notice(store.Notice{Kind: store.NoticeNotify, Sender: "x", Room: d.rooms[0], Markdown: fmt.Sprintf("notice-%d", words), Dedup: fmt.Sprint(d.problem)})
		case "restart":
			unsaved += failed
			w.stop()
			w.start()
		case "crash":
			w.store.mu.Lock()
			w.webex.mu.Lock()
			unsaved += failed
			crashed = true
			w.store.fail = func(string) error { return store.ErrClosed }
			w.webex.mu.Unlock()
			w.store.mu.Unlock()
			w.stop()
			crashed = false
			w.webex.quiet = time.Time{} // a crash may forget it
			w.store.fail = nil
			w.start()
		case "root deleted":
			if id := w.store.post(key(d.problem), d.rooms[0]).RootID; id != "" {
				w.webex.deleteBySomebody(id)
				fold(d.problem, say(fmt.Sprintf("word-%d", words)), true)
			}
		case "store fails":
			until := time.Now().Add(d.after / 2)
			w.store.failUntil(until)
			failed = 1
		}
		w.pass(d.after)
	}
	w.webex.set(func(f *fakeWebex) { f.meet = nil })
	w.pass(time.Hour)
	w.stop()
	return append(w.webex.violations, wrong(w, lastSeq, unsaved)...)
}

var revisionIn = regexp.MustCompile(`rev=(\d+)`)

// wrong compares what rooms show with what they should show. unsaved is how often a crash may have lost the progress of
// messages that Webex had accepted.
func wrong(w *world, lastSeq map[alert.Key]map[int64]int, unsaved int) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if n := w.store.pending(); n != 0 {
		fault("%d are still pending", n)
	}
	for _, k := range w.store.keys {
		p := w.store.problem(k)
		for _, post := range w.store.postsOf(k) {
			where := k.String() + "@" + post.Room
			settings, _ := someRooms(post.Room, "")
			room := settings.ID
			if room == "" {
				room = "direct:" + settings.Person
			}
			if post.State == store.PostDead {
				// Only a root that somebody deleted twice while the room was behind.
				if !strings.Contains(post.LastError, "404") {
					fault("%s: dead: %s", where, post.LastError)
				}
				continue
			}

			root := w.webex.message(post.RootID)
			card := w.webex.message(post.CardID)
			switch {
			case root == nil:
				fault("%s: not posted: %+v", where, post.Cursor)
				continue
			case root.room != room:
				fault("%s: posted in %s", where, root.room)
			}
			current := strings.Contains(root.markdown, fmt.Sprintf("rev=%d ", p.Revision))
			limit := webex.MaxEdits - 1
			if !p.Open() {
				limit = webex.MaxEdits
			}
			if !root.deleted && !root.card && !current && post.Edits < limit {
				fault("%s: revision %d shows as %q after %d edits", where, p.Revision, root.markdown, post.Edits)
			}
			if p.Open() && settings.Presentation != config.PresentLine && card == nil {
				fault("%s: no buttons", where)
			}
			if card != nil && !root.deleted && (card.deleted || !strings.HasPrefix(card.markdown, "card "+plainRenderer{}.Actions(p)+" ")) {
				fault("%s: stale buttons: %+v", where, *card)
			}
			if !p.Open() && card != nil {
				fault("%s: a resolved problem has buttons", where)
			}

			// Every message about the problem, and how often the answer to one was lost.
			lost, roots, cards, posted := unsaved, 0, 0, 0
			lines := map[string]int{}
			for _, c := range w.webex.seen() {
				if c.room != room || !strings.Contains(c.markdown+" ", k.String()+" ") || c.op != "post" || c.status >= 300 {
					continue
				}
				if c.lost {
					lost++
				}
				if c.id == "" {
					continue // never arrived
				}
				m := w.webex.message(c.id)
				_, line, isLine := strings.Cut(c.markdown, " line: ")
				switch {
				case isLine:
					for said := range strings.SplitSeq(line, "; ") {
						lines[said]++
					}
				case c.parent != "":
					if !m.deleted {
						cards++
					}
				default:
					rev, _ := strconv.ParseInt(revisionIn.FindStringSubmatch(c.markdown)[1], 10, 64)
					posted = max(posted, lastSeq[k][rev])
					if !m.deleted {
						roots++
					}
				}
			}
			if roots > 1+lost {
				fault("%s: %d roots, though %d answers were lost", where, roots, lost)
			}
			if cards > 1+lost {
				fault("%s: %d cards, though %d answers were lost", where, cards, lost)
			}
			for said, times := range lines {
				if times > 1+lost && strings.HasPrefix(said, "word-") {
					fault("%s: %q posted %d times, though %d answers were lost", where, said, times, lost)
				}
			}
			for _, e := range p.Timeline {
				said := string(e.Kind)
				if e.Update != nil {
					said = e.Update.Message
				}
				if e.Seq > posted && lines[said] == 0 && settings.Presentation != config.PresentLine {
					fault("%s: %q was never posted", where, said)
				}
			}
		}
	}
	for id := int64(1); w.store.notice(id).ID != 0; id++ {
		n := w.store.notice(id)
		shown := slices.ContainsFunc(w.webex.order, func(m *aMessage) bool { return m.id == n.MessageID && m.markdown == n.Markdown })
		if n.State != store.NoticeSent || !shown {
			fault("notice %d (%s) wasn't posted: %+v", n.ID, n.Markdown, n)
		}
	}
	return faults
}
