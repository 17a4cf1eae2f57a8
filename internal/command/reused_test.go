package command

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// overtake makes the ledger's changes for a problem whose event id another problem takes.
func (w *world) overtake(key string) {
	k := alert.ParseKey(key)
	old := w.find(k)
	earlier := k.Earlier(old.Generation + 1)
	posts, err := w.PostsOf(context.Background(), []alert.Key{k})
	must(err)
	w.commit(store.Fold{Moved: []store.Move{{From: k, To: earlier}}, Problems: []alert.Problem{
		{Key: k, Generation: old.Generation + 1, State: alert.StateOpen, Origin: alert.OriginTrigger, Facts: alert.Facts{Name: "another"}},
		old.Supersede(earlier, time.Now(), time.Now()),
	}})
	for _, p := range posts[k] {
		w.post(k, p.Room, "NEW-ROOT", "NEW-CARD")
	}
}

// A problem whose event id belongs to another problem now can't be acted on, and the other problem isn't changed.
func TestSupersededProblemIsNotActedOn(t *testing.T) {
	const thread, goneWords = "ROOT-main/4711@noc", "`main/4711` problem 4711 is gone from Zabbix, and its event id is another problem's now. Nothing was done"
	say := func(text string) Input { return Input{Text: text, Room: "noc", ParentID: thread} }
	press := func(action, comment string) Input {
		return Input{Button: &Button{Action: action, Key: "main/4711", Comment: comment, MessageID: "CARD-main/4711@noc"}, Room: "noc"}
	}
	for why, c := range map[string]struct {
		input Input
		want  string
		calls int
	}{
		"acknowledge":            {say("ack"), goneWords, 0},
		"with words":             {say("ack on it"), goneWords, 0},
		"undo":                   {say("unack"), goneWords, 0},
		"close":                  {say("close"), goneWords, 0},
		"comment":                {say("comment hi"), goneWords, 0},
		"severity":               {say("severity high"), goneWords, 0},
		"severity as it was":     {say("severity average"), goneWords, 0},
		"by its old id":          {say("ack 4711"), goneWords, 0},
		"by its id and source":   {say("ack main/4711"), goneWords, 0},
		"the card that remained": {press("ack", ""), goneWords, 0},
		"a comment by card":      {press("comment", "hi"), goneWords, 0},
		"close by card":          {press("close", ""), goneWords, 0},
		"show":                   {say("show"), "This problem is gone from Zabbix", 0},
		"show by its old id":     {say("show 4711"), "This problem is gone from Zabbix", 0},

		"another problem from there": {say("ack 4712"), "", 1},
		"the present one":            {Input{Text: "ack 4711", Room: "noc"}, "", 1},
		"in the present one's":       {Input{Text: "ack", Room: "noc", ParentID: "NEW-ROOT"}, "", 1},
		"the present one's card": {Input{Button: &Button{Action: "ack", Key: "main/4711", MessageID: "NEW-CARD"}, Room: "noc"},
			"", 1},
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.overtake("main/4711")
			r.receives("M1", c.input)
			synctest.Wait()
			require.Len(t, w.calls("main"), c.calls, "%s: %v", why, w.answers())
			for _, call := range w.calls("main") {
				require.NotContains(t, call.EventIDs[0], "~", why)
			}
			if c.want != "" {
				require.Len(t, w.answers(), 1, why)
				require.Contains(t, w.answers()[0], c.want, why)
				require.NotContains(t, strings.TrimPrefix(w.answers()[0], "SHOW main/4711~1"), "4711~1", why) // the fake renderer prints the key
			}
			for _, key := range w.changed {
				require.NotContains(t, key.EventID, "~", why)
			}
		})
	}
}

// A command that waits for Zabbix isn't executed on another problem that gets the event id meanwhile.
func TestEventIDReusedDuringRetry(t *testing.T) {
	for why, text := range map[string]string{"ack": "ack on it", "close": "close", "comment": "comment hi"} {
		for _, restart := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.problem("main/4711", "noc")
				r := w.start(t)
				defer func() { r.stop() }()
				w.setDown("main", true)
				r.receives("M1", Input{Text: text, Room: "noc", ParentID: "ROOT-main/4711@noc"})
				time.Sleep(10 * time.Second)
				asked := len(w.calls("main"))
				if restart {
					r.stop()
				}
				w.overtake("main/4711")
				w.setDown("main", false)
				if restart {
					r = w.start(t)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Len(t, w.calls("main"), asked, "%s: %v", why, w.answers())
				require.Equal(t, store.CommandFailed, w.command("M1").State, why)
				require.Contains(t, w.answers()[len(w.answers())-1], "its event id is another problem's now", why)
			})
		}
	}
}

// An event id that Zabbix reused before the relay knows of it isn't acted on, by any verb or "ack all".
func TestEventIDReusedUnnoticed(t *testing.T) {
	for _, said := range []Input{
		{Text: "ack", ParentID: "ROOT-main/4711@noc"}, {Text: "ack on it", ParentID: "ROOT-main/4711@noc"}, {Text: "comment hi", ParentID: "ROOT-main/4711@noc"},
		{Text: "severity high", ParentID: "ROOT-main/4711@noc"}, {Text: "close", ParentID: "ROOT-main/4711@noc"}, {Text: "ack 4711 4712"},
		{Button: &Button{Action: "ack", Key: "main/4711", MessageID: "CARD-main/4711@noc"}}, {Text: "ack all yes", ParentID: "DIGEST"},
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			key := alert.ParseKey("main/4711")
			if said.ParentID == "DIGEST" {
				key = w.problem("main/4713")
				w.member(key, "DIGEST", true, time.Time{})
			}
			p := w.find(key)
			p.TriggerID = "1"
			w.put(p)
			w.zabbixes["main"].events[key.EventID] = &alert.Observation{TriggerID: "2", Opened: time.Now()}
			said.Room = "noc"
			r.receives("M1", said)
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, call := range w.calls("main") {
				require.Equal(t, []string{"4712"}, call.EventIDs, "%+v", said)
			}
			require.Len(t, w.answers(), 1)
			require.Contains(t, w.answers()[0], "its event id is another problem's now", "%+v", said)
			require.Contains(t, w.changed, p.Key, "the other problem is read from Zabbix")
		})
	}
}
