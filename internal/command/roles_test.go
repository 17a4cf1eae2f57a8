package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// In a direct chat the role is that of the problem's rooms; roles in other rooms don't count.
func TestRoleByProblemInDirectChat(t *testing.T) {
	frank := Person{Email: "frank@example.com"} // operator in noc, viewer in db
	for _, c := range []struct {
		why   string
		input Input
		calls int
		want  string
	}{
		{"posted where they are an operator", Input{Text: "ack main/4711"}, 1, "Acknowledged"},
		{"posted where they are a viewer", Input{Text: "ack main/5000"}, 0, "`ack` needs the role **operator**. Your role for this problem is **viewer**"},
		{"posted in both rooms", Input{Text: "ack main/4712"}, 1, "Acknowledged"},
		{"one of two", Input{Text: "close main/4711 main/5000"}, 0, "Your role for `main/5000` is **viewer**. The relay's administrator can change that, under `people` in the configuration. Nothing was done to the others either."},
		{"by a button", Input{Button: &Button{Action: "close", Key: "main/5000", MessageID: "CARD"}}, 0, "frank&#64;example.com: `close` needs the role"},
		{"a comment", Input{Text: "comment main/5000 x"}, 0, "`comment` needs the role"},
		{"a viewer may show it", Input{Text: "show main/5000"}, 0, "SHOW main/5000"},
		{"posted where they have no role", Input{Text: "ack lab/4711"}, 0, "Unknown, or not visible to you"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.people = append(people().People,
				config.Person{Email: "frank@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}},
				config.Person{Email: "frank@example.com", Role: config.RoleViewer, Rooms: []string{"db"}})
			w.problem("main/4711", "noc")
			w.problem("main/4712", "noc", "db")
			w.problem("main/5000", "db")
			w.problem("lab/4711", "lan")
			r := w.start(t)
			defer r.stop()
			c.input.Person, c.input.Direct = frank, true
			r.receives("M1", c.input)
			synctest.Wait()
			require.Len(t, w.calls("main"), c.calls, "%s: %v", c.why, w.answers())
			require.Empty(t, w.calls("lab"), c.why)
			require.Contains(t, w.answers()[0], c.want, c.why)
		})
	}
}

// "ack all" on a digest in a direct chat skips problems of rooms in which the person may not acknowledge.
func TestAckAllRoleByProblem(t *testing.T) {
	for _, yes := range []Input{
		{Text: "ack all yes", ParentID: "DIRECT"},
		{Button: &Button{Action: buttonConfirm, Key: "M0", MessageID: "CARD"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.people = append(people().People,
				config.Person{Email: "frank@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}},
				config.Person{Email: "frank@example.com", Role: config.RoleViewer, Rooms: []string{"db"}})
			for key, rooms := range map[string][]string{
				"main/4711": {"noc"}, "main/4712": {"noc", "db"}, "main/5000": {"db"}, "main/5001": {"db"}, "main/5002": {}, "main/5003": {"lan"},
			} {
				k := w.problem(key, rooms...)
				w.member(k, "DIRECT", true, time.Time{})
			}
			r := w.start(t)
			defer r.stop()
			yes.Person, yes.Direct = Person{Email: "frank@example.com"}, true
			r.receives("M0", Input{Person: yes.Person, Direct: true, Text: "ack all", ParentID: "DIRECT"})
			synctest.Wait()
			require.Contains(t, w.answers()[0], "2 problems")
			r.receives("M1", yes)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), 2)
			for _, call := range w.calls("main") {
				require.Contains(t, []string{"4711", "4712"}, call.EventIDs[0])
			}
		})
	}
}

// The reply to a person without the role says only that, and nothing about which problems exist.
func TestRoleIsCheckedFirst(t *testing.T) {
	carol := Person{Email: "carol@example.com"}
	for _, h := range []Input{
		{Text: "ack 99999", Room: "noc"}, // no such problem
		{Text: "ack", Room: "noc"},
		{Text: "close 12th", Room: "noc", ParentID: "ROOT-main/4711@noc"},
		{Text: "ack all", Room: "noc", ParentID: "DIGEST"},
		{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"},
		{Text: "ack 4711", Direct: true}, // in two Zabbix
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.digested(3)
			h.Person = carol
			r.receives("M1", h)
			synctest.Wait()
			require.Equal(t, store.CommandDenied, w.command("M1").State, h)
			require.Contains(t, w.answers()[0], "needs the role **operator**", h)
		})
	}
}

