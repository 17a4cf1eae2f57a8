package delivery

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// aGust is one step of a storm.
type aGust struct {
	kind     string
	from, to int // problems
	after    time.Duration
}

type stormHistory struct {
	gusts  []aGust
	faults []int
}

const stormProblems = 24

func drawStorm(t *rapid.T) stormHistory {
	var h stormHistory
	for range rapid.IntRange(1, 40).Draw(t, "gusts") {
		from := rapid.IntRange(0, stormProblems-1).Draw(t, "from")
		h.gusts = append(h.gusts, aGust{
			kind: rapid.SampledFrom([]string{
				"open", "open", "open", "flap", "flap", "severe flap", "resolve", "resolve", "ack", "wide", "comment", "disaster", "restart", "crash", "lost wake", "deleted", "store fails",
			}).Draw(t, "kind"),
			from: from, to: min(stormProblems, from+rapid.IntRange(1, 12).Draw(t, "many")),
			after: time.Duration(rapid.SampledFrom([]int{0, 10, 100, 700, 2500, 30000, 700000}).Draw(t, "after")) * time.Millisecond,
		})
	}
	h.faults = rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 3, 4}), 0, 60).Draw(t, "faults")
	return h
}

// In storms and while triggers flap, every problem is in exactly one message at any time, and rooms end up showing the
// present, despite faults of Webex and the store, and crashes.
func TestEveryProblemIsInOneMessage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := drawStorm(rt)
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = weather(t, h) })
		for _, f := range faults {
			rt.Error(f)
		}
	})
}

func weather(t *testing.T, h stormHistory) (faults []string) {
	rooms := []string{"noc", "person:alice@example.com"}
	w := &world{t: t, store: newTestStore(), webex: newFakeWebex("R-noc")}
	w.opts = Options{
		Store: w.store, Notifier: &w.store.Local, Render: func() Renderer { return plainRenderer{} }, Bots: []Bot{{Name: "noc", Client: w.webex}},
		Rooms: someRooms, Jitter: func() float64 { return 0.5 }, Workers: 3, RateLimit: 5,
	}
	crashed, call := false, 0
	w.webex.meets(func(aCall) *trouble {
		if crashed {
			return &trouble{lose: true} // executed, but the answer wasn't saved
		}
		if call++; call > len(h.faults) {
			return nil
		}
		switch h.faults[call-1] {
		case 1:
			return &trouble{status: 429, retryAfter: 3 * time.Second, room: true}
		case 2:
			return &trouble{status: 503}
		case 3:
			return &trouble{lose: true}
		case 4:
			return &trouble{}
		}
		return nil
	})
	w.start()
	var away, saved time.Time // when the store began to fail, and from when on every answer is saved again
	for n, g := range h.gusts {
		var written store.Fold
		each := func(change func(*alert.Problem), open bool, rooms ...string) {
			for i := g.from; i < g.to; i++ {
				p := w.store.problem(key(i))
				if known := p.Revision > 0; known == (len(rooms) > 0) || known && open && !p.Open() {
					continue
				}
				written = both(written, w.store.fold(key(i), change, rooms...))
			}
		}
		switch g.kind {
		case "open", "lost wake":
			w.store.set(func() { w.store.storm = g.to-g.from > 3 })
			each(nil, false, rooms...)
			w.store.set(func() { w.store.storm = false })
		case "flap", "severe flap":
			s := map[string]alert.Severity{"flap": alert.High, "severe flap": alert.Disaster}[g.kind]
			w.store.set(func() { w.store.flap = fmt.Sprint("trigger-", g.from%3) })
			each(severity(s), false, rooms...)
			w.store.set(func() { w.store.flap = "" })
		case "resolve":
			each(resolve, true)
		case "ack":
			g.to = g.from + 1
			each(ack, true)
		case "wide":
			each(func(p *alert.Problem) { ack(p); p.Timeline[len(p.Timeline)-1].Update.Wide = true }, true)
		case "comment":
			each(say(fmt.Sprint("word-", n)), true)
		case "disaster":
			g.to = g.from + 1
			each(severity(alert.Disaster), true)
		case "restart":
			w.stop()
			w.start()
		case "crash":
			w.store.mu.Lock()
			w.webex.mu.Lock()
			crashed = true
			w.store.fail = func(string) error { return store.ErrClosed }
			w.webex.mu.Unlock()
			w.store.mu.Unlock()
			unnoted := time.Now()
			if unnoted.Before(saved) {
				unnoted = away
			}
			w.stop()
			for i, c := range w.webex.seen() {
				if !c.end.Before(unnoted) && c.status < 300 {
					w.webex.set(func(f *fakeWebex) { f.calls[i].lost = true }) // answered at the moment of the crash, or while the store failed, and not saved
				}
			}
			crashed = false
			w.webex.set(func(f *fakeWebex) { clear(f.waits) })
			w.store.fail = nil
			w.start()
		case "deleted":
			for _, m := range w.webex.live("R-noc") {
				if m.parent == "" && isDigest(m) {
					w.webex.deleteBySomebody(m.id)
					break
				}
			}
			each(say(fmt.Sprint("word-", n)), true)
		case "store fails":
			until := time.Now().Add(g.after / 2)
			away, saved = time.Now(), until.Add(storeMost)
			w.store.failUntil(until)
		}
		if g.kind != "lost wake" {
			w.d.Notify(written)
		}
		w.pass(g.after)
		faults = append(faults, twice(w)...)
	}
	w.webex.set(func(f *fakeWebex) { f.meet = nil })
	w.pass(3 * time.Hour)
	w.stop()
	faults = append(append(faults, twice(w)...), w.webex.violations...)
	return append(faults, stale(w)...)
}

