package command

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// story runs a test with a relay in virtual time.
func story(t *testing.T, test func(t *testing.T, w *world, r *relay)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.problem("main/4712", "noc", "db")
		w.problem("main/5000", "db")
		w.problem("lab/4711", "lan")
		r := w.start(t)
		defer r.stop()
		test(t, w, r)
	})
}

// signed is Alice's message for a problem of the first command.
func signed(t *testing.T, w *world, key, words string) string {
	t.Helper()
	commands, err := w.RecentCommands(t.Context(), time.Time{}, time.Time{})
	require.NoError(t, err)
	message, _ := sign(words, alice, markOf(commands[0].ID))
	return message
}

// An acknowledgement in the problem's thread reaches Zabbix with the person's name, and the timeline is the
// reply.
func TestAckInThread(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Equal(t, []zabbix.Acknowledge{{EventIDs: []string{"4711"}, Ack: true, Message: signed(t, w, "main/4711", "on it")}}, w.calls("main"))
		require.Empty(t, w.answers())
		c := w.command("M1")
		require.Equal(t, store.CommandDone, c.State)
		require.Equal(t, []string{"main/4711"}, c.Keys)
		require.Equal(t, "ack", c.Action)
		require.Equal(t, "alice@example.com", c.Email)
		require.Equal(t, "noc", c.Room)
		require.Equal(t, "✅ Acknowledged main/4711 problem 4711", c.Outcome)
		u := w.updates(t)
		require.Len(t, u, 1)
		require.Equal(t, alert.Actor{Name: "Alice Example", Email: "alice@example.com"}, u[0].Actor)
		require.Equal(t, "on it", u[0].Comment)
		require.Equal(t, signed(t, w, "main/4711", "on it"), u[0].Message)
		require.True(t, u[0].Actions.Ack)
		require.Equal(t, []alert.Key{{Source: "main", EventID: "4711"}}, w.changed)
		require.InDelta(t, 1, testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("ack", "done")), 0)
	})
}

// Outside of the problem's thread the reply says what was done, in the message's thread.
func TestAckElsewhere(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "ack 4711 4712 on it", Room: "noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 2)
		require.Equal(t, []string{"- ✅ Acknowledged `main/4711` problem 4711\n- ✅ Acknowledged `main/4712` problem 4712"}, w.answers())
		require.Equal(t, "M1", w.notices()[0].ParentID)
		require.Equal(t, "noc", w.notices()[0].Room)
		require.Equal(t, "relay", w.notices()[0].Bot)
		require.Equal(t, store.NoticeAnswer, w.notices()[0].Kind)
	})
}

// Commands are executed in their order.
func TestOrder(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		for i, text := range []string{"ack one", "unack two", "ack three", "unack four", "comment five"} {
			r.receives(fmt.Sprint("M", i), Input{Text: text, Room: "noc", ParentID: "ROOT-main/4711@noc"})
		}
		synctest.Wait()
		var words []string
		for _, c := range w.calls("main") {
			_, said, _ := strings.Cut(c.Message, "): ")
			words = append(words, said)
		}
		require.Equal(t, []string{"one", "two", "three", "four", "five"}, words)
	})
}

