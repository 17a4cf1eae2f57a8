package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// asked puts an acknowledged problem into the world about which the room noc was asked just now.
func (w *world) asked(key string, rooms ...string) Lapse {
	k := w.problem(key, rooms...)
	p := w.find(k)
	apply := func(e alert.Event) {
		e.Key, e.Origin, e.At, e.ReceivedAt, e.SentAt = k, alert.OriginTrigger, time.Now(), time.Now(), time.Now()
		p, _ = alert.Apply(p, e)
	}
	severity := alert.Average
	apply(alert.Event{Kind: alert.KindProblem, Facts: p.Facts, Severity: &severity})
	ack := alert.Update{At: time.Now(), Exact: true, AckID: "1", Actor: alert.Actor{Name: "Bob"}, Actions: alert.Actions{Ack: true}}
	apply(alert.Event{Kind: alert.KindUpdate, Update: &ack})
	o := w.zabbixes[k.Source].events[k.EventID]
	o.Acknowledged, o.Updates = true, []alert.Update{ack}
	time.Sleep(time.Hour)
	apply(alert.Event{Kind: alert.KindNudge, Nudge: &alert.Nudge{Kind: alert.EntryAsked, Room: "noc", At: time.Now()}})
	w.put(p)
	return Lapse{Key: k, Asked: p.Asked().At, Room: "noc"}
}

// An acknowledgement that lapsed is taken back once, wherever the relay crashes, without a reply: the thread shows it.
func TestLapse(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for crash := range 8 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				l := w.asked("main/4711", "noc")
				r := w.start(t)
				w.crash, w.lost = crash, lost
				r.Lapse(l)
				time.Sleep(time.Minute)
				r.stop()
				w.crash = -1
				r = w.start(t)
				defer func() { r.stop() }()
				r.Lapse(l) // as the ledger does every minute
				r.Lapse(l)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				calls := w.calls("main")
				require.Len(t, calls, 1, "crash %d, lost %v", crash, lost)
				require.True(t, calls[0].Unack)
				require.Regexp(t, `^alert-relay <automatic> \(Webex #[0-9a-z]+\): The acknowledgement lapsed`, calls[0].Message)
				u := w.updates(t)
				require.NotEmpty(t, u)
				require.Equal(t, alert.Actor{Name: "alert-relay"}, u[0].Actor)
				require.Empty(t, w.answers())
			})
		}
	}
}

// Whatever somebody does before Zabbix can be asked keeps the acknowledgement. While Zabbix is away nobody is told anything, and
// nothing expires.
func TestLapseLooksFirst(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(o *alert.Observation)
		calls     int
	}{
		"nothing": {func(*alert.Observation) {}, 1},
		"a comment in Zabbix": {func(o *alert.Observation) {
			o.Updates = append(o.Updates, alert.Update{AckID: "2", At: time.Now(), Exact: true, Message: "on it", Actions: alert.Actions{Comment: true}})
		}, 0},
		"acknowledged anew": {func(o *alert.Observation) {
			o.Updates = append(o.Updates, alert.Update{AckID: "2", At: time.Now(), Exact: true, Actions: alert.Actions{Unack: true}},
				alert.Update{AckID: "3", At: time.Now(), Exact: true, Actions: alert.Actions{Ack: true}})
		}, 0},
		"taken back": {func(o *alert.Observation) {
			o.Acknowledged = false
			o.Updates = append(o.Updates, alert.Update{AckID: "2", At: time.Now(), Exact: true, Actions: alert.Actions{Unack: true}})
		}, 0},
		"resolved": {func(o *alert.Observation) { o.Resolved, o.ResolvedAt = true, time.Now() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				l := w.asked("main/4711", "noc")
				w.setDown("main", true)
				r := w.start(t)
				defer func() { r.stop() }()
				r.Lapse(l)
				time.Sleep(5 * time.Hour)
				synctest.Wait()
				require.Empty(t, w.answers())
				w.mu.Lock()
				c.meanwhile(w.zabbixes["main"].events["4711"])
				w.mu.Unlock()
				w.setDown("main", false)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				require.Len(t, w.calls("main"), c.calls)
				require.Empty(t, w.answers())
				if c.calls == 0 {
					w.mu.Lock()
					require.Contains(t, w.changed, l.Key, "the relay reads what it didn't know")
					w.mu.Unlock()
				}
			})
		})
	}
}

