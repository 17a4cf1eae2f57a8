package socket

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

const (
	message = "0a1b2c3d-0000-4000-8000-000000000001"
	edit    = "0a1b2c3d-0000-4000-8000-000000000002"
	person  = "0a1b2c3d-0000-4000-8000-000000000003"
	space   = "0a1b2c3d-0000-4000-8000-000000000004"
)

func rest(kind, uuid string) string { return webexid.ID{UUID: uuid}.REST(kind) }

// frameOf returns a frame with an activity; rest has the fields that differ.
func frameOf(rest string) string {
	return `{"id":"f1","data":{"eventType":"conversation.activity","activity":{` + rest + `,"published":"2026-11-30T04:00:00.000Z",
		"actor":{"id":"` + person + `","entryUUID":"` + person + `","emailAddress":"alice@example.com"},
		"target":{"id":"` + space + `","url":"https://conv-a.wbx2.com/conversation/api/v1/conversations/` + space + `","tags":["ONE_ON_ONE"]}}}}`
}

// A frame becomes what a webhook would have delivered.
func TestEventsOfFrames(t *testing.T) {
	data := func(id string) webex.EnvelopeData {
		return webex.EnvelopeData{
			ID: id, RoomID: rest("ROOM", space), RoomType: "direct", PersonID: rest("PEOPLE", person), PersonEmail: "alice@example.com",
			Created: webex.Time{Time: time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)},
		}
	}
	press := data(rest(kindAction, edit))
	press.MessageID = rest("MESSAGE", message)
	for name, tc := range map[string]struct {
		fields string
		want   webex.Envelope
	}{
		"a message":         {`"id":"` + message + `","verb":"post"`, webex.Envelope{Resource: "messages", Event: "created", Data: data(rest("MESSAGE", message))}},
		"a file":            {`"id":"` + message + `","verb":"share"`, webex.Envelope{Resource: "messages", Event: "created", Data: data(rest("MESSAGE", message))}},
		"a reply":           {`"id":"` + message + `","verb":"post","parent":{"id":"` + edit + `","type":"reply"}`, webex.Envelope{Resource: "messages", Event: "created", Data: data(rest("MESSAGE", message))}},
		"an edit":           {`"id":"` + edit + `","verb":"post","parent":{"id":"` + message + `","type":"edit"}`, webex.Envelope{Resource: "messages", Event: "updated", Data: data(rest("MESSAGE", message))}},
		"an update":         {`"id":"` + edit + `","verb":"update","object":{"id":"` + message + `"}`, webex.Envelope{Resource: "messages", Event: "updated", Data: data(rest("MESSAGE", message))}},
		"an update by name": {`"id":"` + edit + `","verb":"update","parent":{"id":"` + message + `"}`, webex.Envelope{Resource: "messages", Event: "updated", Data: data(rest("MESSAGE", message))}},
		"a press":           {`"id":"` + edit + `","verb":"cardAction","parent":{"id":"` + message + `","type":"cardAction"}`, webex.Envelope{Resource: "attachmentActions", Event: "created", Data: press}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parseFrame([]byte(frameOf(tc.fields)))
			require.NoError(t, err)
			require.Equal(t, "f1", f.ID)
			e, ok := f.event()
			require.True(t, ok)
			got, err := Device{}.envelope(t.Context(), nil, e)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// Frames that concern nobody are no events, and are acknowledged by their id all the same.
func TestFramesWithoutAnEvent(t *testing.T) {
	for name, raw := range map[string]string{
		"a deletion":               frameOf(`"id":"` + message + `","verb":"delete"`),
		"a verb of another type":   frameOf(`"id":"` + message + `","verb":7`),
		"an id that isn't one":     frameOf(`"id":"../../people/me","verb":"post"`),
		"an id in the REST form":   frameOf(`"id":"` + rest("MESSAGE", message) + `","verb":"post"`),
		"no activity":              `{"id":"f1","data":{"eventType":"conversation.activity"}}`,
		"another event":            `{"id":"f1","data":{"eventType":"apheleia.subscription_update","activity":{"id":"` + message + `","verb":"post"}}}`,
		"a pong with an activity":  strings.Replace(frameOf(`"id":"`+message+`","verb":"post"`), `{"id":"f1"`, `{"id":"f1","type":"pong"`, 1),
		"data of an unknown shape": `{"id":"f1","data":[1,2]}`,
	} {
		f, err := parseFrame([]byte(raw))
		require.NoError(t, err, name)
		require.Equal(t, "f1", f.ID, name)
		_, ok := f.event()
		require.False(t, ok, name)
	}
}

func TestInvalidFrames(t *testing.T) {
	for _, raw := range []string{"", "null", "[]", "7", `"x"`, "{", "<html>", strings.Repeat(" ", maxFrame) + "{}"} {
		_, err := parseFrame([]byte(raw))
		require.Error(t, err, "%.20q", raw)
	}
	f, err := parseFrame([]byte(`{"id":"` + strings.Repeat("x", maxID+1) + `"}`))
	require.NoError(t, err)
	require.Empty(t, f.ID, "too long to acknowledge")
}

// Whatever a frame holds, it neither breaks the client nor names anything but a UUID.
func FuzzFrame(f *testing.F) {
	f.Add(frameOf(`"id":"` + message + `","verb":"post"`))
	f.Add(frameOf(`"id":"` + message + `","verb":"cardAction","parent":{"id":"` + edit + `"}`))
	f.Add(`{"id":"f1","type":"pong"}`)
	f.Add(`{"data":{"eventType":"mercury.buffer_state"}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := parseFrame([]byte(raw))
		if err != nil {
			return
		}
		e, ok := parsed.event()
		if !ok {
			return
		}
		got := e.envelope(rest(e.kind, e.id), "us")
		for _, id := range []string{got.Data.ID, got.Data.MessageID, got.Data.RoomID, got.Data.PersonID} {
			if id != "" {
				found, ok := webexid.Parse(id)
				require.True(t, ok && found.HasUUID(), id)
			}
		}
		if address, err := activityAddress(e); err == nil {
			require.True(t, strings.HasSuffix(address, "/messages/"+e.id) || strings.HasSuffix(address, "/attachment/actions/"+e.id), address)
		}
	})
}