// A digest can be acted on only from its own room, by text and by button.
func TestDigestOfAnotherRoom(t *testing.T) {
	for _, h := range []Input{
		{Text: "ack all yes", Room: "db", ParentID: "DIGEST"},
		{Text: "ack all", Room: "db", ParentID: "DIGEST"},
		{Button: &Button{Action: buttonConfirm, Key: "DIGEST", MessageID: "CARD"}, Room: "db"},
		{Text: "ack all yes", Direct: true, ParentID: "DIGEST"},
		{Button: &Button{Action: buttonConfirm, Key: "", MessageID: "CARD"}, Room: "noc"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.digested(6)
			for _, k := range w.keys() {
				w.post(k, "db", "ROOT", "")
			}
			r := w.start(t)
			defer r.stop()
			r.receives("M1", h)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Empty(t, append(w.calls("main"), w.calls("lab")...), h)
			require.Equal(t, store.CommandFailed, w.command("M1").State, h)
			require.Len(t, w.answers(), 1)
			if h.Button != nil {
				require.NotEqual(t, "DIGEST", w.notices()[0].ParentID, "the button's key is a stranger's")
			}
		})
	}
}

// The reply to a faulty press goes into the thread of its problem, or of its card.
func TestFaultyPressIsAnsweredInThread(t *testing.T) {
	for _, c := range []struct {
		button Button
		thread string
	}{
		{Button{Action: "comment", Key: "main/4711", MessageID: "CARD-OLD"}, "ROOT-main/4711@noc"}, // without words
		{Button{Action: "comment", Key: "main/4711", Comment: " \u200b ", MessageID: "CARD-OLD"}, "ROOT-main/4711@noc"},
		{Button{Action: "frobnicate", Key: "main/4711", MessageID: "CARD-OLD"}, "ROOT-main/4711@noc"},
		{Button{Action: "ack", Key: "nonsense", MessageID: "CARD-main/4711@noc"}, "ROOT-main/4711@noc"},
		{Button{Action: "ack", Key: "", MessageID: "CARD-main/4711@noc"}, "ROOT-main/4711@noc"},
		{Button{Action: "ack", Key: "main/5000", MessageID: "CARD-main/4711@noc"}, "ROOT-main/4711@noc"}, // a problem of another room
		{Button{Action: "ack", Key: "main/99", MessageID: "CARD-NOBODY-KNOWS"}, "CARD-NOBODY-KNOWS"},
		{Button{Action: "ack", Key: "main/99", MessageID: "CARD-main/5000@db"}, "CARD-main/5000@db"}, // a thread of another room
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			r.receives("M1", Input{Button: &c.button, Room: "noc", ParentID: c.button.MessageID})
			synctest.Wait()
			require.Len(t, w.answers(), 1)
			require.Equal(t, c.thread, w.notices()[0].ParentID, c.button)
			require.Contains(t, w.answers()[0], "❔ Alice Example: ", "the room doesn't see who pressed")
			require.Empty(t, w.calls("main"))
		})
	}
}

// Every burst of commands gets a warning, not only the first.
func TestEachBurstGetsOneWarning(t *testing.T) {
	var l limiter
	now := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	for burst := range 3 {
		warned := 0
		for range perMinute + 20 {
			if _, warn := l.allow("alice@example.com", now, now); warn {
				warned++
			}
		}
		require.Equal(t, 1, warned, "burst %d", burst)
		now = now.Add(2 * time.Minute)
	}
}

// Commands count when they were written: an hour's worth that is read at once passes, in whatever order its rooms are read, and no more.
func TestLimitCountsWhenCommandsWereWritten(t *testing.T) {
	var l limiter
	now := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	allowed := func(at time.Time) (n int) {
		for range perMinute {
			if ok, _ := l.allow("alice@example.com", at, now); ok {
				n++
			}
		}
		return n
	}
	for _, ago := range []int{60, 58, 56, 2, 59, 57, 4} {
		require.Equal(t, perMinute, allowed(now.Add(-time.Duration(ago)*time.Minute)), "%d minutes ago", ago)
	}
	require.Zero(t, allowed(now.Add(-58*time.Minute)), "again")
	require.Zero(t, allowed(now.Add(-58*time.Minute-30*time.Second)), "between two full minutes")
	require.Equal(t, perMinute, allowed(now))
	for range remembered {
		now = now.Add(time.Second)
		l.allow("alice@example.com", now, now)
	}
	require.LessOrEqual(t, len(l.people["alice@example.com"].given), remembered)
}

