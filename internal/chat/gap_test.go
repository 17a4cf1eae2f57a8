package chat

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// told is what rooms were told of missed presses.
func (r *real) told() []string { return r.inRoom("noc", "Missed presses") }

// toldOf is the message about a gap between two times.
func toldOf(from, to time.Time) string {
	return "Missed presses from " + from.UTC().Format("15:04") + " to " + to.UTC().Format("15:04") + "."
}

// After an absence of more than a minute, the rooms that have cards are told once that presses are lost.
func TestRoomsAreToldOfMissedPresses(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.pass(5*time.Minute + 30*time.Second) // in the middle of a minute, since times are shown to the minute
		from := time.Now()
		card := r.post().CardID
		r.away(7*time.Minute, func() {
			_, err := r.webex.Press(card, aliceAddr, map[string]any{"relay": 1, "action": "ack", "key": "main/" + r.key().EventID})
			require.NoError(t, err)
		})
		require.Equal(t, []string{toldOf(from, from.Add(7*time.Minute))}, r.told())
		r.pass(time.Hour)
		r.away(30*time.Second, func() {})
		r.pass(time.Hour)
		require.Len(t, r.told(), 1, "once, and not of a short absence")
		require.Empty(t, r.acks(), "a press that was missed has no effect")
	})
}

// A relay that was killed tells of the time since its last sign of life, which is on disk.
func TestGapAfterACrash(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.pass(5 * time.Minute)
		from := time.Now()
		copied := t.TempDir() + "/copy.db"
		_, err := sqlite.Backup(t.Context(), r.path, copied)
		require.NoError(t, err)
		r.away(7*time.Minute, func() { r.path = copied }) // as it was before the last words of a stop
		require.Len(t, r.told(), 1)
		require.Contains(t, []string{toldOf(from, from.Add(7*time.Minute)), toldOf(from.Add(-signEvery), from.Add(7*time.Minute))}, r.told()[0])
	})
}

// As long as rooms can't be told, the sign on disk stays where it is, so that a crash doesn't keep them from being told.
func TestGapIsKeptUntilRoomsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := newReader(newFake())
		c := emptyClaims()
		l := newListener(r, c, m, slog.New(slog.DiscardHandler))
		l.o.MissedPresses = func(in CardPlace, from, to time.Time) []store.Notice {
			return []store.Notice{{Room: in.Room, Bot: "noc", Markdown: fmt.Sprint(in.Room, " ", to.Sub(from))}, {Room: in.Room, Bot: "otherbot"}}
		}
		var s signs
		s.sign()
		l.keepSign(t.Context(), "noc", &s)
		first := c.values[signName("noc")]
		require.NotEmpty(t, first)
		since := time.Now()
		time.Sleep(5 * time.Minute)
		s.hearsAgain(since)
		c.noNotices = errors.New("disk full")
		for range 3 {
			l.tellGap(t.Context(), "noc", &s)
			time.Sleep(signEvery)
			s.sign()
			l.keepSign(t.Context(), "noc", &s)
			require.Equal(t, first, c.values[signName("noc")])
		}
		c.noNotices = nil
		for range 3 {
			l.tellGap(t.Context(), "noc", &s)
			l.keepSign(t.Context(), "noc", &s)
		}
		require.Equal(t, []string{"noc 5m0s"}, c.notices)
		require.Greater(t, c.values[signName("noc")], first)
	})
}

// Rooms and direct chats with the card of a reply, such as a question or a token's, are told too, each once.
func TestPlacesWithCards(t *testing.T) {
	r, m := newReader(newFake())
	c := emptyClaims()
	l := newListener(r, c, m, slog.New(slog.DiscardHandler))
	to := time.Now()
	gap := period{to.Add(-10 * time.Minute), to}
	card := []byte(`{"actions":[{"type":"Action.Submit"}]}`)
	c.ids["M1"] = store.Command{ID: "M1", RoomID: "ROOM-alice", Email: "alice@example.com"}
	c.ids["M2"] = store.Command{ID: "M2", RoomID: "ROOM-carol", Email: "carol@example.com"}
	c.cards = []store.Notice{
		{Room: "noc", Card: card}, {Room: "db", Card: card}, {Room: "db", Card: card}, {Room: "quiet", Card: []byte(`{"actions":[{"type":"Action.OpenUrl"}]}`)},
		{Room: "later", Card: card, CreatedAt: to.Add(time.Second)},
		{RoomID: "ROOM-carol", Bot: "noc", Card: card}, {Room: "person:carol@example.com", Card: card},
		{RoomID: "ROOM-alice", Bot: "noc", Card: card}, {RoomID: "ROOM-alice", Bot: "noc", Card: card}, {RoomID: "ROOM-bob", Bot: "other", Card: card},
	}
	for i := range c.cards {
		c.cards[i].MessageID = fmt.Sprint("CARD-", i)
	}
	c.cards = append(c.cards, store.Notice{Room: "nobody", Card: card}) // its room had lost the right to it: it was never posted
	places, err := l.cardPlaces(t.Context(), gap)
	require.NoError(t, err)
	require.Equal(t, []CardPlace{{Room: "noc"}, {Room: "db"}, {Room: "person:carol@example.com"}, {RoomID: "ROOM-alice", Bot: "noc", Email: "alice@example.com"}, {RoomID: "ROOM-bob", Bot: "other"}}, places)
	c.personal = 1
	places, err = l.cardPlaces(t.Context(), gap)
	require.NoError(t, err)
	require.Equal(t, []CardPlace{{Room: "noc"}, {Room: "person:alice@example.com"}, {Room: "db"}, {Room: "person:carol@example.com"}, {RoomID: "ROOM-bob", Bot: "other"}}, places, "her chat is told once")
}

