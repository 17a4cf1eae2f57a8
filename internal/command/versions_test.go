package command

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// edits has the relay hear that a message was edited, as chat does.
func (r *relay) edits(message string, version int, h Heard) {
	h.Person, h.RoomID = alice, "ROOM-"+h.Room
	c := Claim("relay", webex.Envelope{Resource: "messages", Event: "updated", Data: webex.EnvelopeData{ID: message, RoomID: h.RoomID}}, time.Now())
	c.ID = VersionID(message, version)
	r.w.mu.Lock()
	r.w.heard[c.ID] = h
	r.w.mu.Unlock()
	if r.w.claim(c) {
		r.Add(c)
	}
}

// An edited message is carried out once: where its earlier versions were misspelt, asked back or
// couldn't be read, and never where one of them led to anything.
func TestEditedMessages(t *testing.T) {
	type versions []string
	for name, c := range map[string]struct {
		said  versions
		calls int
		state store.CommandState // of the last version
		says  string             // in the last version's outcome
	}{
		"misspelt, then right":             {versions{"akc 4711", "ack 4711"}, 1, store.CommandDone, "Acknowledged"},
		"misspelt twice, then right":       {versions{"akc 4711", "akk 4711", "ack 4711"}, 1, store.CommandDone, "Acknowledged"},
		"an id that the room doesn't know": {versions{"ack 9999", "ack 4711"}, 1, store.CommandDone, "Acknowledged"},
		"no id":                            {versions{"ack", "ack 4711"}, 1, store.CommandDone, "Acknowledged"},
		"right, then other words":          {versions{"ack 4711", "ack 4711 on it"}, 1, store.CommandDone, "ignored: edited"},
		"right, then another problem":      {versions{"ack 4711", "ack 4712"}, 1, store.CommandDone, "ignored: edited"},
		"right, then misspelt":             {versions{"ack 4711", "akc 4711"}, 1, store.CommandDone, "ignored: edited"},
		"misspelt, right, another":         {versions{"akc 4711", "ack 4711", "ack 4712"}, 1, store.CommandDone, "ignored: edited"},
		"help, then a command":             {versions{"help", "ack 4711"}, 0, store.CommandDone, "ignored: edited"},
		"misspelt, delivered again":        {versions{"akc 4711", "akc 4711"}, 0, store.CommandDone, "ignored: edited (the words are the same)"},
		"right, delivered thrice":          {versions{"akc 4711", "ack 4711", "ack 4711", "ack 4711"}, 1, store.CommandDone, "ignored: edited"},
		"right, other words thrice":        {versions{"ack 4711", "ack 4712", "close 4712", "close 4712"}, 1, store.CommandDone, "ignored: edited"},
		"delivered again, then right":      {versions{"akc 4711", "akc 4711", "ack 4711"}, 1, store.CommandDone, "Acknowledged"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.hears("M1", Heard{Text: c.said[0], Room: "noc"})
				synctest.Wait()
				for i, text := range c.said[1:] {
					r.edits("M1", i+1, Heard{Text: text, Room: "noc"})
					time.Sleep(10 * time.Second)
					synctest.Wait()
				}
				require.Len(t, w.calls("main"), c.calls)
				last := w.command(VersionID("M1", len(c.said)-1))
				require.Equal(t, c.state, last.State)
				require.Contains(t, last.Outcome, c.says)
				for _, n := range w.notices {
					require.Equal(t, "M1", n.ParentID, "answers are in the message's thread")
				}
			})
		})
	}
}