// A command that isn't executed gets a reply with the reason.
func TestRefusalsHaveReasons(t *testing.T) {
	bob, carol, mallory := Person{Email: "bob@example.com"}, Person{Email: "carol@example.com"}, Person{Email: "mallory@example.com"}
	for _, c := range []struct {
		why   string
		input Input
		want  string
		state store.CommandState
	}{
		{"misspelt", Input{Text: "akc 4711", Room: "noc"}, "❔ I don't know the command `akc`. Did you mean `ack`?", store.CommandFailed},
		{"no problem named", Input{Text: "ack", Room: "noc"}, "❔ Which problem? Give its event id", store.CommandFailed},
		{"a thread of something else", Input{Text: "ack", Room: "noc", ParentID: "SOMETHING"}, "❔ This thread isn't about a single problem", store.CommandFailed},
		{"a thread of another room", Input{Text: "ack", Room: "noc", ParentID: "ROOT-main/5000@db"}, "❔ This thread isn't about a single problem", store.CommandFailed},
		{"another room's problem", Input{Text: "ack 5000", Room: "noc"}, "❔ Unknown in this room: problem `5000`. Nothing was done.", store.CommandFailed},
		{"another room's problem isn't shown either", Input{Text: "show 5000", Room: "noc"}, "❔ Unknown in this room: problem `5000`.", store.CommandFailed},
		{"one of two is unknown", Input{Text: "ack 4711 5000", Room: "noc"}, "❔ Unknown in this room: problem `5000`. Nothing was done.", store.CommandFailed},
		{"no such problem", Input{Text: "ack 1 x", Room: "noc"}, "❔ Unknown in this room: problem `1`. Nothing was done.", store.CommandFailed},
		{"a number among words", Input{Text: "ack 5 minutes", Room: "noc", ParentID: "ROOT-main/4711@noc"}, "put a colon before them: `ack: 5 …`", store.CommandFailed},
		{"a viewer", Input{Text: "ack 4711", Room: "noc", Person: carol}, "🚫 `ack` needs the role **operator**. Your role in this room is **viewer**.", store.CommandDenied},
		{"nobody", Input{Text: "help", Room: "noc", Person: mallory}, "🚫 You have no role in this room", store.CommandDenied},
		{"an admin of another room", Input{Text: "ack 4711", Room: "noc", Person: bob}, "🚫 You have no role in this room", store.CommandDenied},
		{"nobody, misspelt", Input{Text: "akc", Room: "noc", Person: mallory}, "🚫 You have no role in this room", store.CommandDenied},
		{"nobody, direct", Input{Text: "show 4711", Direct: true, Person: mallory}, "🚫 You have no role in any room", store.CommandDenied},
		{"direct, another room's", Input{Text: "ack main/4711", Direct: true, Person: bob}, "❔ Unknown, or not visible to you: problem `main/4711`. Nothing was done.", store.CommandFailed},
		{"direct, in two Zabbix", Input{Text: "ack 4711", Direct: true}, "❔ `4711` exists in more than one Zabbix. Which one?\n\n- `ack lab/4711`: problem 4711\n- `ack main/4711`: problem 4711", store.CommandFailed},
		{"help", Input{Text: "", Room: "noc"}, "What I can do for you (your role: **operator**)", store.CommandDone},
		{"show", Input{Text: "show 4711", Room: "noc"}, "SHOW main/4711", store.CommandDone},
		{"show in the thread", Input{Text: "show", Room: "noc", ParentID: "CARD-main/4711@noc"}, "SHOW main/4711", store.CommandDone},
		{"a room lists the problems posted in it", Input{Text: "problems", Room: "noc"}, "LIST 2: main/4712 main/4711", store.CommandDone},
		{"direct, everywhere", Input{Text: "problems", Direct: true, Person: carol}, "LIST 4: lab/4711 main/5000 main/4712 main/4711", store.CommandDone},
		{"direct, one room", Input{Text: "problems", Direct: true, Person: bob}, "LIST 2: main/5000 main/4712", store.CommandDone},
		{"another relay's button", Input{Button: &Button{Action: "frobnicate", Key: "main/4711", MessageID: "CARD-main/4711@noc"}, Room: "noc"}, "I don't know this button", store.CommandFailed},
		{"a forged button", Input{Button: &Button{Action: "ack", Key: "main/5000", MessageID: "CARD-main/4711@noc"}, Room: "noc"}, "❔ Alice Example: This button isn't one of its card's problem, so I did nothing.", store.CommandFailed},
		{"a forged button on a message that isn't a card of the relay's", Input{Button: &Button{Action: "ack", Key: "main/5000", MessageID: "OTHER"}, Room: "noc"}, "❔ Alice Example: Unknown in this room: problem `main/5000`. Nothing was done.", store.CommandFailed},
		{"a severity that doesn't exist", Input{Button: &Button{Action: "severity", Key: "main/4711", Severity: "6", MessageID: "CARD-main/4711@noc"}, Room: "noc"}, "Which severity? Choose one in the card first", store.CommandFailed},
		{"a length that isn't one", Input{Button: &Button{Action: "suppress", Key: "main/4711", For: "2h and more", MessageID: "CARD-main/4711@noc"}, Room: "noc"}, "For how long? Write it into the card's field", store.CommandFailed},
		{"a button without a source", Input{Button: &Button{Action: "ack", Key: "4711", MessageID: "CARD-main/4711@noc"}, Room: "noc"}, "I don't know this button", store.CommandFailed},
		{"a viewer's press", Input{Button: &Button{Action: "close", Key: "main/4711"}, Room: "noc", Person: carol}, "🚫 carol&#64;example.com: `close` needs the role **operator**", store.CommandDenied},
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			r.receives("M1", c.input)
			synctest.Wait()
			require.Len(t, w.answers(), 1, c.why)
			require.Contains(t, w.answers()[0], c.want, c.why)
			require.Equal(t, c.state, w.command("M1").State, c.why)
			require.NotEmpty(t, w.command("M1").Outcome, c.why)
			require.Empty(t, w.calls("main"), c.why)
			require.Empty(t, w.entries(), c.why)
			require.LessOrEqual(t, len(w.answers()[0]), webex.MaxMessageBytes)
		})
	}
}

