package chat

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// In a space that no bot serves, only an admin everywhere is heard, with a verb that binds it, or the button of a question.
func TestSpacesThatAreNotBound(t *testing.T) {
	cfg := settings()
	cfg.People = []config.Person{{Email: "alice@example.com", Role: config.RoleAdmin}, {Email: "bob@example.com", Role: config.RoleAdmin, Rooms: []string{"noc"}}, {Domain: "example.com", Role: config.RoleOperator}}
	f := newFake()
	f.people[personID("b0b")] = person("b0b", "bob@example.com", "Bob")
	said := func(id, room, who, words string) {
		f.messages[id] = webex.Message{ID: id, RoomID: room, RoomType: "group", PersonID: personID(who), HTML: mention(relayBot.ID, "Alert") + " " + words}
	}
	pressed := func(id, room, who, action string) {
		f.messages["CARD-"+id] = webex.Message{ID: "CARD-" + id, RoomID: room, RoomType: "group", PersonID: relayBot.ID}
		f.actions[id] = webex.AttachmentAction{ID: id, MessageID: "CARD-" + id, RoomID: room, PersonID: personID(who), Inputs: map[string]any{"relay": 1.0, "action": action, "key": "M1"}}
	}
	for id, room := range map[string]string{"unknown": "ROOM-unknown", "other": "ROOM-other"} {
		for who, name := range map[string]string{"a11ce": "alice", "b0b": "bob", "e": "eve"} {
			said("M-bind-"+name+"-"+id, room, who, "bind host=db*")
			said("M-approve-"+name+"-"+id, room, who, "approve")
			said("M-ack-"+name+"-"+id, room, who, "ack 4711")
			pressed("A-confirm-"+name+"-"+id, room, who, "confirm")
			pressed("A-ack-"+name+"-"+id, room, who, "ack")
		}
	}
	quoted := f.messages["M-bind-alice-unknown"]
	quoted.HTML = "bind host=db*" // without a mention
	f.messages["M-unmentioned"] = quoted
	r := NewReader([]Bot{{Name: "noc", Listen: config.ListenWebhook, Webex: f}}, func() Directory { return cfg }, NewMetrics(prometheus.NewRegistry(), []string{"noc"}))
	heard := map[string]bool{"M-bind-alice-unknown": true, "M-approve-alice-unknown": true, "A-confirm-alice-unknown": true}
	for _, ids := range []map[string]bool{heard, keysOf(f.messages, "M-"), keysOf(f.actions, "A-")} {
		for id := range ids {
			resource := "messages"
			if id[0] == 'A' {
				resource = "attachmentActions"
			}
			in, err := r.Read(t.Context(), store.Command{ID: id, Bot: "noc"}, envelope(resource, id))
			if !heard[id] {
				var unread *unreadError
				require.True(t, errors.As(err, &unread), "%s: %v", id, err)
				require.NotEmpty(t, unread.ignored, id)
				continue
			}
			require.NoError(t, err, id)
			require.Empty(t, in.Room, id)
			require.False(t, in.Direct, id)
			require.Equal(t, "ROOM-unknown", in.RoomID, id)
		}
	}
}

func keysOf[T any](m map[string]T, prefix string) map[string]bool {
	keys := map[string]bool{}
	for key := range m {
		if len(key) > len(prefix) && key[:len(prefix)] == prefix {
			keys[key] = true
		}
	}
	return keys
}
