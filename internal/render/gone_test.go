package render_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
)

// The thread agrees with the root about a problem that Zabbix no longer knows: it is gone, not resolved.
func TestThreadOfAGoneProblem(t *testing.T) {
	r := newRenderer(t)
	p := sample(t, "open").Supersede(alert.Key{Source: "main", EventID: "4711~1"}, render.SamplesNow, render.SamplesNow)
	reply := r.Lines(p, p.Timeline, render.Room{}, render.SamplesNow.Add(time.Second))
	require.Contains(t, reply, "Gone from Zabbix")
	require.NotContains(t, reply, "esolved after")
	require.Contains(t, r.Root(p, render.Room{}, render.SamplesNow), "gone from Zabbix")
}
