package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// The audit log is listed newest first, filtered and cut.
func TestAuditIsListed(t *testing.T) {
	w := newWorld(t)
	_, body := w.do(t, "GET", "/v1/audit", "", nil)
	require.JSONEq(t, `{"commands": [], "more": false}`, body)
	for i, c := range []store.Command{
		{ID: "1", Bot: "relay", Email: "alice@example.com", Name: "Alice", Room: "noc", Action: "ack", Text: "ack on it", Keys: []string{"main/4711"}, Outcome: "Acknowledged 4711"},
		{ID: "2", Bot: "relay", Email: "bob@example.com", Action: "help", Text: "help"},
		{ID: "3", Bot: "relay", Email: "bob@example.com", Text: "hello"},
	} {
		c.State, c.CreatedAt = store.CommandDone, t0.Add(time.Duration(i)*time.Hour)
		_, err := w.store.ClaimCommand(t.Context(), c)
		require.NoError(t, err)
	}
	get := func(query string) (ids []string, more bool) {
		status, body := w.do(t, "GET", "/v1/audit?"+query, "", nil)
		require.Equal(t, 200, status, body)
		list := read[Audit](t, body)
		for _, c := range list.Commands {
			ids = append(ids, c.ID)
		}
		return ids, list.More
	}
	ids, more := get("")
	require.Equal(t, []string{"2", "1"}, ids)
	require.False(t, more)
	ids, more = get("limit=1")
	require.Equal(t, []string{"2"}, ids)
	require.True(t, more)
	for query, want := range map[string][]string{"since=2026-11-24T14:00:00Z": {"2"}, "person=ALI": {"1"}, "problem=4711": {"1"}, "problem=main/4712": nil, "limit=0": {"2", "1"}} {
		ids, _ = get(query)
		require.Equal(t, want, ids, query)
	}
	_, body = w.do(t, "GET", "/v1/audit?person=alice", "", nil)
	require.JSONEq(t, `{"more": false, "commands": [{"at": "2026-11-24T13:51:52Z", "person": "alice@example.com", "name": "Alice", "bot": "relay", "room": "noc", "action": "ack",
		"text": "ack on it", "problems": ["main/4711"], "state": "done", "outcome": "Acknowledged 4711", "id": "1"}]}`, body)
	status, body := w.do(t, "GET", "/v1/audit?since=yesterday", "", nil)
	require.Equal(t, 400, status)
	require.Contains(t, body, "since: expected a time")
}
