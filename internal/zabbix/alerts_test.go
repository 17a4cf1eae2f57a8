package zabbix

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Alerts lists the messages about events. A refusal is no error: then they aren't known.
func TestAlerts(t *testing.T) {
	rows := `[{"eventid":"7","userid":"3","mediatypeid":"36","status":"1","mediatypes":[{"mediatypeid":"36","name":"Webex (alert-relay)"}]},
		{"eventid":"7","userid":"4","mediatypeid":"1","status":"0","mediatypes":[{"mediatypeid":"1","name":"Email"}]},
		{"eventid":"8","userid":"3","mediatypeid":"0","status":"2","mediatypes":[]}]`
	answer := func(map[string]any) string { return rows }
	c := answering(t, map[string]func(map[string]any) string{"alert.get": func(params map[string]any) string { return answer(params) }})
	got, known, err := c.Alerts(t.Context(), []int64{7, 8})
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []Alert{{EventID: 7, User: "3", MediaType: "36", Ours: true}, {EventID: 7, User: "4", MediaType: "1"}, {EventID: 8, User: "3", Failed: true}}, got)

	rows = `{"code":-32500,"message":"Application error.","data":"No permissions to call \"alert.get\"."}`
	_, known, err = c.Alerts(t.Context(), []int64{7})
	require.NoError(t, err)
	require.False(t, known)
	rows = `{"code":1,"message":"Error","data":"SQL statement execution has failed"}`
	_, known, err = c.Alerts(t.Context(), []int64{7})
	require.Error(t, err)
	require.False(t, known)

	// Events with too many alerts for one answer are asked about in smaller parts, so that none seems to have none.
	var ids []int64
	for i := range 2*alertBatch + 50 {
		ids = append(ids, int64(i+1))
	}
	answer = func(params map[string]any) string {
		var out []map[string]any
		for _, id := range params["eventids"].([]any) {
			for range 40 { // a whole batch has 8,000
				out = append(out, map[string]any{"eventid": fmt.Sprint(id), "userid": "3", "mediatypeid": "36", "status": "1"})
			}
		}
		require.LessOrEqual(t, len(params["eventids"].([]any)), alertBatch)
		text, err := json.Marshal(out[:min(maxAlerts, len(out))])
		require.NoError(t, err)
		return string(text)
	}
	got, known, err = c.Alerts(t.Context(), ids)
	require.NoError(t, err)
	require.True(t, known)
	seen := map[int64]bool{}
	for _, a := range got {
		seen[a.EventID] = true
	}
	require.Len(t, seen, len(ids))
}
