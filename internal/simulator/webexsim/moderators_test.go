package webexsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Only moderators rename and delete moderated rooms, and appoint moderators.
func TestRoomsAndModerators(t *testing.T) {
	s := NewDefault(Options{})
	defer s.Close()
	require.NoError(t, s.SetToken("alice@example.com", "alice"))
	call := func(token, method, path, body string) (int, map[string]any) {
		r := httptest.NewRequest(method, "http://127.0.0.1/v1"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var out map[string]any
		if text, _ := io.ReadAll(w.Body); len(text) > 0 {
			require.NoError(t, json.Unmarshal(text, &out))
		}
		return w.Code, out
	}
	bot := DefaultBotToken
	status, room := call(bot, "POST", "/rooms", `{"title":"Incident 1"}`)
	require.Equal(t, 200, status)
	id, _ := room["id"].(string)
	status, room = call(bot, "PUT", "/rooms/"+id, `{"title":"Incident 2"}`)
	require.Equal(t, 200, status)
	require.Equal(t, "Incident 2", room["title"])
	status, member := call(bot, "POST", "/memberships", `{"roomId":"`+id+`","personEmail":"alice@example.com"}`)
	require.Equal(t, 200, status)
	memberID, _ := member["id"].(string)

	s.AddPerson("oscar@elsewhere.example", "Oscar")
	require.NoError(t, s.KeepOut("oscar@elsewhere.example"))
	require.Error(t, s.KeepOut("nobody@example.com"))
	for name, c := range map[string]struct {
		token, method, path, body string
		status                    int
	}{
		"no title":                    {bot, "PUT", "/rooms/" + id, `{"title":" "}`, 400},
		"a long title":                {bot, "POST", "/rooms", `{"title":"` + strings.Repeat("ü", maxTitle+1) + `"}`, 400},
		"the longest title":           {bot, "POST", "/rooms", `{"title":"` + strings.Repeat("ü", maxTitle) + `"}`, 200},
		"a long new title":            {bot, "PUT", "/rooms/" + id, `{"title":"` + strings.Repeat("x", maxTitle+1) + `"}`, 400},
		"already in the room":         {bot, "POST", "/memberships", `{"roomId":"` + id + `","personEmail":"alice@example.com"}`, 409},
		"outside of the organisation": {bot, "POST", "/memberships", `{"roomId":"` + id + `","personEmail":"oscar@elsewhere.example"}`, 403},
		"an unknown person":           {bot, "POST", "/memberships", `{"roomId":"` + id + `","personEmail":"nobody@example.com"}`, 404},
		"an unknown room":             {bot, "PUT", "/rooms/" + RoomID("nowhere"), `{"title":"x"}`, 404},
		"a direct room":               {bot, "PUT", "/rooms/" + DirectRoomID(DefaultBot, "alice@example.com"), `{"title":"x"}`, 400},
		"a direct room isn't deleted": {bot, "DELETE", "/rooms/" + DirectRoomID(DefaultBot, "alice@example.com"), ``, 403},
		"only a moderator deletes":    {"alice", "DELETE", "/rooms/" + id, ``, 403},
		"only a moderator makes more": {"alice", "PUT", "/memberships/" + memberID, `{"isModerator":true}`, 403},
		"nothing to change":           {bot, "PUT", "/memberships/" + memberID, `{}`, 400},
		"nobody's membership":         {bot, "PUT", "/memberships/x", `{"isModerator":true}`, 404},
	} {
		status, _ := call(c.token, c.method, c.path, c.body)
		require.Equal(t, c.status, status, name)
	}
	status, member = call(bot, "PUT", "/memberships/"+memberID, `{"isModerator":true}`)
	require.Equal(t, 200, status)
	require.Equal(t, true, member["isModerator"])
	status, _ = call("alice", "DELETE", "/rooms/"+id, ``)
	require.Equal(t, http.StatusNoContent, status)
	for _, token := range []string{bot, "alice"} {
		status, _ = call(token, "GET", "/rooms/"+id, ``)
		require.Equal(t, 404, status)
	}
}

// People edit their own messages, within Webex's limits; a mention of the bot stays.
func TestPeopleEdit(t *testing.T) {
	s := NewDefault(Options{})
	defer s.Close()
	said, err := s.Say(Line{Room: "noc", From: "alice@example.com", Text: "akc 4711", MentionBot: true})
	require.NoError(t, err)
	edited, err := s.Edit(said.ID, "alice@example.com", "ack 4711")
	require.NoError(t, err)
	require.Equal(t, "Relay ack 4711", edited.Text)
	require.Equal(t, []string{DefaultBot}, edited.Mentions)
	require.Equal(t, 1, edited.Edits)
	_, err = s.Edit(said.ID, "bob@example.com", "close 4711")
	require.Error(t, err, "somebody else's")
	_, err = s.Edit("nothing", "alice@example.com", "x")
	require.Error(t, err)
	for range MaxEdits - 1 {
		_, err = s.Edit(said.ID, "alice@example.com", "ack 4711")
		require.NoError(t, err)
	}
	_, err = s.Edit(said.ID, "alice@example.com", "ack 4711")
	require.Error(t, err, "more often than Webex allows")
}
