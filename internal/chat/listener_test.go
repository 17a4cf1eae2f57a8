package chat

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/webex"
)

// delivering makes a listener and a function that delivers signed bodies to it.
func delivering(t *testing.T, log *slog.Logger) (c *claims, deliver func(body string) int) {
	t.Helper()
	r, m := newReader(newFake())
	c = &claims{ids: map[string]store.Command{}, values: map[string]string{secretName("noc"): "s3cret"}}
	l := newListener(r, c, m, log)
	return c, func(body string) int {
		return l.Deliver(t.Context(), "noc", http.Header{webex.SignatureHeader: {webex.Sign("s3cret", []byte(body))}}, []byte(body))
	}
}

// Informative fields of a delivery are never a reason to refuse it.
func TestLenientEnvelopes(t *testing.T) {
	for name, fields := range map[string]string{
		"as documented":         `"created":"2026-11-24T13:51:51.123Z"`,
		"no time":               ``,
		"an empty time":         `"created":""`,
		"an offset, no colon":   `"created":"2026-11-24T13:51:51.123+0000"`,
		"a number":              `"created":1763992311123`,
		"null":                  `"created":null`,
		"an object":             `"created":{"at":"now"}`,
		"numbers for strings":   `"roomType":1,"personEmail":false,"messageId":[]`,
		"unknown fields":        `"mentionedPeople":["x"],"isRoomHidden":false,"nested":{"a":[1]}`,
		"no room and no person": `"roomId":null,"personId":null`,
	} {
		t.Run(name, func(t *testing.T) {
			c, deliver := delivering(t, slog.New(slog.DiscardHandler))
			if fields != "" {
				fields = "," + fields
			}
			body := `{"id":7,"name":null,"orgId":{},"appId":false,"ownedBy":[],"status":3,"actorId":{},"filter":9,"createdBy":0,"resource":"messages","event":"created","data":{"id":"M1","roomType":"direct"` + fields + `}}`
			require.Equal(t, 200, deliver(body))
			require.Equal(t, []string{"M1"}, c.order)
		})
	}
	e, err := parseEnvelope([]byte(`{"resource":"messages","event":"created","data":{"id":"M","created":"2026-11-24T13:51:51.123+0100"}}`))
	require.NoError(t, err)
	require.Equal(t, "2026-11-24T12:51:51.123Z", e.Data.Created.UTC().Format(time.RFC3339Nano))
}

// A delivery without a valid id, resource and event is refused.
func TestInvalidEnvelopes(t *testing.T) {
	longest := strings.Repeat("x", maxID)
	c, deliver := delivering(t, slog.New(slog.DiscardHandler))
	body := func(id string) string {
		return fmt.Sprintf(`{"resource":"messages","event":"created","data":{"id":%s,"roomType":"direct"}}`, id)
	}
	for _, bad := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{}`, `{"data":{}}`, body(`""`), body(`7`), body(`null`), body(`["x"]`), body(`"` + longest + `x"`),
		`{"resource":7,"event":"created","data":{"id":"M"}}`, `{"resource":"messages","event":"created","data":"M"}`,
	} {
		require.Equal(t, 400, deliver(bad), bad)
	}
	require.Empty(t, c.ids)
	require.Equal(t, 200, deliver(body(`"`+longest+`"`)))
	require.Len(t, c.ids, 1)
}

// Any body is parsed without a panic.
func FuzzEnvelope(f *testing.F) {
	f.Add(`{"resource":"messages","event":"created","data":{"id":"M1","created":"2026-11-24T13:51:51.123Z"}}`)
	f.Add(`{"data":{"id":[]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if e, err := parseEnvelope([]byte(body)); err == nil {
			require.NotEmpty(t, e.Data.ID)
			require.LessOrEqual(t, len(e.Data.ID), maxID)
			_, err := json.Marshal(e)
			require.NoError(t, err)
		}
	})
}