// A reply in a direct chat is addressed by the chat's id.
func TestReplyInDirectChat(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "ack main/4711", Direct: true})
		synctest.Wait()
		require.Equal(t, []string{"✅ Acknowledged `main/4711` problem 4711"}, w.answers())
		require.Empty(t, w.notices()[0].Room)
		require.Equal(t, "ROOM-", w.notices()[0].RoomID)
	})
}

// A button does what the command does, and its reply goes into the problem's thread.
func TestButtons(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("A1", Input{Button: &Button{Action: "ack", Key: "main/4711", Comment: "on\x00 it ", MessageID: "CARD-main/4711@noc"}, Room: "noc"})
		synctest.Wait()
		require.Len(t, w.changed, 1, "read again at once")
		r.receives("A2", Input{Button: &Button{Action: "close", Key: "main/4711", MessageID: "CARD-main/4711@noc"}, Room: "noc"})
		synctest.Wait()
		require.Equal(t, signed(t, w, "main/4711", "on it"), w.calls("main")[0].Message)
		require.True(t, w.calls("main")[1].Close)
		require.Equal(t, "pressed ack on main/4711: on it", w.command("A1").Text)
		require.Contains(t, string(w.entries()[0].Payload), `"card":"CARD-main/4711@noc"`, "the card is spent")
		require.Equal(t, []string{"✅ Asked Zabbix to close `main/4711` problem 4711: its message here changes once Zabbix has closed it"}, w.answers())
		require.Equal(t, "ROOT-main/4711@noc", w.notices()[0].ParentID)
		require.Len(t, w.changed, 5, "close finds the acknowledgement; then it is read at once and twice later")
	})
}