// A direct chat with an open question is told of missed presses once, and one whose question is older than a command may be isn't.
func TestDirectChatsAreToldOfMissedPresses(t *testing.T) {
	withTransport(t, config.ListenWebsocket, webexsim.Options{}, func(t *testing.T, r *real) {
		question := store.Notice{
			Kind: store.NoticeAnswer, RoomID: webexsim.DirectRoomID(bobAddr, botAddr), Bot: "noc", Markdown: "really?",
			Card: []byte(`{"type":"AdaptiveCard","version":"1.3","body":[],"actions":[{"type":"Action.Submit","title":"Yes","data":{"relay":1}}]}`),
		}
		_, err := r.store.AddNotice(t.Context(), question)
		require.NoError(t, err)
		r.pass(2 * time.Hour)
		question.RoomID, question.Markdown = webexsim.DirectRoomID(aliceAddr, botAddr), "and you?"
		_, err = r.store.AddNotice(t.Context(), question)
		require.NoError(t, err)
		r.pass(5 * time.Minute)
		r.away(7*time.Minute, func() {})
		r.pass(time.Hour)
		told := 0
		for _, room := range r.webex.State().Rooms {
			for _, m := range room.Messages {
				if room.Type == "direct" && strings.Contains(m.Text, "Missed presses") {
					told++
					require.Equal(t, webexsim.DirectRoomID(aliceAddr, botAddr), room.ID)
				}
			}
		}
		require.Equal(t, 1, told)
	})
}

// A room without a card isn't told, nor is anybody after the first start.
func TestNobodyIsToldWithoutCards(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.pass(5 * time.Minute)
		cursor := r.post().Cursor
		cursor.CardActions = ""
		require.NoError(t, r.store.SavePost(t.Context(), r.key(), "noc", cursor))
		r.away(7*time.Minute, func() {})
		r.pass(time.Hour)
		require.Empty(t, r.told())
	})
}

// While a websocket can't be opened, its gap grows; rooms are told when it is open again, and not of short gaps or renewals.
func TestGapOfAWebsocket(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		r.pass(5 * time.Minute)
		r.webex.CloseSockets(botAddr, 0, "")
		r.pass(5 * time.Minute)
		r.webex.AnnounceShutdown(botAddr)
		r.pass(5 * time.Minute)
		require.Empty(t, r.told())
		remove := r.webex.AddFault(webexsim.Fault{Op: "GET /mercury/{id}", Status: 503})
		from := time.Now()
		r.webex.CloseSockets(botAddr, 0, "")
		r.pass(20 * time.Minute)
		require.Empty(t, r.told())
		remove()
		r.pass(5 * time.Minute)
		require.Len(t, r.told(), 1)
		require.Regexp(t, "from ("+from.UTC().Format("15:04")+"|"+from.Add(-30*time.Second).UTC().Format("15:04")+") to ", r.told()[0])
		r.pass(time.Hour)
		require.Len(t, r.told(), 1)
	})
}

// Webhooks that Webex disabled before a restart lost presses since the last check before it. A restart alone lost none.
func TestGapOfWebhooksAcrossARestart(t *testing.T) {
	withTransport(t, config.ListenWebhook, webexsim.Options{}, func(t *testing.T, r *real) {
		r.pass(time.Hour + 2*time.Minute)
		r.away(10*time.Second, func() {})
		r.pass(checkInterval)
		require.Empty(t, r.told(), "the relay was away for less than a minute")
		checked := time.Now().Add(-time.Minute) // away passed a minute after the first check
		r.pass(checkInterval - 3*time.Minute)
		r.webex.DisableWebhooks(botAddr)
		r.away(10*time.Second, func() {})
		require.Equal(t, []string{toldOf(checked, checked.Add(checkInterval-2*time.Minute+10*time.Second))}, r.told())
	})
}

// Webhooks that Webex disabled lost presses since the last check. A webhook that only has another name, or is there twice, lost none.
func TestGapOfWebhooks(t *testing.T) {
	withTransport(t, config.ListenWebhook, webexsim.Options{}, func(t *testing.T, r *real) {
		r.pass(time.Hour)
		r.webex.DisableWebhooks(botAddr)
		r.pass(checkInterval + time.Minute)
		require.Len(t, r.told(), 1)
		hooks, err := r.client.Webhooks(t.Context())
		require.NoError(t, err)
		for _, h := range hooks {
			h.Name = "old " + h.Name
			_, err := r.client.UpdateWebhook(t.Context(), h)
			require.NoError(t, err)
			_, err = r.client.CreateWebhook(t.Context(), h)
			require.NoError(t, err)
		}
		r.pass(checkInterval + time.Minute)
		require.Len(t, r.told(), 1)
	})
}
