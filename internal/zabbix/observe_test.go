package zabbix

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// observed replays a recording's answers to the calls of Observe, for any ids.
func observed(t *testing.T, v, event string) alert.Observation {
	t.Helper()
	calls := load(t, v)
	c := serve(t, "TOKEN-OF-RELAY", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case bytes.Contains(body, []byte("apiinfo.version")):
			_, _ = w.Write(calls["apiinfo.version"].body())
		case bytes.Contains(body, []byte("trigger.get")):
			_, _ = w.Write(calls["trigger.get"].body())
		case bytes.Contains(body, []byte(`"clock"`)):
			fmt.Fprint(w, `{"id":1,"result":[{"eventid":"67","clock":"1795527285"},{"eventid":"72","clock":"1795528885"}]}`)
		default:
			_, _ = w.Write(calls[event].body())
		}
	}))
	seen, err := c.Observe(t.Context(), []string{"6", "6", "99", "abc"})
	require.NoError(t, err)
	require.Len(t, seen, 3)
	require.True(t, seen["99"].Gone)
	require.True(t, seen["abc"].Gone)
	o := seen["6"]
	require.False(t, o.Gone)
	require.WithinDuration(t, time.Now(), o.At, time.Minute)
	return o
}

func TestObserve(t *testing.T) {
	for v, want := range map[string]alert.Observation{
		"6.0": {
			Opened: time.Unix(1795526744, 0).UTC(), TriggerID: "23138", ItemID: "44523",
			Hosts:   []alert.Host{{ID: "10559", Host: "sw1", Name: "Core switch 1"}},
			Updates: []alert.Update{{AckID: "12", At: time.Unix(1795527262, 0).UTC()}},
		},
		"7.0": {
			Opened: time.Unix(1795528313, 0).UTC(), TriggerID: "25217", ItemID: "50673",
			Hosts:   []alert.Host{{ID: "10680", Host: "sw1", Name: "Core switch 1"}},
			Updates: []alert.Update{{AckID: "20", At: time.Unix(1795528868, 0).UTC()}},
		},
	} {
		t.Run(v, func(t *testing.T) {
			o := observed(t, v, "event.get")
			want.At, want.CanSuppress = o.At, v != "6.0"
			want.Name, want.OpData = "Severity disaster on Core switch 1", "value 1"
			want.Severity, want.Acknowledged, want.ManualClose, want.ItemName = alert.Disaster, true, true, "Item sev5"
			want.Tags = []alert.Tag{{Tag: "service", Value: "switching"}, {Tag: "scope", Value: "availability"}, {Tag: "component", Value: "test"},
				{Tag: "site", Value: "Zürich"}, {Tag: "relay_link", Value: "https://relay.example.com/m/1"}}
			u := &want.Updates[0]
			u.Exact, u.Message, u.Actor.Name = true, "on it\nsecond line", "Bob Builder (bob)"
			u.Actions = alert.Actions{Ack: true, Comment: true}
			require.Equal(t, want, o)
		})
	}
}

func TestObserveSortsAcknowledgementsAndFindsTheEnd(t *testing.T) {
	for v, end := range map[string]int64{"6.0": 1795527285, "7.0": 1795528885} {
		t.Run(v, func(t *testing.T) {
			o := observed(t, v, "event.get-after-all")
			require.True(t, o.Resolved)
			require.Equal(t, time.Unix(end, 0).UTC(), o.ResolvedAt)
			var ids []int
			hidden, closed, changed := 0, 0, 0
			for _, u := range o.Updates {
				ids = append(ids, text(u.AckID).number())
				if u.Actor.Name == "" {
					hidden++
				}
				if u.Actions.Close {
					closed++
				}
				if u.Actions.Severity != nil {
					changed++
					require.Equal(t, alert.SeverityChange{Old: alert.Disaster, New: alert.High}, *u.Actions.Severity)
				}
			}
			require.True(t, slices.IsSorted(ids), ids)
			require.Greater(t, len(ids), 6)
			require.Equal(t, []int{1, 1, 1}, []int{hidden, closed, changed})
		})
	}
}

func TestObserveTellsManualSuppressionFromMaintenance(t *testing.T) {
	hour := time.Unix(1795532063, 0).UTC()
	for name, tc := range map[string]struct {
		data   string
		byHand bool
		until  time.Time
	}{
		"by hand":           {`[{"maintenanceid":"0","suppress_until":"1795532063"}]`, true, hour},
		"for good":          {`[{"maintenanceid":"0","suppress_until":"0"}]`, true, time.Time{}},
		"by a maintenance":  {`[{"maintenanceid":"1","suppress_until":"1795532063"}]`, false, hour},
		"by both, for good": {`[{"maintenanceid":"1","suppress_until":"1795532063"},{"maintenanceid":"0","suppress_until":"0"}]`, false, time.Time{}},
		"without details":   {`[]`, false, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{version: "7.0.22", answers: map[string]string{
				"event.get": `[{"eventid":"6","objectid":"9","value":"1","suppressed":"1","suppression_data":` + tc.data + `}]`,
			}}
			seen, err := serve(t, "", f).Observe(t.Context(), []string{"6"})
			require.NoError(t, err)
			require.True(t, seen["6"].Suppressed)
			require.Equal(t, tc.byHand, seen["6"].ByHand)
			require.Equal(t, tc.until, seen["6"].SuppressedUntil)
		})
	}
}

func TestObserveAsksInBatches(t *testing.T) {
	f := &fake{version: "7.0.22"}
	var ids []string
	for i := range 2*batch + 1 {
		ids = append(ids, fmt.Sprint(i+1))
	}
	seen, err := serve(t, "", f).Observe(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, seen, len(ids))
	require.Len(t, f.calls("event.get"), 3)
	require.Empty(t, f.calls("trigger.get"), "no event was found")
}

func TestARecoverysOwnEventIsNotAProblem(t *testing.T) {
	f := &fake{version: "7.0.22", answers: map[string]string{"event.get": `[{"eventid":"72","objectid":"9","value":"0"}]`}}
	seen, err := serve(t, "", f).Observe(t.Context(), []string{"72"})
	require.NoError(t, err)
	require.True(t, seen["72"].Gone)
}