// An edit of a message whose command went to Zabbix isn't heard, whatever became of it there: a part may be done.
func TestAnEditAfterZabbixWasAsked(t *testing.T) {
	for name, c := range map[string]struct {
		said  string
		fail  []failure
		away  bool // all the time
		calls int
	}{
		"refused":             {"close 4711", []failure{{err: &zabbix.Error{Kind: zabbix.CloseForbidden}}}, false, 0},
		"one of two refused":  {"close 4711 4712", []failure{{err: &zabbix.Error{Kind: zabbix.CloseForbidden}}}, false, 1},
		"the role forbids it": {"ack 4711", []failure{{err: &zabbix.Error{Kind: zabbix.RoleForbids}}}, false, 0},
		"the form is wrong":   {"ack 4711 x", []failure{{err: &zabbix.Error{Kind: zabbix.Invalid}}}, false, 0},
		"expired":             {"ack 4711", nil, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				w.zabbixes["main"].fail = c.fail
				w.setDown("main", c.away)
				r.hears("M1", Heard{Text: c.said, Room: "noc"})
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				require.Contains(t, []store.CommandState{store.CommandFailed, store.CommandExpired}, w.command("M1").State)
				require.False(t, CountsAgain(w.command("M1")))
				w.setDown("main", false)
				r.edits("M1", 1, Heard{Text: "ack 4711 4712 other words", Room: "noc"})
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, w.calls("main"), c.calls)
				require.Contains(t, w.command("M1/edit/1").Outcome, "ignored: edited")
			})
		})
	}
}

// An edit that comes while the version before is still being read waits for what comes of it.
func TestEditedWhileItIsRead(t *testing.T) {
	for first, calls := range map[string]int{"akc 4711": 1, "ack 4711": 1} {
		story(t, func(t *testing.T, w *world, r *relay) {
			w.hearErr["M1"] = []error{errors.New("503"), errors.New("503")}
			r.hears("M1", Heard{Text: first, Room: "noc"})
			synctest.Wait()
			r.edits("M1", 1, Heard{Text: "ack 4711 on it", Room: "noc"})
			synctest.Wait()
			require.Empty(t, w.calls("main"))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), calls, first)
			require.Equal(t, store.CommandDone, w.command("M1/edit/1").State)
		})
	}
}

// A version that could never be read is as good as none; an edit made too long ago is too late.
func TestEditedAfterItWasUnread(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.hearErr["M1"] = []error{&Unread{Err: errors.New("403 Failed to get activity")}}
		r.hears("M1", Heard{Text: "ack 4711", Room: "noc"})
		synctest.Wait()
		require.Len(t, w.answers(), 1)
		require.Contains(t, w.answers()[0], "didn't let me read this")
		c := w.command("M1")
		require.Equal(t, store.CommandFailed, c.State)
		require.Contains(t, c.Outcome, "403 Failed to get activity")
		r.edits("M1", 1, Heard{Text: "ack 4711 on it", Room: "noc", EditedAt: time.Now().Add(-2 * time.Hour)})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Equal(t, store.CommandExpired, w.command("M1/edit/1").State)
		r.edits("M1", 2, Heard{Text: "ack 4711 on it", Room: "noc", EditedAt: time.Now()})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
	})
}

// In a room that isn't configured what can't be read is given up without a word.
func TestUnreadElsewhere(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.hearErr["M1"] = []error{&Unread{Err: errors.New("403")}}
		r.hears("M1", Heard{Text: "ack 4711", Room: "lobby"})
		synctest.Wait()
		require.Empty(t, w.answers())
		require.Equal(t, store.CommandFailed, w.command("M1").State)
	})
}

// All of a person's addresses count for what they may do, in rooms and in direct chats; they act
// under one.
func TestRolesByAllAddresses(t *testing.T) {
	cfg := people()
	for _, c := range []struct {
		emails []string
		room   string
	}{
		{[]string{"alice@example.com", "old@example.org"}, "noc"}, {[]string{"old@example.org", "alice@example.com"}, "noc"},
		{[]string{"old@example.org", "ALICE@example.com "}, "noc"},
	} {
		s := scope{Dir: cfg, Email: c.emails[0], Also: c.emails[1:], Room: c.room}
		require.Equal(t, cfg.RoleOf([]string{"alice@example.com"}, c.room), s.role())
		s.Direct, s.Room = true, ""
		require.True(t, s.hears(personRoom(c.emails[0])))
		require.True(t, s.hears(personRoom(c.emails[1])))
		require.False(t, s.hears(personRoom("other@example.com")))
	}
	s := scope{Dir: cfg, Email: "old@example.org", Also: []string{"alice+x@example.org"}, Room: "noc"}
	require.Equal(t, cfg.RoleOf([]string{"old@example.org"}, "noc"), s.role())
}