// Nothing is done twice, unless the person has words to add.
func TestAlreadyDone(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		k := alert.Key{Source: "main", EventID: "4711"}
		p := w.find(k)
		p.Acknowledged = true
		p.Timeline = []alert.Entry{{Kind: alert.EntryUpdate, Update: &alert.Update{At: time.Date(2026, 11, 24, 14, 3, 0, 0, time.UTC), Actor: alert.Actor{Name: "Bob"}, Actions: alert.Actions{Ack: true}}}}
		w.put(p)
		r.receives("M1", Input{Text: "ack", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		r.receives("M2", Input{Text: "sev average", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Equal(t, []string{
			"ℹ️ `main/4711` problem 4711 is already acknowledged, by Bob (24 Nov 2026 14:03 UTC).",
			"ℹ️ The severity of `main/4711` problem 4711 is already **average**.",
		}, w.answers())
		require.Equal(t, store.CommandDone, w.command("M1").State)

		r.receives("M3", Input{Text: "ack me too", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)

		p.State = alert.StateResolved
		w.put(p)
		r.receives("M4", Input{Text: "close 4711", Room: "noc"})
		r.receives("A5", Input{Button: &Button{Action: "ack", Key: "main/4711", Comment: "x", MessageID: "CARD-main/4711@noc"}, Room: "noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
		require.Contains(t, w.answers()[2], "is already resolved")
		require.Contains(t, w.answers()[3], "Its buttons no longer do anything. Your comment was not sent")
	})
}

// Zabbix's refusal is final: the reply explains it, and there is no retry.
func TestZabbixRefuses(t *testing.T) {
	for _, kind := range []zabbix.ErrorKind{zabbix.NotAuthorised, zabbix.RoleForbids, zabbix.NoObject, zabbix.CloseForbidden, zabbix.Unsupported, zabbix.Invalid, zabbix.Other} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: &zabbix.Error{Kind: kind, Message: "Zabbix's words"}}}
			r.receives("M1", Input{Text: "close", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			synctest.Wait()
			require.Empty(t, w.calls("main"))
			require.Len(t, w.answers(), 1)
			if kind == zabbix.Unsupported { // our own words
				require.Contains(t, w.answers()[0], "problem 4711: Zabbix's words")
			} else {
				require.Contains(t, w.answers()[0], "Zabbix says: “Zabbix's words”")
			}
			require.Equal(t, store.CommandFailed, w.command("M1").State)
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			require.Empty(t, w.calls("main"))
			require.Empty(t, w.entries())
		})
	}
}

// A problem that Zabbix says it doesn't have is looked at, whatever somebody wanted to do with it. Other refusals start nothing.
func TestMissingEventsAreLookedAt(t *testing.T) {
	for kind, want := range map[zabbix.ErrorKind][]alert.Key{zabbix.NoObject: {{Source: "main", EventID: "4711"}}, zabbix.RoleForbids: nil} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: &zabbix.Error{Kind: kind, Message: "no"}}}
			r.receives("M1", Input{Text: "ack", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			synctest.Wait()
			require.Equal(t, store.CommandFailed, w.command("M1").State)
			require.Equal(t, want, w.missing)
		})
	}
}

// While Zabbix is unreachable there is an interim reply. It becomes the final one when the command is done.
func TestZabbixUnreachable(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.setDown("main", true)
		began := time.Now()
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		until := began.Add(time.Hour).UTC().Format("15:04")
		require.Equal(t, []string{"⏳ Zabbix `main` can't be reached. I'll keep trying until " + until + " UTC and report back here; the command runs at most once."}, w.answers())
		require.Equal(t, store.CommandRetrying, w.command("M1").State)

		time.Sleep(time.Minute)
		r.receives("M2", Input{Text: "unack 4711", Room: "noc"}) // waits behind the first
		r.receives("M3", Input{Text: "ack lab/4711", Room: "lan"})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Len(t, w.answers(), 3, "another command gets the interim reply too, and another Zabbix isn't blocked")
		require.Len(t, w.calls("lab"), 1)

		w.setDown("main", false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		calls := w.calls("main")
		require.Len(t, calls, 2)
		require.True(t, calls[0].Ack, "in their order")
		require.True(t, calls[1].Unack)
		require.Equal(t, "✅ Acknowledged `main/4711` problem 4711", w.answers()[0])
		require.Len(t, w.answers(), 3)
		require.Equal(t, store.CommandDone, w.command("M1").State)
	})
}

