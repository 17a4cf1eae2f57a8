package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/watch"
)

// Before the first comparison nothing is said about open problems that Zabbix doesn't show.
func TestGoneIn(t *testing.T) {
	for want, held := range map[watch.Finding]*reconcile.Held{
		{}:                    {},
		{Verdict: watch.Fine}: {},
		{Verdict: watch.Trouble, Count: 3, Detail: "why"}:                                {Count: 3, Reason: "why"},
		{Verdict: watch.Fine, Detail: "3 were closed as gone, by an operator's command"}: {Accepted: 3},
	} {
		known := want != watch.Finding{}
		require.Equal(t, want, goneIn(func(string) (reconcile.Held, bool) { return *held, known }, func() lang.Lang { return lang.English })("main"))
	}
}
