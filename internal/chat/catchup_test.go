package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// What a look takes from a list depends on how far the room was read, on the age, and on edits.
func TestMissed(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) webex.Time { return webex.Time{Time: noon.Add(time.Duration(minutes) * time.Minute)} }
	message := func(id string, created int) webex.Message {
		return webex.Message{ID: id, PersonID: personID("a11ce"), Created: at(created)}
	}
	edited := func(id string, created, updated int) webex.Message {
		m := message(id, created)
		m.Updated = at(updated)
		return m
	}
	own := message("own", 0)
	own.PersonID = relayBot.ID
	for name, tc := range map[string]struct {
		done progress
		list []webex.Message // newest first
		want []string
		next progress
	}{
		"nothing":             {progress{From: noon}, nil, nil, progress{From: noon}},
		"oldest first":        {progress{From: noon}, []webex.Message{message("c", 3), message("b", 2), message("a", 1)}, []string{"created a", "created b", "created c"}, progress{From: noon, Newest: at(3).Time}},
		"before the relay":    {progress{From: noon}, []webex.Message{message("b", 1), message("a", 0)}, []string{"created b"}, progress{From: noon, Newest: at(1).Time}},
		"with overlap":        {progress{From: at(-60).Time, Newest: noon}, []webex.Message{message("b", -4), message("a", -6)}, []string{"created b"}, progress{From: at(-60).Time, Newest: noon}},
		"expired":             {progress{From: at(-90).Time}, []webex.Message{message("b", -29), message("a", -31)}, []string{"created b"}, progress{From: at(-90).Time, Newest: at(-29).Time}},
		"the bot's own":       {progress{From: at(-1).Time}, []webex.Message{own}, nil, progress{From: at(-1).Time, Newest: noon}},
		"an edit":             {progress{From: at(-20).Time, Newest: noon}, []webex.Message{edited("a", -10, 2)}, []string{"updated a"}, progress{From: at(-20).Time, Newest: noon, Edited: at(2).Time}},
		"an edit of long ago": {progress{From: at(-60).Time}, []webex.Message{edited("a", -50, -40)}, nil, progress{From: at(-60).Time, Newest: at(-50).Time, Edited: at(-40).Time}},
		"an edit again":       {progress{From: at(-20).Time, Newest: noon, Edited: at(2).Time}, []webex.Message{edited("a", -10, 2)}, nil, progress{From: at(-20).Time, Newest: noon, Edited: at(2).Time}},
		"a new one, edited":   {progress{From: noon}, []webex.Message{message("b", 2), edited("a", 1, 3)}, []string{"created b", "updated a"}, progress{From: noon, Newest: at(2).Time, Edited: at(3).Time}},
	} {
		t.Run(name, func(t *testing.T) {
			found, next := tc.done.missed(tc.list, relayBot.ID, at(-30).Time)
			var got []string
			for _, e := range found {
				got = append(got, e.Event+" "+e.Data.ID)
			}
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.next, next)
		})
	}
}

// Group rooms are read from when they are new, direct chats from when the relay first looked.
func TestAdmit(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	later := noon.Add(time.Hour)
	var s seen
	require.True(t, s.admit(nil, noon))
	require.True(t, s.admit([]place{{id: "noc"}, {id: "alice", direct: true}}, later))
	require.Equal(t, seen{noon, map[string]progress{"noc": {From: later}, "alice": {From: noon}}}, s)
	require.False(t, s.admit([]place{{id: "noc"}, {id: "bob", direct: true}}, later.Add(time.Hour)))
	require.Equal(t, seen{noon, map[string]progress{"noc": {From: later}, "bob": {From: noon}}}, s)
}

// away stops the relay for a time, in which something happens.
func (r *real) away(d time.Duration, happens func()) {
	r.stop()
	until := time.Now().Add(d)
	time.Sleep(time.Second)
	happens()
	time.Sleep(time.Until(until))
	r.start()
	r.pass(time.Minute)
}

