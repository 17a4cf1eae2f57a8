package chat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// ours begins the name of every webhook that the relay made; it touches no others.
const ours = "nms-alert-relay: "

// wanted are the webhooks of a bot: mentions in group rooms, everything in
// direct ones, and the buttons of cards. Without a filter the bot would hear itself.
func wanted(bot, publicURL, secret string) []webex.Webhook {
	hook := func(what, resource, filter string) webex.Webhook {
		return webex.Webhook{
			Name: ours + bot + " " + what, TargetURL: strings.TrimRight(publicURL, "/") + "/v1/webex/" + bot,
			Resource: resource, Event: "created", Filter: filter, Secret: secret, Status: "active",
		}
	}
	return []webex.Webhook{
		hook("messages in groups", resourceMessages, "roomType=group&mentionedPeople=me"),
		hook("direct messages", resourceMessages, "roomType=direct"),
		hook("buttons of cards", resourceActions, ""),
	}
}

// op is what a step does with a webhook.
type op string

const (
	opCreate op = "create"
	opUpdate op = "update"
	opDelete op = "delete"
)

// step is one call that brings the webhooks nearer to what they should be.
type step struct {
	op   op
	hook webex.Webhook
	why  string
}

// plan says what to do so that the bot has the wanted webhooks, once each, and
// no others of ours. Webex lets the name, the target, the secret and the status of a
// webhook be changed, the rest not: such a one is made anew. It is pure.
func plan(existing, want []webex.Webhook) []step {
	var steps []step
	mine := make(map[string][]webex.Webhook)
	for _, h := range existing {
		switch {
		case !strings.HasPrefix(h.Name, ours):
		case slices.ContainsFunc(want, func(w webex.Webhook) bool { return w.Name == h.Name }):
			mine[h.Name] = append(mine[h.Name], h)
		default:
			steps = append(steps, step{opDelete, h, "no longer wanted"})
		}
	}
	for _, w := range want {
		kept := false
		for _, h := range byFitness(mine[w.Name], w) {
			why, changeable := difference(h, w)
			switch {
			case kept:
				steps = append(steps, step{opDelete, h, "a double"})
			case why == "":
				kept = true
			case changeable:
				kept = true
				w.ID = h.ID
				steps = append(steps, step{opUpdate, w, why})
			default:
				steps = append(steps, step{opDelete, h, why})
			}
		}
		if !kept {
			steps = append(steps, step{opCreate, w, "missing"})
		}
	}
	return steps
}