// Every time in a reply has its date unless it is today's.
func TestRepliesHaveDates(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 3, 0, 0, time.UTC)
	p := alert.Problem{Acknowledged: true, Timeline: []alert.Entry{{Kind: alert.EntryUpdate, Update: &alert.Update{At: at, Actor: alert.Actor{Name: "Bob"}, Actions: alert.Actions{Ack: true}}}}}
	tokyo := time.FixedZone("JST", 9*3600)
	for name, reply := range map[string]func(now time.Time, loc *time.Location) string{
		"acknowledged already": func(now time.Time, loc *time.Location) string {
			return doneEarlier(p, Request{Verb: Ack}, false, voice{room: render.Room{Location: loc}}, now)
		},
		"waiting": func(now time.Time, loc *time.Location) string {
			return waiting("main", at, lang.Say("is away"), now, voice{room: render.Room{Location: loc}})
		},
		"expired": func(now time.Time, loc *time.Location) string {
			return expired(attempt{}, Request{Verb: Ack}, at, voice{room: render.Room{Location: loc}}, now)
		},
		"lost": func(now time.Time, loc *time.Location) string {
			return lost(store.Command{CreatedAt: at}, now, voice{room: render.Room{Location: loc}})
		},
	} {
		require.Contains(t, reply(at.Add(time.Hour), nil), " 14:03 UTC"[1:], name)
		require.NotContains(t, reply(at.Add(time.Hour), nil), "Nov", name)
		require.Contains(t, reply(at.Add(24*time.Hour), nil), "24 Nov 14:03 UTC", name)
		require.Contains(t, reply(at.Add(-24*time.Hour), nil), "24 Nov 14:03 UTC", name)
		require.Contains(t, reply(at.Add(2*time.Hour), tokyo), "24 Nov 23:03 JST", name)
		require.Contains(t, reply(at.Add(-400*24*time.Hour), nil), "24 Nov 2026 14:03 UTC", name)
	}
}

// The reply to a refused press names the person. A typed command has its own thread.
func TestRefusedPressNamesPerson(t *testing.T) {
	for _, c := range []struct {
		input Input
		want  string
	}{
		{Input{Button: &Button{Action: "close", Key: "main/4711", MessageID: "CARD"}, Room: "noc"}, "🚫 Alice Example: Couldn't close"},
		{Input{Text: "close", Room: "noc", ParentID: "ROOT-main/4711@noc"}, "🚫 Couldn't close"},
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: &zabbix.Error{Kind: zabbix.CloseForbidden}}}
			r.receives("M1", c.input)
			synctest.Wait()
			require.Len(t, w.answers(), 1)
			require.Contains(t, w.answers()[0], c.want)
		})
	}
}

// Once another problem has an event id, no command about the earlier one reaches Zabbix.
func TestActOnReusedEventID(t *testing.T) {
	alice := Person{Email: "alice@example.com", Name: "Alice"}
	root, card := "ROOT-main/4711~1@noc", "CARD-main/4711~1@noc"
	for _, c := range []struct {
		why   string
		input Input
		want  string // in the reply; "" if the present problem is acted on
	}{
		{"ack in its thread", Input{Text: "ack", ParentID: root}, "its event id is another problem's now"},
		{"a comment in its thread", Input{Text: "comment post mortem", ParentID: root}, "its event id is another problem's now"},
		{"close in its thread", Input{Text: "close", ParentID: root}, "its event id is another problem's now"},
		{"severity in its thread", Input{Text: "severity high", ParentID: root}, "its event id is another problem's now"},
		{"a button of its card", Input{Button: &Button{Action: "ack", Key: "main/4711", MessageID: card}}, "its event id is another problem's now"},
		{"close by a button of its card", Input{Button: &Button{Action: "close", Key: "main/4711", MessageID: card}}, "its event id is another problem's now"},
		{"a button, the source in capitals", Input{Button: &Button{Action: "ack", Key: "MAIN/4711", MessageID: card}}, "its event id is another problem's now"},
		{"the earlier problem can still be shown", Input{Text: "show", ParentID: root}, "SHOW main/4711~1"},
		{"by its id, as the root shows it", Input{Text: "ack 4711", ParentID: root}, "its event id is another problem's now"},
		{"a button of the present one", Input{Button: &Button{Action: "ack", Key: "main/4711", MessageID: "CARD-main/4711@noc"}}, ""},
		{"a longer id isn't a later one", Input{Text: "ack", ParentID: "ROOT-main/47110@noc"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.problem("main/4711", "noc")
			w.problem("main/47110", "noc")
			earlier := w.problem("main/4711~1", "noc")
			w.put(w.find(earlier).Supersede(earlier, time.Now(), time.Now()))
			r := w.start(t)
			defer r.stop()
			c.input.Person, c.input.Room = alice, "noc"
			r.receives("M1", c.input)
			synctest.Wait()
			if c.want == "" {
				require.Len(t, w.calls("main"), 1, c.why)
				return
			}
			require.Empty(t, w.calls("main"), c.why)
			require.Contains(t, w.answers()[0], c.want, c.why)
		})
	}
}