// inRoom is what the bot says in a room outside threads, beginning with some words.
func (r *real) inRoom(room, words string) (texts []string) {
	for _, m := range r.webex.Timeline(room) {
		if m.ParentID == "" && m.From.Email == botAddr && !m.Deleted && strings.HasPrefix(m.Text, words) {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// What people wrote while the relay was away is done once, in its order: in rooms, threads and direct chats, as it is now.
func TestCatchUpAfterAnAbsence(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		id, root, direct := r.key().EventID, r.post().RootID, webexsim.DirectRoomID(botAddr, aliceAddr)
		misspelt := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "akc " + id, MentionBot: true})
		r.pass(time.Minute)
		var first, gone webexsim.MessageView
		r.away(20*time.Minute, func() {
			first = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment " + id + " first", MentionBot: true})
			time.Sleep(time.Second)
			r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment second", ParentID: root, MentionBot: true})
			time.Sleep(time.Second)
			r.say(webexsim.Line{Room: direct, From: aliceAddr, Text: "comment " + id + " third"})
			fixed := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment " + id + " fourht", MentionBot: true})
			_, err := r.webex.Edit(fixed.ID, aliceAddr, "comment "+id+" fourth")
			require.NoError(t, err)
			_, err = r.webex.Edit(misspelt.ID, aliceAddr, "ack "+id+" fifth")
			require.NoError(t, err)
			r.say(webexsim.Line{Room: "noc", From: eveAddr, Text: "comment " + id + " stranger", MentionBot: true})
			r.say(webexsim.Line{Room: "lobby", From: aliceAddr, Text: "comment " + id + " elsewhere", MentionBot: true})
			r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment " + id + " not to the bot"})
			gone = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment " + id + " deleted", MentionBot: true})
			require.NoError(t, r.webex.Delete(gone.ID, aliceAddr))
			// The first message to the bot of somebody else.
			r.webex.Direct(botAddr, bobAddr)
			r.say(webexsim.Line{Room: webexsim.DirectRoomID(botAddr, bobAddr), From: bobAddr, Text: "help"})
		})
		recovered := testutil.ToFloat64(r.metrics.recovered.WithLabelValues("noc"))
		r.pass(30 * time.Minute)
		for _, words := range []string{"first", "second", "third", "fourth", "fifth"} {
			require.Equal(t, 1, r.commented(words), words)
		}
		require.Len(t, r.acks(), 5)
		require.Less(t, r.indexOf("first"), r.indexOf("second"))
		require.Len(t, r.answersTo("noc", first.ID), 1)
		require.NotEmpty(t, r.inThreads(webexsim.DirectRoomID(botAddr, bobAddr)), "the first message of a direct chat")
		require.Equal(t, recovered, testutil.ToFloat64(r.metrics.recovered.WithLabelValues("noc")), "later looks find nothing new")
		require.InDelta(t, time.Now().Unix(), testutil.ToFloat64(r.metrics.lastLook.WithLabelValues("noc")), lookEvery.Seconds()+60)
	})
}

// indexOf is the position of a comment in Zabbix.
func (r *real) indexOf(words string) int {
	for i, a := range r.acks() {
		if strings.HasSuffix(a.Message, ": "+words) {
			return i
		}
	}
	return -1
}

// inThreads is what the bot says in the threads of a room.
func (r *real) inThreads(room string) (texts []string) {
	for _, m := range r.webex.Timeline(room) {
		if m.ParentID != "" && m.From.Email == botAddr {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// A message older than command.expiry is left alone.
func TestCatchUpLeavesExpiredMessages(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		var said webexsim.MessageView
		r.away(61*time.Minute, func() {
			said = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + r.key().EventID, MentionBot: true})
			time.Sleep(30 * time.Minute)
			r.comment("in time")
		})
		r.pass(time.Hour)
		require.Len(t, r.acks(), 1)
		require.Equal(t, 1, r.commented("in time"))
		require.Empty(t, r.answersTo("noc", said.ID))
	})
}

// A relay with an empty store doesn't execute what was said before it existed, even if its first look fails; what is said from then on
// counts.
func TestNewRelayExecutesNothingOld(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.away(2*time.Minute, func() {
			r.path = t.TempDir() + "/new.db"
			r.comment("room")
			r.say(webexsim.Line{Room: webexsim.DirectRoomID(botAddr, aliceAddr), From: aliceAddr, Text: "comment " + r.key().EventID + " direct"})
			r.webex.AddFault(webexsim.Fault{Op: "GET /messages", Status: 503, Count: 1})
		})
		r.pass(time.Hour)
		require.Empty(t, r.acks())
		require.Empty(t, r.commands())
		require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.lookFailures.WithLabelValues("noc")))
		var said webexsim.MessageView
		r.away(2*time.Minute, func() {
			said = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "help", MentionBot: true})
		})
		require.Len(t, r.answersTo("noc", said.ID), 1)
	})
}

// A look that is told to wait waits and goes on; a room that can't be read doesn't keep the others from being read.
func TestCatchUpWaits(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.away(2*time.Minute, func() {
			r.comment("room")
			r.say(webexsim.Line{Room: webexsim.DirectRoomID(botAddr, aliceAddr), From: aliceAddr, Text: "comment " + r.key().EventID + " direct"})
			r.webex.AddFault(webexsim.Fault{Op: "GET /messages", Status: 429, RetryAfter: "200", Count: 1})
			r.webex.AddFault(webexsim.Fault{Op: "GET /messages", Room: "noc", Status: 403})
		})
		require.Empty(t, r.acks())
		require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.lookFailures.WithLabelValues("noc")))
		r.pass(4 * time.Minute)
		require.Equal(t, 1, r.commented("direct"))
		require.Zero(t, r.commented("room"))
		require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.lookFailures.WithLabelValues("noc")))
	})
}