// twice finds posts with a message of their own and a group, or with a group that doesn't exist.
func twice(w *world) (faults []string) {
	for _, p := range w.store.allPosts() {
		if p.Group == 0 {
			continue
		}
		if d := w.store.group(p.Group); d.Room != p.Room || p.RootID != "" || p.CardID != "" {
			faults = append(faults, fmt.Sprintf("%s@%s is in digest %d (%+v) and has a message of its own: %+v", p.Key, p.Room, p.Group, d, p.Cursor))
		}
	}
	return faults
}

// stale compares what rooms show in the end with what they should show.
func stale(w *world) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if n := w.store.pending(); n != 0 {
		fault("%d are still pending", n)
	}
	lost := 0
	for _, c := range w.webex.seen() {
		if c.lost && c.op == "post" {
			lost++
		}
	}
	for _, k := range w.store.keys {
		p := w.store.problem(k)
		for _, post := range w.store.postsOf(k) {
			room := map[bool]string{true: "R-noc", false: "direct:alice@example.com"}[post.Room == "noc"]
			where := k.String() + "@" + post.Room
			if post.State != store.PostLive {
				continue // its message was deleted twice
			}
			own, digests := 0, 0
			live := w.webex.live(room)
			for _, m := range live {
				switch {
				case m.parent != "":
				case strings.HasPrefix(m.markdown, k.String()+" "):
					own++
				case isDigest(m) && strings.Contains(shows(m, live), " "+k.String()+"="):
					digests++
				}
			}
			if own+digests < 1 {
				d := w.store.group(post.Group)
				if d.State == store.PostDead || w.webex.message(d.MessageID) != nil && w.webex.message(d.MessageID).deleted {
					continue // somebody deleted it, and nothing has changed since
				}
			}
			if own+digests < 1 || own+digests > 1+lost {
				fault("%s is in %d messages of its own and %d digests, though %d answers were lost: %+v", where, own, digests, lost, post.Cursor)
			}
			if post.Group == 0 {
				continue
			}
			d := w.store.group(post.Group)
			if d.State != store.PostLive {
				continue
			}
			m := w.webex.message(d.MessageID)
			if m == nil || m.deleted {
				continue
			}
			want := k.String() + "=open"
			if !p.Open() {
				want = k.String() + "=resolved"
			}
			if text := shows(*m, live); !strings.Contains(text+" ", " "+want) {
				fault("%s: its digest shows %q after %d edits, not %s", where, text, d.Edits, want)
			}
			if m.edits > webex.MaxEdits {
				fault("digest %d was edited %d times", d.ID, m.edits)
			}
			// A list names the problems for which the message has no room.
			listed := slices.ContainsFunc(w.webex.live(room), func(r aMessage) bool {
				return r.parent == m.id && strings.Contains(r.file, k.String()+"\n")
			})
			if !d.Complete && !listed {
				fault("%s: no list of digest %d names it", where, d.ID)
			}
		}
	}
	return faults
}

func isDigest(m aMessage) bool {
	return strings.HasPrefix(m.markdown, "digest ") || strings.HasPrefix(m.markdown, "flapping ")
}

// shows returns the current text of a digest: its message or, once its edits are spent, the newest summary in its
// thread.
func shows(m aMessage, live []aMessage) string {
	for _, reply := range live {
		if reply.parent == m.id && strings.HasPrefix(reply.markdown, "account ") && reply.written > m.written {
			m = aMessage{id: m.id, markdown: reply.markdown, written: reply.written}
		}
	}
	return m.markdown
}
