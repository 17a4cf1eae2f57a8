package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

func TestOpeningOf(t *testing.T) {
	base := func() alert.Problem {
		return alert.Problem{Key: k4711, Origin: alert.OriginTrigger, Facts: alert.Facts{
			Name: "Port 7 down", TriggerID: "17", Hosts: []alert.Host{{Host: "sw1"}}, Tags: []alert.Tag{{Tag: "port", Value: "7"}, {Tag: "net"}},
		}}
	}
	of := func(change func(*alert.Problem)) int64 {
		p := base()
		change(&p)
		return openingOf(p)
	}
	same := of(func(*alert.Problem) {})
	require.Positive(t, same)
	for name, change := range map[string]func(*alert.Problem){
		"another event":                  func(p *alert.Problem) { p.Key.EventID = "4712" },
		"tags in another order":          func(p *alert.Problem) { p.Tags[0], p.Tags[1] = p.Tags[1], p.Tags[0] },
		"another host of the trigger":    func(p *alert.Problem) { p.Hosts = nil },
		"another severity and op. data ": func(p *alert.Problem) { p.Severity, p.OpData = alert.High, "5" },
	} {
		require.Equal(t, same, of(change), name)
	}
	for name, change := range map[string]func(*alert.Problem){
		"another trigger":        func(p *alert.Problem) { p.TriggerID = "18" },
		"another name":           func(p *alert.Problem) { p.Name = "Port 8 down" },
		"another tag":            func(p *alert.Problem) { p.Tags[0].Value = "8" },
		"fewer tags":             func(p *alert.Problem) { p.Tags = p.Tags[:1] },
		"tags split differently": func(p *alert.Problem) { p.Tags[0] = alert.Tag{Tag: "por", Value: "t7"} },
		"another source":         func(p *alert.Problem) { p.Key.Source = "lab" },
		"another origin":         func(p *alert.Problem) { p.Origin = alert.OriginInternal },
		"no trigger, by hosts":   func(p *alert.Problem) { p.TriggerID = "" },
		"another host, by host":  func(p *alert.Problem) { p.TriggerID, p.Hosts[0].Host = "", "sw2" },
	} {
		require.NotEqual(t, same, of(change), name)
		require.Positive(t, of(change), name)
	}
	for name, change := range map[string]func(*alert.Problem){
		"discovery, which never resolves":        func(p *alert.Problem) { p.Origin = alert.OriginDiscovery },
		"autoregistration, which never resolves": func(p *alert.Problem) { p.Origin = alert.OriginAutoregistration },
		"nothing identifies it":                  func(p *alert.Problem) { p.TriggerID, p.Name = "", "" },
	} {
		require.Zero(t, of(change), name)
	}
}
