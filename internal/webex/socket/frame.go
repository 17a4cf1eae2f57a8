// Package socket is a client of Webex's websocket, which tells a bot what is written to it without a public URL. Webex doesn't document
// it as a contract: the package follows what Webex's own clients do, and treats a frame as text from outside.
package socket

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// frame is one message of the websocket.
type frame struct {
	ID   string `json:"id"`
	Type string `json:"type"` // typePong or typeShutdown; events have none
	Data struct {
		EventType string   `json:"eventType"`
		Activity  activity `json:"activity"`
	} `json:"data"`
}

const (
	typePong     = "pong"
	typeShutdown = "shutdown" // this connection will be closed soon: open another one first

	eventActivity = "conversation.activity"
)

// authorised are the first events after a token was accepted.
var authorised = []string{"mercury.buffer_state", "mercury.registration_status"}

// activity is what somebody did in a space. Its text is encrypted, and isn't read.
type activity struct {
	ID        string     `json:"id"`
	Verb      string     `json:"verb"`
	Published webex.Time `json:"published"`
	Actor     struct {
		ID           string `json:"id"`
		EntryUUID    string `json:"entryUUID"`
		EmailAddress string `json:"emailAddress"`
	} `json:"actor"`
	Object struct {
		ID string `json:"id"`
	} `json:"object"`
	Parent struct {
		ID   string `json:"id"`
		Type string `json:"type"` // "edit", "reply", "cardAction"
	} `json:"parent"`
	Target struct {
		ID   string   `json:"id"`
		URL  string   `json:"url"`
		Tags []string `json:"tags"`
	} `json:"target"`
}

const (
	// maxFrame bounds a frame. A message has at most 10,000 bytes encrypted, and its frame a few thousand more.
	maxFrame = 1 << 20
	// maxID bounds the id of a frame, which is a UUID.
	maxID = 128
)

// parseFrame reads a frame. Fields of an unexpected type are left empty.
func parseFrame(raw []byte) (f frame, err error) {
	if len(raw) > maxFrame {
		return f, errors.New("the frame is too long")
	}
	err = json.Unmarshal(raw, &f)
	if errors.As(err, new(*json.UnmarshalTypeError)) {
		err = nil
	}
	if err == nil && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		err = errors.New("the frame isn't a JSON object")
	}
	if len(f.ID) > maxID {
		f.ID = ""
	}
	return f, err
}

// authorises reports whether the frame says that the token was accepted.
func (f frame) authorises() bool {
	return f.Type == "" && slices.Contains(authorised, f.Data.EventType)
}

// Event is something that happened to a message or a card: the fields of a webhook's envelope, with ids that are UUIDs.
type Event struct {
	Resource, Event string
	kind            string // of the resource's REST id
	id, message     string // UUIDs: of the resource; of the pressed card's message
	room, person    string // UUIDs: hints, as is all that follows
	email, roomType string
	conversation    string // URL of the space in the service for conversations; its host names the cluster
	published       webex.Time
}

// kindAction is the kind of the REST id of a pressed button.
const kindAction = "ATTACHMENT_ACTION"

// event returns what a frame tells; false for a frame that the relay has no use for.
func (f frame) event() (e Event, ok bool) {
	a := f.Data.Activity
	if f.Type != "" || f.Data.EventType != eventActivity {
		return e, false
	}
	e = Event{
		Resource: "messages", Event: "created", kind: webexid.Message, id: a.ID, room: a.Target.ID, person: a.Actor.EntryUUID,
		email: a.Actor.EmailAddress, conversation: a.Target.URL, published: a.Published,
	}
	if !isUUID(e.person) {
		e.person = a.Actor.ID
	}
	switch {
	case slices.Contains(a.Target.Tags, "ONE_ON_ONE"):
		e.roomType = "direct"
	case a.Target.Tags != nil:
		e.roomType = "group"
	}
	switch a.Verb {
	case "post", "share":
		if a.Parent.Type == "edit" {
			e.Event, e.id = "updated", a.Parent.ID
		}
	case "update":
		e.Event = "updated"
		for _, id := range []string{a.Object.ID, a.Parent.ID} { // of the message that was changed
			if isUUID(id) {
				e.id = id
			}
		}
	case "cardAction":
		e.Resource, e.kind, e.message = "attachmentActions", kindAction, a.Parent.ID
	default:
		return e, false
	}
	return e, isUUID(e.id)
}

func isUUID(text string) bool {
	id, ok := webexid.Parse(text)
	return ok && id.Kind == "" && id.HasUUID()
}

// envelope returns the event as a webhook would tell it. id is the REST id of the resource.
func (e Event) envelope(id, cluster string) webex.Envelope {
	rest := func(kind, uuid string) string {
		if !isUUID(uuid) {
			return ""
		}
		parsed, _ := webexid.Parse(uuid)
		parsed.Cluster = cluster
		return parsed.REST(kind)
	}
	d := webex.EnvelopeData{
		ID: id, MessageID: rest(webexid.Message, e.message), RoomID: rest(webexid.Room, e.room), RoomType: e.roomType,
		PersonEmail: e.email, Created: e.published,
	}
	if isUUID(e.person) { // people have the same cluster everywhere
		parsed, _ := webexid.Parse(e.person)
		d.PersonID = parsed.REST(webexid.People)
	}
	return webex.Envelope{Resource: e.Resource, Event: e.Event, Data: d}
}
