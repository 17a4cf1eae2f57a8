package storetest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

const messageUUID = "d0c0ffee-0000-4000-8000-00000000beef"

func messageID(clear string) string { return base64.RawURLEncoding.EncodeToString([]byte(clear)) }

// A message leads to the post or group that it shows or showed, even after it was replaced and after a restart:
// roots, cards, digests, and the notices in their threads.
func testReplacedMessages(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 1), post("1", "db", 1), post("2", "noc", 1), post("3", "noc", 1)}})
	save := func(id, room, root, card string) {
		save(t, s, id, room, store.Cursor{State: store.PostLive, RootID: root, CardID: card})
	}
	save("1", "noc", "ROOT1", "")
	save("1", "noc", "ROOT1", "CARD1")
	save("1", "noc", "ROOT1", "CARD1") // saved again with nothing new
	save("1", "noc", "ROOT1", "CARD2") // the card was replaced
	save("1", "noc", "ROOT1", "")      // and removed
	save("1", "noc", "", "")           // somebody deleted the root
	save("1", "noc", "ROOT2", "")      // posted again
	save("1", "db", "ROOT3", "")
	rest := messageID("ciscospark://us/MESSAGE/" + messageUUID)
	save("2", "noc", rest, "")

	g := makeGroup(t, s, "noc", "3")
	for _, id := range []string{"DIGEST1", "", "DIGEST2"} { // deleted, and posted again
		require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostLive, MessageID: id}))
	}
	leave(t, s, g.ID, "3")
	save("3", "noc", "ROOT4", "")

	notice := func(message, parent string) {
		n := must(s.Notice(t.Context(), must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeAnswer, Room: "noc", ParentID: parent, Text: "x"}))(t)))(t)
		n.State, n.MessageID, n.SentVersion = store.NoticeSent, message, n.Version
		require.NoError(t, s.SaveNotice(t.Context(), n))
	}
	notice("ANSWER1", "CARD1") // the answer became a message of its own, since its thread was deleted
	notice("ANSWER2", "ANSWER1")
	notice("ANSWER3", "DIGEST1")
	notice("NOTIFY", "")
	notice("LOOP", "LOOP")

	for range 2 {
		for id, want := range map[string]store.Post{
			"ROOT1": {Key: key("1"), Room: "noc"}, "ROOT2": {Key: key("1"), Room: "noc"}, "CARD1": {Key: key("1"), Room: "noc"}, "CARD2": {Key: key("1"), Room: "noc"},
			"ROOT3": {Key: key("1"), Room: "db"}, "ROOT4": {Key: key("3"), Room: "noc"},
			"ANSWER1": {Key: key("1"), Room: "noc"}, "ANSWER2": {Key: key("1"), Room: "noc"},
			rest: {Key: key("2"), Room: "noc"}, rest + "==": {Key: key("2"), Room: "noc"}, messageUUID: {Key: key("2"), Room: "noc"},
			strings.ToUpper(messageUUID): {Key: key("2"), Room: "noc"},
		} {
			p, err := s.PostByMessage(t.Context(), id)
			require.NoError(t, err, id)
			require.Equal(t, want.Key, p.Key, id)
			require.Equal(t, want.Room, p.Room, id)
			_, err = s.GroupByMessage(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
		}
		p := must(s.PostByMessage(t.Context(), "ROOT1"))(t)
		require.Equal(t, "ROOT2", p.RootID, "the post as it is now")
		for _, id := range []string{"DIGEST1", "DIGEST2", "ANSWER3"} {
			found, err := s.GroupByMessage(t.Context(), id)
			require.NoError(t, err, id)
			require.Equal(t, g.ID, found.ID, id)
			require.Equal(t, "DIGEST2", found.MessageID)
			_, err = s.PostByMessage(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
		}
		for _, id := range []string{"", "OTHER", "NOTIFY", "LOOP", messageID("ciscospark://us/ROOM/" + messageUUID)} {
			_, err := s.PostByMessage(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
			_, err = s.GroupByMessage(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound, id)
		}
		require.NoError(t, s.Close())
		s = open(t, dir)
	}
}

// A message leads to its problem, digest or notice until that is pruned.
func testPrunedMessages(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	postTwice := func(id string, state alert.State) {
		p := post(id, "noc", 1)
		fold(t, s, store.Fold{Problems: []alert.Problem{problem(id, state)}, Posts: []store.Post{p}})
		save(t, s, id, "noc", store.Cursor{State: store.PostLive, Delivered: 1, RootID: "OLD" + id})
		require.NoError(t, s.SavePost(t.Context(), key(id), "noc", store.Cursor{State: store.PostLive, Delivered: 1, RootID: "ROOT" + id}))
	}
	postTwice("1", alert.StateOpen)
	postTwice("2", alert.StateResolved)
	found := func(id string) bool {
		_, err := s.PostByMessage(t.Context(), id)
		if err != nil {
			require.ErrorIs(t, err, store.ErrNotFound)
		}
		return err == nil
	}
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	must(s.Prune(t.Context(), past, past, past, 0))(t)
	require.True(t, found("OLD1") && found("ROOT1") && found("OLD2") && found("ROOT2"))
	for n := -1; n != 0; {
		n = must(s.Prune(t.Context(), future, future, future, 0))(t)
	}
	require.True(t, found("OLD1") && found("ROOT1"), "it is open")
	require.False(t, found("OLD2") || found("ROOT2"))

	// Dropping a dead letter removes its messages.
	require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", store.Cursor{State: store.PostDead, DeadAt: t0, RootID: "ROOT1"}))
	require.NoError(t, s.DropDead(t.Context(), "post:main/1@noc"))
	require.False(t, found("OLD1") || found("ROOT1"))
}
