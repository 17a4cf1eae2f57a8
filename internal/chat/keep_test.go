package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/webex"
)

// hookHost is the webhook API of a Webex that doesn't reveal secrets. Each call takes its error from fail.
type hookHost struct {
	fakeWebex
	mu      sync.Mutex
	hooks   []webex.Webhook
	next    int
	fail    []error
	calls   []time.Time
	stuck   bool // an update leaves a webhook inactive
	name    string
	reveals bool // lists webhooks with their secrets
}

func (h *hookHost) call() error {
	h.calls = append(h.calls, time.Now())
	if len(h.fail) == 0 {
		return nil
	}
	err := h.fail[0]
	h.fail = h.fail[1:]
	return err
}

func (h *hookHost) Me(context.Context) (webex.Person, error) {
	me := relayBot
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.name != "" {
		me.DisplayName = h.name
	}
	return me, nil
}

func (h *hookHost) Webhooks(context.Context) ([]webex.Webhook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.call(); err != nil {
		return nil, err
	}
	list := make([]webex.Webhook, len(h.hooks))
	copy(list, h.hooks)
	for i := range list {
		if !h.reveals {
			list[i].Secret = ""
		}
	}
	return list, nil
}

func (h *hookHost) CreateWebhook(_ context.Context, w webex.Webhook) (webex.Webhook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.call(); err != nil {
		return webex.Webhook{}, err
	}
	h.next++
	w.ID = fmt.Sprint("HOOK", h.next)
	h.hooks = append(h.hooks, w)
	return w, nil
}

func (h *hookHost) UpdateWebhook(_ context.Context, w webex.Webhook) (webex.Webhook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.call(); err != nil {
		return webex.Webhook{}, err
	}
	for i := range h.hooks {
		if h.hooks[i].ID == w.ID {
			h.hooks[i].Name, h.hooks[i].TargetURL, h.hooks[i].Secret = w.Name, w.TargetURL, w.Secret
			if !h.stuck {
				h.hooks[i].Status = w.Status
			}
		}
	}
	return w, nil
}

// secrets counts the secrets that Webex has.
func (h *hookHost) secrets() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]int{}
	for _, w := range h.hooks {
		all[w.Secret]++
	}
	return all
}

// keeping returns a listener for a hookHost.
func keeping(h *hookHost, c *claims, log *slog.Logger) (*Listener, *Metrics, Bot) {
	m := NewMetrics(prometheus.NewRegistry(), []string{"noc"})
	bot := Bot{Name: "noc", Listen: config.ListenWebhook, Webex: h}
	cfg := settings()
	r := NewReader([]Bot{bot}, func() Directory { return cfg }, m)
	return newListener(r, c, m, log), m, bot
}

func emptyClaims() *claims {
	return &claims{ids: map[string]store.Command{}, values: map[string]string{}}
}

func keepOnce(t *testing.T, l *Listener, bot Bot) error {
	_, err := l.keep(t.Context(), bot)
	return err
}

// Every webhook eventually gets the secret, whichever call fails and whenever the relay restarts, and only then is
// ready 1.
func TestEveryWebhookGetsTheSecret(t *testing.T) {
	down := &webex.Error{Status: 503, Message: "Service Unavailable"}
	for _, reveals := range []bool{false, true} {
		for failing := range 14 {
			for _, restart := range []bool{false, true} {
				c, h := emptyClaims(), &hookHost{reveals: reveals}
				l, m, bot := keeping(h, c, slog.New(slog.DiscardHandler))
				require.NoError(t, keepOnce(t, l, bot))
				before, err := c.Value(t.Context(), secretName("noc"))
				require.NoError(t, err)
				require.Equal(t, map[string]int{before: 5}, h.secrets())

				// Webex has other secrets, as a delivery shows. The repair fails at one call.
				for i := range h.hooks {
					h.hooks[i].Secret = "another"
				}
				h.reveals = reveals
				require.Equal(t, 401, l.Deliver(t.Context(), "noc", http.Header{webex.SignatureHeader: {webex.Sign("another", []byte("{}"))}}, []byte("{}")))
				h.fail = append(make([]error, failing), down)
				err = keepOnce(t, l, bot)
				if restart {
					l, m, bot = keeping(h, c, slog.New(slog.DiscardHandler))
				}
				if err != nil {
					require.Error(t, err)
				}
				h.fail = nil
				require.NoError(t, keepOnce(t, l, bot))
				require.Equal(t, map[string]int{before: 5}, h.secrets(), "failing call %d, restart %v", failing, restart)
				_ = m
			}
		}
	}
}