// A room that isn't configured is logged once, with its id; other noise of strangers once a minute per
// reason.
func TestStrangersAreLoggedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines testlog.Lines
		_, deliver := delivering(t, lines.Logger())
		for i := range 100 {
			for _, room := range []string{"ROOM-lobby", "ROOM-lab"} {
				require.Equal(t, 200, deliver(fmt.Sprintf(`{"resource":"messages","event":"created","data":{"id":"M%d","roomType":"group","roomId":%q}}`, i, room)))
			}
			require.Equal(t, 400, deliver(`{"data":{}}`))
		}
		require.Equal(t, 2, strings.Count(lines.String(), "isn't configured"))
		require.Contains(t, lines.String(), "level=INFO")
		require.Contains(t, lines.String(), "room_id=ROOM-lobby")
		require.Contains(t, lines.String(), "room_id=ROOM-lab")
		require.Equal(t, 1, strings.Count(lines.String(), "cannot read a webhook's body"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(lines.String(), "cannot read a webhook's body"))
		require.Contains(t, lines.String(), "count=99")
		time.Sleep(time.Minute)
	})
}

// An edit is claimed as the message's next version unless an earlier one had an effect.
func TestEditsAreClaimedAsVersions(t *testing.T) {
	edited := `{"resource":"messages","event":"updated","data":{"id":"M1","roomId":"ROOM-noc","roomType":"group"}}`
	acted := []byte(`{"request":{"verb":"ack"},"attempts":[{}]}`)
	for name, c := range map[string]struct {
		before []store.Command // versions
		want   string          // the version that is claimed; "" for none
	}{
		"unknown":                  {nil, "M1"},
		"not read yet":             {[]store.Command{{State: store.CommandReceived}}, "M1/edit/1"},
		"misspelt":                 {[]store.Command{{State: store.CommandFailed, Detail: []byte(`{}`)}}, "M1/edit/1"},
		"couldn't be read in time": {[]store.Command{{State: store.CommandExpired, Detail: []byte(`{}`)}}, "M1/edit/1"},
		"ignored":                  {[]store.Command{{State: store.CommandDone, Outcome: "ignored: quote (message M1)"}}, "M1/edit/1"},
		"misspelt twice":           {[]store.Command{{State: store.CommandFailed, Detail: []byte(`{}`)}, {State: store.CommandFailed, Detail: []byte(`{}`)}}, "M1/edit/2"},
		"carried out":              {[]store.Command{{State: store.CommandDone, Action: "ack", Outcome: "✅", Detail: acted}}, ""},
		"answered":                 {[]store.Command{{State: store.CommandDone, Action: "help", Outcome: "listed"}}, ""},
		"being carried out":        {[]store.Command{{State: store.CommandExecuting, Detail: acted}}, ""},
		"waiting for Zabbix":       {[]store.Command{{State: store.CommandRetrying, Detail: acted}}, ""},
		"refused by Zabbix":        {[]store.Command{{State: store.CommandFailed, Detail: acted}}, ""},
		"given up by the relay":    {[]store.Command{{State: store.CommandExpired, Detail: acted}}, ""},
		"refused for its role":     {[]store.Command{{State: store.CommandDenied, Detail: []byte(`{}`)}}, ""},
		"carried out, once edited": {[]store.Command{{State: store.CommandFailed, Detail: []byte(`{}`)}, {State: store.CommandDone, Action: "ack", Detail: acted}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			claims, deliver := delivering(t, slog.New(slog.DiscardHandler))
			for i, v := range c.before {
				claims.ids[store.VersionID("M1", i)] = v
			}
			require.Equal(t, 200, deliver(edited))
			if c.want == "" {
				require.Empty(t, claims.order)
			} else {
				require.Equal(t, []string{c.want}, claims.order)
			}
		})
	}
	claims, deliver := delivering(t, slog.New(slog.DiscardHandler))
	for range 3 * maxVersions {
		require.Equal(t, 200, deliver(edited))
	}
	require.Len(t, claims.order, maxVersions, "endless redelivery is bounded")
}
