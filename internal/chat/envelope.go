package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nms-alert-relay/internal/webex"
)

// maxID is the longest id that a delivery may carry.
const maxID = 512

// parseEnvelope reads the body of a delivery. Only what it is about must be right: the id,
// the resource and the event. Everything else merely informs, and is left out where its form
// isn't the expected one.
func parseEnvelope(body []byte) (webex.Envelope, error) {
	var e webex.Envelope
	var fields struct {
		Resource, Event string
		Data            map[string]json.RawMessage
		ID, Name        json.RawMessage
		Filter, ActorID json.RawMessage
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return e, err
	}
	text := func(raw json.RawMessage) (s string) {
		_ = json.Unmarshal(raw, &s)
		return s
	}
	e.ID, e.Name, e.Resource, e.Event, e.Filter, e.ActorID = text(fields.ID), text(fields.Name), fields.Resource, fields.Event, text(fields.Filter), text(fields.ActorID)
	d := fields.Data
	e.Data = webex.EnvelopeData{
		ID: text(d["id"]), Type: text(d["type"]), MessageID: text(d["messageId"]), RoomID: text(d["roomId"]), RoomType: text(d["roomType"]),
		PersonID: text(d["personId"]), PersonEmail: text(d["personEmail"]), Created: timeOf(text(d["created"])),
	}
	switch {
	case e.Data.ID == "":
		return e, errors.New("data.id is missing or not a string")
	case len(e.Data.ID) > maxID:
		return e, fmt.Errorf("data.id is %d bytes long: an id has at most %d", len(e.Data.ID), maxID)
	}
	return e, nil
}

// timeOf reads a time; zero where it can't be read.
func timeOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