// byFitness sorts the webhooks of one name, the one nearest to the wanted first.
func byFitness(hooks []webex.Webhook, w webex.Webhook) []webex.Webhook {
	rank := func(h webex.Webhook) int {
		switch why, changeable := difference(h, w); {
		case why == "":
			return 0
		case changeable:
			return 1
		}
		return 2
	}
	sorted := slices.Clone(hooks)
	slices.SortStableFunc(sorted, func(a, b webex.Webhook) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return sorted
}

// difference says in what a webhook isn't as wanted, "" for nothing, and
// whether that can be changed.
func difference(h, w webex.Webhook) (why string, changeable bool) {
	switch {
	case h.Resource != w.Resource || h.Event != w.Event:
		return "listens to " + h.Resource + "/" + h.Event, false
	case !sameFilter(h.Filter, w.Filter):
		return "has the filter " + h.Filter, false
	case h.TargetURL != w.TargetURL:
		return "has another target", true
	case h.Secret != "" && h.Secret != w.Secret: // Webex needn't tell it
		return "has another secret", true
	case h.Status != "" && h.Status != w.Status:
		return "is " + h.Status, true
	}
	return "", true
}

// sameFilter compares filters whatever the order of their parts.
func sameFilter(a, b string) bool {
	parts := func(s string) []string {
		p := strings.Split(s, "&")
		slices.Sort(p)
		return p
	}
	return slices.Equal(parts(a), parts(b))
}

const (
	// repairEvery is how often the webhooks are looked at.
	repairEvery = 5 * time.Minute
	// repairSoon is how soon after a failure.
	repairSoon = 10 * time.Second
)

// keepWebhooks makes and repairs a bot's webhooks until ctx ends.
func (l *Listener) keepWebhooks(ctx context.Context, bot Bot) {
	for try := 0; ctx.Err() == nil; {
		err := l.repair(ctx, bot)
		if ctx.Err() != nil {
			return
		}
		wait := repairEvery
		if err == nil {
			try = 0
			l.o.Metrics.ready.WithLabelValues(bot.Name).Set(1)
		} else {
			l.o.Metrics.ready.WithLabelValues(bot.Name).Set(0)
			wait = min(repairSoon<<min(try, 5), repairEvery)
			if webex.ClassOf(err) == webex.Unauthorized { // not before somebody has seen to the token
				wait = repairEvery
			}
			wait = max(wait, retryAfter(err))
			try++
			l.o.Log.Error("the bot's webhooks can't be kept: it may not hear its rooms", "bot", bot.Name, "again_in", wait, "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// retryAfter is how long Webex wants to be left alone.
func retryAfter(err error) time.Duration {
	var e *webex.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// repair brings a bot's webhooks to what they should be.
func (l *Listener) repair(ctx context.Context, bot Bot) error {
	if _, err := l.o.Reader.Me(ctx, bot.Name); err != nil {
		return fmt.Errorf("who the bot is: %w", err)
	}
	secret, fresh, err := l.secret(ctx, bot.Name)
	if err != nil {
		return fmt.Errorf("the webhooks' secret: %w", err)
	}
	existing, err := bot.Webex.Webhooks(ctx)
	if err != nil {
		return fmt.Errorf("listing webhooks: %w", err)
	}
	// A delivery with a wrong signature may be a stranger's, or tell that Webex has
	// another secret than we: then it is set again.
	if l.suspect(bot.Name) || fresh {
		for i := range existing {
			existing[i].Secret = "(not known)"
		}
	}
	for _, s := range plan(existing, wanted(bot.Name, l.o.PublicURL, secret)) {
		switch s.op {
		case opCreate:
			_, err = bot.Webex.CreateWebhook(ctx, s.hook)
		case opUpdate:
			_, err = bot.Webex.UpdateWebhook(ctx, s.hook)
		case opDelete:
			if err = bot.Webex.DeleteWebhook(ctx, s.hook.ID); webex.ClassOf(err) == webex.NotFound {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("%s the webhook %q: %w", s.op, s.hook.Name, err)
		}
		l.o.Metrics.repairs.WithLabelValues(bot.Name, string(s.op)).Inc()
		l.o.Log.Info("webhook repaired", "bot", bot.Name, "did", s.op, "webhook", s.hook.Name, "id", s.hook.ID, "why", s.why)
	}
	return nil
}

// secretName is where the store keeps the secret of a bot's webhooks.
func secretName(bot string) string { return "webex/" + bot + "/webhook-secret" }

// secret is the secret of a bot's webhooks; it is made when there is none.
func (l *Listener) secret(ctx context.Context, bot string) (secret string, fresh bool, err error) {
	if secret, err = l.knownSecret(ctx, bot); !errors.Is(err, store.ErrNotFound) {
		return secret, false, err
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails
	secret = hex.EncodeToString(random)
	if err := l.o.Store.SetValue(ctx, secretName(bot), secret); err != nil {
		return "", false, err
	}
	l.mu.Lock()
	l.secrets[bot] = secret
	l.mu.Unlock()
	return secret, true, nil
}

// knownSecret is the secret as kept; store.ErrNotFound before there is one.
func (l *Listener) knownSecret(ctx context.Context, bot string) (string, error) {
	l.mu.Lock()
	secret, ok := l.secrets[bot]
	l.mu.Unlock()
	if ok {
		return secret, nil
	}
	secret, err := l.o.Store.Value(ctx, secretName(bot))
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	l.secrets[bot] = secret
	l.mu.Unlock()
	return secret, nil
}