// If Zabbix stays unreachable, the command expires with a new message: an edit would notify nobody.
func TestExpired(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.setDown("main", true)
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		require.Len(t, w.answers(), 2)
		require.Contains(t, w.answers()[1], "⌛ Couldn't acknowledge `main/4711` problem 4711: Zabbix `main` was unreachable or failing until")
		require.Equal(t, store.CommandExpired, w.command("M1").State)
		w.setDown("main", false)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, w.calls("main"))
	})
}

// After a lost answer Zabbix's record is read before the call is repeated.
func TestLostAnswer(t *testing.T) {
	unanswered := &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true, Message: "time-out"}
	t.Run("it was done", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: unanswered, done: true}}
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			synctest.Wait()
			require.Contains(t, w.answers()[0], "got the request but didn't answer")
			require.Equal(t, store.CommandExecuting, w.command("M1").State)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), 1)
			require.Equal(t, []string{"✅ Commented on `main/4711` problem 4711"}, w.answers())
			require.Len(t, w.updates(t), 1)
		})
	})
	t.Run("it wasn't done, and is repeated later", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: unanswered}}
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			time.Sleep(settleTime - time.Second)
			synctest.Wait()
			require.Empty(t, w.calls("main"), "the call may still be in flight")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Len(t, w.calls("main"), 1)
			require.Equal(t, store.CommandDone, w.command("M1").State)
		})
	})
	t.Run("an unknown error counts as a lost answer", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: errors.New("what?"), done: true}}
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), 1)
			require.Equal(t, store.CommandDone, w.command("M1").State)
		})
	})
	t.Run("the outcome can't be determined", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: unanswered, done: true}}
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			synctest.Wait()
			w.setDown("main", true)
			time.Sleep(time.Hour + time.Minute)
			synctest.Wait()
			require.Contains(t, w.answers()[1], "❓ I don't know whether I could comment on `main/4711`")
			require.Equal(t, store.CommandFailed, w.command("M1").State)
			require.Len(t, w.calls("main"), 1)
		})
	})
	t.Run("Zabbix refuses the lookup", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: unanswered, done: true}}
			w.zabbixes["main"].observeFail = []error{nil, &zabbix.Error{Kind: zabbix.NotAuthorised}}
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Contains(t, w.answers()[1], "❓ I don't know whether")
		})
	})
	t.Run("the event is gone", func(t *testing.T) {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.zabbixes["main"].fail = []failure{{err: unanswered}}
			delete(w.zabbixes["main"].events, "4711")
			r.receives("M1", Input{Text: "comment x", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Contains(t, w.answers()[1], "event not found")
		})
	})
}

// A person with too many commands gets one warning, then no replies.
func TestTooManyCommands(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		for i := range perMinute + 10 {
			r.receives(fmt.Sprint("M", i), Input{Text: "help", Room: "noc"})
		}
		r.receives("N", Input{Text: "help", Room: "noc", Person: Person{Email: "carol@example.com"}})
		synctest.Wait()
		answers := w.answers()
		require.Len(t, answers, perMinute+2, "thirty replies, one warning, and a reply to another person")
		require.Contains(t, strings.Join(answers, "\n"), "🐢 More than 30 commands in a minute")
		require.Equal(t, store.CommandDenied, w.command(fmt.Sprint("M", perMinute+5)).State)
		time.Sleep(time.Minute)
		r.receives("M", Input{Text: "help", Room: "noc"})
		synctest.Wait()
		require.Len(t, w.answers(), perMinute+3)
	})
}

// Zabbix allows actions on triggers' problems only. For others there is no call, and the reply says why.
func TestOnlyProblemsOfTriggersAreActedOn(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		p := w.find(alert.Key{Source: "main", EventID: "4711"})
		p.Origin = alert.OriginService
		w.put(p)
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Len(t, w.answers(), 1)
		require.Contains(t, w.answers()[0], "is a service event")
		require.Equal(t, store.CommandFailed, w.command("M1").State)
	})
}
