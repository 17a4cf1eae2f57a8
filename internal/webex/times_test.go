package webex

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A message whose answer can't be read is posted again, so only the id of the answer is indispensable.
func TestOddTimesAreTolerated(t *testing.T) {
	at := time.Date(2026, 11, 29, 8, 30, 15, 0, time.UTC)
	for name, c := range map[string]struct {
		fields string
		want   time.Time
	}{
		"as documented":             {`"created":"2026-11-29T08:30:15.000Z"`, at},
		"an offset without a colon": {`"created":"2026-11-29T09:30:15.000+0100"`, at},
		"without a zone":            {`"created":"2026-11-29T08:30:15"`, at},
		"with a space":              {`"created":"2026-11-29 08:30:15"`, at},
		"seconds":                   {`"created":1795941015`, at},
		"milliseconds":              {`"created":1795941015000`, at},
		"seconds as a text":         {`"created":"1795941015"`, at},
		"exponent":                  {`"created":1.795941015e12`, at},
		"empty":                     {`"created":""`, time.Time{}},
		"null":                      {`"created":null`, time.Time{}},
		"missing":                   {`"text":"x"`, time.Time{}},
		"words":                     {`"created":"just now"`, time.Time{}},
		"an object":                 {`"created":{"$date":1}`, time.Time{}},
		"false":                     {`"created":false`, time.Time{}},
		"a year of five digits":     {`"created":"12026-11-29T08:30:15Z"`, time.Time{}},
		"a number without end":      {`"created":1e999`, time.Time{}},
		"updated":                   {`"created":"2026-11-29T08:30:15Z","updated":"later"`, at},
		"in capitals":               {`"Created":"later"`, time.Time{}},
		"a text that is a number":   {`"created":"2026-11-29T08:30:15Z","text":7`, at},
		"a person that is a list":   {`"created":"2026-11-29T08:30:15Z","personId":["x"],"files":"none"`, at},
		"both":                      {`"created":"later","files":{}`, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Trackingid", "ROUTER_1")
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"id":"M1","roomId":"R",` + c.fields + `}`))
			}))
			defer s.Close()
			client := New(Options{BaseURL: s.URL, Token: "T", Transport: &http.Transport{DisableKeepAlives: true}})
			m, err := client.CreateMessage(t.Context(), NewMessage{RoomID: "R", Markdown: "x"})
			require.NoError(t, err)
			require.Equal(t, "M1", m.ID)
			require.True(t, c.want.Equal(m.Created.Time), "%s", m.Created)
			require.Equal(t, 1, calls)
		})
	}
}

// When reading a message, only times may have an odd form: the relay acts on the other fields.
func TestOddAnswersAreErrors(t *testing.T) {
	for body, readable := range map[string]bool{
		`{"id":"M1","text":"ack","created":"yesterday"}`:                 true,
		`{"items":[{"id":"M1","text":"ack","created":1795941015}]}`:      true,
		`{"id":"M1","text":["ack"],"created":"2026-11-29T08:30:15Z"}`:    false,
		`{"id":"M1","text":{"a":1},"created":"yesterday"}`:               false,
		`{"items":[{"id":"M1","text":7,"created":"2026-11-29T08:30Z"}]}`: false,
	} {
		var into struct {
			Message
			Items []Message `json:"items"`
		}
		require.Equal(t, readable, decode([]byte(body), &into, false) == nil, body)
	}
}
