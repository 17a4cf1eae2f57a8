package zabbix

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// replay answers each method with a recorded answer, or with text, and keeps the parameters of the last call.
func replay(t *testing.T, v string, with map[string]string) (*Client, map[string]map[string]any) {
	calls := load(t, v)
	asked := map[string]map[string]any{}
	return serve(t, "TOKEN-OF-RELAY", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var c struct {
			Method string
			Params json.RawMessage
		}
		require.NoError(t, json.Unmarshal(body, &c))
		params := map[string]any{}
		if json.Unmarshal(c.Params, &params) == nil {
			asked[c.Method] = params
		}
		if answer, ok := with[c.Method]; ok && calls[answer].Response == nil {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%s}`, answer)
		} else if ok {
			_, _ = w.Write(calls[answer].body())
		} else {
			_, _ = w.Write(calls[c.Method].body())
		}
	})), asked
}

func TestHistoryOfAnItem(t *testing.T) {
	for _, v := range versions {
		c, asked := replay(t, v, nil)
		from, to := time.Unix(1795520000, 0), time.Unix(1795530000, 0)
		list, err := c.History(t.Context(), Item{ID: "50673", Type: Unsigned}, from, to, 10)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(list), 2, v)
		require.Zero(t, list[0].Number)
		require.InDelta(t, 1, list[len(list)-1].Number, 0)
		require.NotZero(t, list[0].At.Nanosecond())
		require.Equal(t, map[string]any{"history": 3.0, "itemids": []any{"50673"}, "output": []any{"clock", "ns", "value"}, "time_from": 1795520000.0, "time_till": 1795530000.0,
			"sortfield": "clock", "sortorder": "DESC", "limit": 10.0}, asked["history.get"])
		c, _ = replay(t, v, map[string]string{"history.get": "history.get-text"})
		texts, err := c.Texts(t.Context(), Item{ID: "1", Type: "4"}, from, to, 5)
		require.NoError(t, err)
		require.NotEmpty(t, texts)
		require.Contains(t, texts[len(texts)-1].Text, "<@all>")
		trends, err := c.Trends(t.Context(), Item{ID: "50673", Type: Unsigned}, from, to, 10)
		require.NoError(t, err)
		require.NotEmpty(t, trends)
		require.Less(t, trends[0].Min, trends[0].Max)
		require.Zero(t, trends[0].At.Unix()%3600)
	}
}

func TestItemsOfATrigger(t *testing.T) {
	for _, v := range versions {
		c, asked := replay(t, v, nil)
		list, err := c.TriggerItems(t.Context(), "25217")
		require.NoError(t, err)
		require.Len(t, list, 1, v)
		i := list[0]
		require.Equal(t, "Item sev5", i.Name)
		require.Equal(t, Unsigned, i.Type)
		require.Equal(t, [2]time.Duration{24 * time.Hour, 365 * 24 * time.Hour}, [2]time.Duration{i.History, i.Trends})
		require.Equal(t, v == "7.0", fmt.Sprint(asked["item.get"]["output"]) != "[itemid name key_ value_type units history trends delay]", "name_resolved is refused before 7.0")
	}
	c, _ := replay(t, "7.0", map[string]string{
		"trigger.get": `[{"triggerid":"1","expression":"last(/sw1/cpu)>90 and last(/sw1/up)=2","items":[{"itemid":"11"},{"itemid":"12"},{"itemid":"13"}]}]`,
		"item.get": `[{"itemid":"12","name":"Status {$X}","name_resolved":"Status x","key_":"up","value_type":"3","units":"","history":"{$H}","trends":"0","delay":"0;wd1-5h9-18","hosts":[{"hostid":"1","host":"sw1"}],
			"valuemap":{"mappings":[{"type":"0","value":"2","newvalue":"down"},{"type":"3","value":"5-7","newvalue":"range"}]}},
			{"itemid":"11","name":"CPU","key_":"cpu","value_type":"0","units":"%","history":"31d","trends":"365d","delay":"30s","hosts":[{"hostid":"1","host":"sw1"}],"valuemap":[]}]`,
	})
	list, err := c.TriggerItems(t.Context(), "25217")
	require.NoError(t, err)
	require.Equal(t, []Item{
		{ID: "11", Name: "CPU", Key: "cpu", Host: "sw1", Units: "%", Type: Float, History: 31 * 24 * time.Hour, Trends: 365 * 24 * time.Hour, Delay: 30 * time.Second,
			Thresholds: []Threshold{{"sw1", "cpu", ">", 90}}},
		{ID: "12", Name: "Status x", Key: "up", Host: "sw1", Type: Unsigned, History: -1, Values: map[string]string{"2": "down"}, Thresholds: []Threshold{{"sw1", "up", "=", 2}}},
	}, list, "in the trigger's order, without the one that isn't shown")
	for _, answers := range []map[string]string{{"trigger.get": "[]"}, {"trigger.get": `[{"triggerid":"1","expression":"","items":[]}]`}, {"item.get": "[]"}} {
		c, _ := replay(t, "7.0", answers)
		list, err := c.TriggerItems(t.Context(), "25217")
		require.NoError(t, err)
		require.Empty(t, list)
	}
	none, err := c.TriggerItems(t.Context(), "abc")
	require.NoError(t, err)
	require.Empty(t, none)
}