// A new secret reaches existing webhooks even if the relay crashed right after generating it.
func TestNewSecretReachesOldWebhooks(t *testing.T) {
	c, h := emptyClaims(), &hookHost{}
	l, _, bot := keeping(h, c, slog.New(slog.DiscardHandler))
	require.NoError(t, keepOnce(t, l, bot))
	delete(c.values, secretName("noc")) // another store
	l, _, bot = keeping(h, c, slog.New(slog.DiscardHandler))
	h.fail = []error{nil, nil, &webex.Error{Status: 503}}
	require.Error(t, keepOnce(t, l, bot))
	l, _, bot = keeping(h, c, slog.New(slog.DiscardHandler)) // restarted
	require.NoError(t, keepOnce(t, l, bot))
	require.Equal(t, map[string]int{c.values[secretName("noc")]: 5}, h.secrets())
}

// A wrong signature during a store outage leads to a repair after the outage.
func TestWrongSignatureDuringStoreOutage(t *testing.T) {
	c, h := emptyClaims(), &hookHost{}
	l, _, bot := keeping(h, c, slog.New(slog.DiscardHandler))
	require.NoError(t, keepOnce(t, l, bot))
	for i := range h.hooks {
		h.hooks[i].Secret = "another"
	}
	require.Equal(t, 401, l.Deliver(t.Context(), "noc", http.Header{webex.SignatureHeader: {webex.Sign("another", []byte("{}"))}}, []byte("{}")))
	c.err = errors.New("disk full")
	require.ErrorIs(t, keepOnce(t, l, bot), c.err)
	require.Equal(t, map[string]int{"another": 5}, h.secrets())
	c.err = nil
	require.NoError(t, keepOnce(t, l, bot))
	require.Equal(t, map[string]int{c.values[secretName("noc")]: 5}, h.secrets())
}

// webhooks_ready is 0 while a webhook is missing or inactive, and the log has the ids of new ones.
func TestReadyOnlyWithAllWebhooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines testlog.Lines
		c, h := emptyClaims(), &hookHost{}
		l, m, _ := keeping(h, c, lines.Logger())
		ready := func() float64 { return testutil.ToFloat64(m.ready.WithLabelValues("noc")) }
		h.fail = []error{nil, nil, nil, errors.New("network")} // two of five are created
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { l.keepWebhooks(ctx, "noc", nil); close(ended) }()
		synctest.Wait()
		require.Zero(t, ready())
		time.Sleep(checkRetry)
		synctest.Wait()
		require.InDelta(t, 1, ready(), 0)
		for i := range 5 {
			require.Contains(t, lines.String(), fmt.Sprint("id=HOOK", i+1))
		}

		h.mu.Lock()
		h.hooks[4].Status, h.stuck = "inactive", true
		h.mu.Unlock()
		time.Sleep(checkInterval)
		synctest.Wait()
		require.Zero(t, ready(), "it stays inactive")
		h.mu.Lock()
		h.stuck = false
		h.mu.Unlock()
		time.Sleep(checkInterval)
		synctest.Wait()
		require.InDelta(t, 1, ready(), 0)

		h.mu.Lock()
		h.hooks = h.hooks[:4]
		for range 50 { // listing works, creating doesn't
			h.fail = append(h.fail, nil, errors.New("network"))
		}
		h.mu.Unlock()
		time.Sleep(checkInterval)
		synctest.Wait()
		require.Zero(t, ready(), "it is missing")
		cancel()
		<-ended
	})
}

// Webhook checks honour Retry-After.
func TestWebhookChecksHonourRetryAfter(t *testing.T) {
	for _, wait := range []time.Duration{time.Second, 7 * time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c, h := emptyClaims(), &hookHost{fail: []error{&webex.Error{Status: 429, RetryAfter: wait}}}
			l, _, _ := keeping(h, c, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { l.keepWebhooks(ctx, "noc", nil); close(ended) }()
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			cancel()
			<-ended
			require.Greater(t, len(h.calls), 2)
			require.GreaterOrEqual(t, h.calls[1].Sub(h.calls[0]), wait)
		})
	}
}

// A bot that is renamed while the relay runs answers to its new name within minutes.
func TestRenamedBot(t *testing.T) {
	c, h := emptyClaims(), &hookHost{}
	l, _, bot := keeping(h, c, slog.New(slog.DiscardHandler))
	require.NoError(t, keepOnce(t, l, bot))
	said := func(text string) string {
		me, err := l.o.Reader.Me(t.Context(), "noc")
		require.NoError(t, err)
		return read(webex.Message{Text: text, MentionedPeople: []string{me.ID}}, me).text
	}
	require.Equal(t, "NOC helper ack 4711", said("NOC helper ack 4711"))
	h.name = "NOC helper"
	require.NoError(t, keepOnce(t, l, bot))
	require.Equal(t, "ack 4711", said("NOC helper ack 4711"))
}