// listingWebex lists these messages in each room.
type listingWebex struct {
	*fakeWebex
	list []webex.Message
	read []string         // rooms
	fail map[string]error // of the next read of a room
}

func (w *listingWebex) Messages(_ context.Context, room string, _ bool, take func([]webex.Message) bool) error {
	w.read = append(w.read, room)
	if err := w.fail[room]; err != nil {
		delete(w.fail, room)
		return err
	}
	take(w.list)
	return nil
}

// failingClaims fails to claim with an error.
type failingClaims struct {
	*claims
	err error
}

func (c *failingClaims) ClaimCommand(ctx context.Context, cmd store.Command) (bool, error) {
	if c.err != nil {
		return false, c.err
	}
	return c.claims.ClaimCommand(ctx, cmd)
}

// looking makes a listener of a bot that serves the rooms noc and dm, and whose first look is over.
func looking(t *testing.T) (l *Listener, w *listingWebex, c *failingClaims) {
	w, c = &listingWebex{fakeWebex: newFake(), fail: map[string]error{}}, &failingClaims{claims: emptyClaims()}
	r, m := newReader(w.fakeWebex)
	r.setBots([]Bot{{Name: "noc", Listen: config.ListenWebhook, Webex: w}})
	l = newListener(r, c.claims, m, slog.New(slog.DiscardHandler))
	l.o.Inbox.o.Store = c
	n, err := l.look(t.Context(), "noc", map[string]bool{})
	require.NoError(t, err)
	require.Zero(t, n)
	time.Sleep(time.Minute)
	w.list = []webex.Message{{ID: "M1", RoomID: "ROOM-noc", RoomType: "group", PersonID: personID("a11ce"), Created: webex.Time{Time: time.Now()}}}
	w.read = nil
	return l, w, c
}

// A claim that fails loses nothing: the next look, also that of another process, finds the message.
func TestCatchUpAfterAFailedClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, c := looking(t)
		c.err = errors.New("disk full")
		_, err := l.look(t.Context(), "noc", map[string]bool{})
		require.ErrorIs(t, err, c.err)
		c.err = nil
		time.Sleep(overlap + time.Minute)
		n, err := l.look(t.Context(), "noc", map[string]bool{})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{"M1"}, c.order)
	})
}

// A look that failed goes on where it was.
func TestCatchUpGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w, _ := looking(t)
		w.fail["ROOM-dm"] = &webex.Error{Status: 429, RetryAfter: time.Minute}
		done := map[string]bool{}
		n, err := l.look(t.Context(), "noc", done)
		require.Error(t, err)
		require.Equal(t, 1, n)
		_, err = l.look(t.Context(), "noc", done)
		require.NoError(t, err)
		require.Equal(t, []string{"ROOM-noc", "ROOM-dm", "ROOM-dm"}, w.read)
	})
}

// A room that can't be read doesn't keep the others from being read. Only what concerns all of them ends a look.
func TestCatchUpReadsTheOtherRooms(t *testing.T) {
	for status, read := range map[int][]string{400: {"ROOM-noc", "ROOM-dm"}, 502: {"ROOM-noc", "ROOM-dm"}, 429: {"ROOM-noc"}, 401: {"ROOM-noc"}} {
		synctest.Test(t, func(t *testing.T) {
			l, w, _ := looking(t)
			w.fail["ROOM-noc"] = &webex.Error{Status: status}
			done := map[string]bool{}
			_, err := l.look(t.Context(), "noc", done)
			require.Error(t, err)
			require.Equal(t, read, w.read, status)
			require.NotContains(t, done, webexid.Key("ROOM-noc"))
			_, err = l.look(t.Context(), "noc", done)
			require.NoError(t, err)
			require.Contains(t, w.read[len(read):], "ROOM-noc")
		})
	}
}

// People's own pace counts, not that of a look: an hour of commands is done, and a flood isn't.
func TestCatchUpKeepsPeoplesLimit(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		r.away(30*time.Minute, func() {
			for i := range 60 {
				r.comment(fmt.Sprint("calm", i))
				time.Sleep(20 * time.Second)
			}
			for i := range 40 {
				r.comment(fmt.Sprint("flood", i))
			}
		})
		r.pass(10 * time.Minute)
		for i := range 60 {
			require.Equal(t, 1, r.commented(fmt.Sprint("calm", i)), i)
		}
		flood := 0
		for i := range 40 {
			flood += r.commented(fmt.Sprint("flood", i))
		}
		require.LessOrEqual(t, flood, 30)
		require.Greater(t, flood, 20)
		denied := 0
		for _, c := range r.commands() {
			if c.State == store.CommandDenied {
				denied++
			}
		}
		require.Equal(t, 40-flood, denied)
	})
}
