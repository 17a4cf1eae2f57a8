package chat

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// A bot that is added gets its webhooks, one that is removed or switched off listens no more, and a new public URL reaches the webhooks
// at once.
func TestBotsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		url := "https://one.example.com"
		noc, lab, c, reg := &hookHost{}, &hookHost{}, emptyClaims(), prometheus.NewRegistry()
		bots := []Bot{{Name: "noc", Listen: config.ListenWebhook, Webex: noc}}
		m := NewMetrics(reg, []string{"noc"})
		r := NewReader(bots, func() Directory { return settings() }, m)
		l := New(Options{Reader: r, Inbox: NewInbox(InboxOptions{Reader: r, Store: c, Expiry: func() time.Duration { return time.Hour }, Log: slog.New(slog.DiscardHandler), Metrics: m}), Store: c,
			PublicURL: func() string { return url }, Log: slog.New(slog.DiscardHandler), Metrics: m})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = l.Run(ctx); close(ended) }()
		defer func() { cancel(); <-ended }()
		targets := func(h *hookHost) (list []string) {
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, w := range h.hooks {
				list = append(list, w.TargetURL)
			}
			return slices.Compact(list)
		}
		require.Equal(t, []string{"https://one.example.com/v1/webex/noc"}, targets(noc))
		checks := len(noc.calls)

		url = "https://two.example.com"
		noc.name = "Renamed"
		l.SetBots(append(bots, Bot{Name: "lab", Listen: config.ListenWebhook, Webex: lab}))
		require.Equal(t, []string{"https://two.example.com/v1/webex/noc"}, targets(noc), "without waiting for the next check")
		require.Greater(t, len(noc.calls), checks)
		require.Equal(t, []string{"https://two.example.com/v1/webex/lab"}, targets(lab))
		require.True(t, l.Listens("lab"))
		me, err := r.Me(ctx, "noc")
		require.NoError(t, err)
		require.Equal(t, "Renamed", me.DisplayName, "the bot may be another account now")
		require.InDelta(t, 1, testutil.ToFloat64(m.ready.WithLabelValues("lab")), 0)

		l.SetBots([]Bot{{Name: "noc", Listen: config.ListenOff, Webex: noc}})
		synctest.Wait()
		require.False(t, l.Listens("lab"))
		require.False(t, l.Listens("noc"))
		require.Equal(t, 404, l.Deliver(ctx, "lab", nil, nil))
		require.Zero(t, testutil.CollectAndCount(m.ready), "a bot that doesn't listen any more has no gauge")
		checks = len(noc.calls) + len(lab.calls)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, append(noc.calls, lab.calls...), checks)
	})
}