// If Zabbix refuses to take an acknowledgement back, the thread says so, once.
func TestLapseRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		l := w.asked("main/4711", "noc")
		w.zabbixes["main"].fail = []failure{{err: &zabbix.Error{Kind: zabbix.RoleForbids}}}
		r := w.start(t)
		defer func() { r.stop() }()
		for range 5 {
			r.Lapse(l)
			time.Sleep(time.Minute)
		}
		n := w.notices()
		require.Len(t, n, 1)
		require.Equal(t, "ROOT-main/4711@noc", n[0].ParentID)
		require.Equal(t, "noc", n[0].Room)
		require.Contains(t, n[0].Markdown, "Couldn't unacknowledge")
		require.Len(t, w.calls("main"), 0)
	})
}

// While the room is asked, "ack" alone is an answer, which Zabbix records.
func TestAckAnswersTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.expires = time.Hour
		w.asked("main/4711", "noc")
		r := w.start(t)
		defer func() { r.stop() }()
		r.receives("M1", Input{Text: "show 4711", Room: "noc"})
		r.receives("M2", Input{Text: "ack", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(t, w.answers()[0], "Nobody has answered")
		require.Len(t, w.calls("main"), 1)
		require.True(t, w.calls("main")[0].Ack)
		require.Equal(t, store.CommandDone, w.command("M2").State)
	})
}

// The button under the question of a digest answers for exactly the problems that its message asked about, and that still wait.
func TestStillOnADigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var asked []Lapse
		for _, key := range []string{"main/1", "main/2", "lab/3", "main/4", "main/5"} { // an hour between each
			asked = append(asked, w.asked(key))
			w.member(asked[len(asked)-1].Key, "DIGEST", true, time.Time{})
		}
		answered := w.find(asked[2].Key)
		answered, _ = alert.Apply(answered, alert.Event{Key: answered.Key, Kind: alert.KindUpdate, At: time.Now(), Update: &alert.Update{At: time.Now(), Exact: true, AckID: "9", Message: "on it", Actions: alert.Actions{Comment: true}}})
		w.put(answered)
		r := w.start(t)
		defer r.stop()
		n := 0
		press := func(p Person, room, key, value string) string {
			n++
			before := len(w.answers())
			r.receives(fmt.Sprint("P", n), Input{Button: &Button{Action: render.ActionStillOn, Key: key, Value: value, MessageID: "LINE"}, Room: room, Person: p})
			time.Sleep(time.Minute)
			synctest.Wait()
			return strings.Join(w.answers()[before:], "\n")
		}
		value := alert.Asking{From: asked[1].Asked, To: asked[3].Asked}.String()
		require.Contains(t, press(Person{Email: "carol@example.com"}, "noc", "DIGEST", value), "needs the role **operator**")
		require.Contains(t, press(alice, "db", "DIGEST", value), "I don't have this digest any more")
		require.Contains(t, press(alice, "noc", "GONE", value), "I don't have this digest any more")
		require.Contains(t, press(alice, "noc", "DIGEST", "?-1"), "I don't know this button")
		require.Contains(t, press(alice, "noc", "DIGEST", ""), "I don't know this button")
		require.Empty(t, append(w.calls("main"), w.calls("lab")...))
		require.Equal(t, "✅ Kept the acknowledgement of **2 problems**", press(alice, "noc", "DIGEST", value))
		calls := w.calls("main")
		require.Empty(t, w.calls("lab"), "somebody has acted on it since")
		var ids []string
		for _, c := range calls {
			ids = append(ids, c.EventIDs...)
			require.True(t, c.Ack)
			require.Contains(t, c.Message, ": Still on it")
		}
		require.Equal(t, []string{"2", "4"}, ids, "not those of earlier and later questions")
		for _, e := range w.entries() { // the ledger folds what was done
			var env store.Envelope
			require.NoError(t, json.Unmarshal(e.Payload, &env))
			p := w.find(alert.Key{Source: e.Source, EventID: env.EventID})
			p, _ = alert.Apply(p, alert.Event{Key: p.Key, Kind: alert.KindAction, At: env.Update.At, Update: env.Update})
			w.put(p)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Contains(t, press(alice, "noc", "DIGEST", value), "Nothing waits for this answer any more")
		require.Contains(t, press(alice, "noc", "DIGEST", alert.Asking{From: asked[4].Asked, To: asked[4].Asked}.String()), "**1 problem**", "another message's button")
	})
}
