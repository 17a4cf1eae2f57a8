package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// namePrefix begins the names of the relay's webhooks. The relay changes only these and webhooks whose target is the relay.
const namePrefix = "alert-relay: "

// wanted returns the webhooks of a bot: mentions in group rooms, all direct messages, edits of both, and card
// buttons. Without the filters the bot would receive its own messages.
func wanted(bot, publicURL, secret string) []webex.Webhook {
	hook := func(what, resource, event, filter string) webex.Webhook {
		return webex.Webhook{
			Name: namePrefix + bot + " " + what, TargetURL: strings.TrimRight(publicURL, "/") + "/v1/webex/" + bot,
			Resource: resource, Event: event, Filter: filter, Secret: secret, Status: "active",
		}
	}
	const mentions, direct = "roomType=group&mentionedPeople=me", "roomType=direct"
	return []webex.Webhook{
		hook("messages in groups", resourceMessages, eventCreated, mentions),
		hook("direct messages", resourceMessages, eventCreated, direct),
		hook("buttons of cards", resourceActions, eventCreated, ""),
		hook("edited messages in groups", resourceMessages, eventUpdated, mentions),
		hook("edited direct messages", resourceMessages, eventUpdated, direct),
	}
}

// op is what a fix does to a webhook.
type op string

const (
	opCreate op = "create"
	opUpdate op = "update"
	opDelete op = "delete"
)

// fix is one call of a repair.
type fix struct {
	op   op
	hook webex.Webhook
	why  string
	lost bool // deliveries were lost until now
}

// plan returns the fixes after which the bot has each wanted webhook once and no other webhook of the relay. Webex can change a
// webhook's name, target, secret and status; another resource, event or filter needs a new webhook.
func plan(existing, want []webex.Webhook) []fix {
	var fixes []fix
	ours := make(map[string][]webex.Webhook)
	for _, w := range want {
		ours[listensTo(w)] = nil
	}
	for _, h := range existing {
		isOurs := strings.HasPrefix(h.Name, namePrefix) || h.TargetURL == want[0].TargetURL
		_, wanted := ours[listensTo(h)]
		switch {
		case isOurs && wanted:
			ours[listensTo(h)] = append(ours[listensTo(h)], h)
		case isOurs:
			fixes = append(fixes, fix{op: opDelete, hook: h, why: "no longer wanted"})
		}
	}
	for _, w := range want {
		candidates := ours[listensTo(w)]
		if len(candidates) == 0 {
			fixes = append(fixes, fix{op: opCreate, hook: w, why: "missing", lost: true})
			continue
		}
		keep := max(0, slices.IndexFunc(candidates, func(h webex.Webhook) bool { return difference(h, w) == "" }))
		for i, h := range candidates {
			switch why := difference(h, w); {
			case i != keep:
				fixes = append(fixes, fix{op: opDelete, hook: h, why: "duplicate"})
			case why != "":
				w.ID = h.ID
				fixes = append(fixes, fix{op: opUpdate, hook: w, why: why, lost: why != otherName})
			}
		}
	}
	return fixes
}

// WebhookFaults returns what is wrong with a bot's webhooks: each a name and what the relay would do about it. Secrets aren't compared.
func WebhookFaults(existing []webex.Webhook, bot, publicURL string) (faults []string) {
	existing = slices.Clone(existing)
	for i := range existing {
		existing[i].Secret = ""
	}
	for _, f := range plan(existing, wanted(bot, publicURL, "")) {
		faults = append(faults, strings.TrimPrefix(f.hook.Name, namePrefix+bot+" ")+": "+f.why)
	}
	return faults
}

// listensTo returns a webhook's resource, event and filter, independent of the order of the filter's parts.
func listensTo(h webex.Webhook) string {
	filter := strings.Split(h.Filter, "&")
	slices.Sort(filter)
	return h.Resource + " " + h.Event + " " + strings.Join(filter, "&")
}

// difference describes how a webhook differs from the wanted one; "" if it doesn't.
func difference(h, w webex.Webhook) string {
	switch {
	case h.TargetURL != w.TargetURL:
		return "has another target"
	case h.Secret != "" && h.Secret != w.Secret: // Webex may omit it
		return "has another secret"
	case h.Status != "" && h.Status != w.Status:
		return "is " + h.Status
	case h.Name != w.Name:
		return otherName
	}
	return ""
}

// otherName is a difference without effect.
const otherName = "has another name"

const (
	checkInterval = 5 * time.Minute
	checkRetry    = 10 * time.Second // after the first failure
)

// keepWebhooks creates and repairs a bot's webhooks until ctx ends.
func (l *Listener) keepWebhooks(ctx context.Context, name string, woken chan struct{}) {
	defer func() {
		if l.Listens(name) {
			return // it stops with the relay
		}
		l.o.Metrics.ready.DeleteLabelValues(name)
		if c, listens := l.catchers.Get(name); listens {
			c.signs.unhook()
		}
	}()
	lost := false // deliveries, since the last check that succeeded
	for try := 0; ctx.Err() == nil; {
		bot, ok := l.o.Reader.bot(name)
		if !ok { // removed: ctx ends now
			<-ctx.Done()
			return
		}
		repaired, err := l.keep(ctx, bot)
		if ctx.Err() != nil {
			return
		}
		lost = lost || repaired
		wait := checkInterval
		if err == nil {
			l.webhooksChecked(ctx, name, lost)
			try, lost = 0, false
			l.o.Metrics.ready.WithLabelValues(bot.Name).Set(1)
		} else {
			l.o.Metrics.ready.WithLabelValues(bot.Name).Set(0)
			wait = min(checkRetry<<min(try, 5), checkInterval)
			if webex.ClassOf(err) == webex.Unauthorized { // somebody must replace the token first
				wait = checkInterval
			}
			wait = max(wait, webex.ErrorOf(err).RetryAfter)
			try++
			l.o.Log.Error("cannot check or repair the bot's webhooks, so it may miss messages", "bot", bot.Name, "retry_in", wait, "error", err)
		}
		pace.Pause(ctx, wait, woken)
	}
}

// keep checks a bot's webhooks and repairs them, and reports whether deliveries were lost until then. After a change it checks again,
// since only Webex knows the result.
func (l *Listener) keep(ctx context.Context, bot Bot) (lost bool, err error) {
	changed, lost, err := l.repair(ctx, bot)
	if err != nil || !changed {
		return lost, err
	}
	l.o.Metrics.ready.WithLabelValues(bot.Name).Set(0)
	if changed, _, err = l.repair(ctx, bot); err == nil && changed {
		err = errors.New("webhooks changed again right after they were repaired: does another relay use the same bot?")
	}
	return lost, err
}

// repair changes a bot's webhooks to the wanted ones. It reports whether it changed any, and whether deliveries were lost until then.
func (l *Listener) repair(ctx context.Context, bot Bot) (changed, lost bool, err error) {
	if _, err := l.o.Reader.askMe(ctx, bot.Name); err != nil {
		if _, known := l.o.Reader.ownAccount(bot.Name); !known {
			return false, false, fmt.Errorf("reading the bot's own account: %w", err)
		}
	}
	secret, err := l.secret(ctx, bot.Name)
	if err != nil {
		return false, false, fmt.Errorf("reading the webhooks' secret: %w", err)
	}
	set, err := l.secretsSet(ctx, bot.Name)
	if err != nil {
		return false, false, fmt.Errorf("reading which webhooks have the secret: %w", err)
	}
	// After a delivery with a wrong signature Webex may have another secret: set it again, now or, if that
	// fails, at a later check.
	if _, suspect := l.suspects.LoadAndDelete(bot.Name); suspect {
		clear(set)
		if err := l.keepSecretsSet(ctx, bot.Name, set); err != nil {
			l.suspects.Store(bot.Name, true)
			return false, false, fmt.Errorf("clearing the record of webhooks that have the secret: %w", err)
		}
	}
	existing, err := bot.Webex.Webhooks(ctx)
	if err != nil {
		return false, false, fmt.Errorf("listing webhooks: %w", err)
	}
	for i, h := range existing {
		// Whatever Webex reports, a secret counts only if the relay set it since the last wrong signature.
		if set[h.ID] != fingerprint(secret) {
			existing[i].Secret = "(unknown)"
		}
	}
	for _, f := range plan(existing, wanted(bot.Name, l.o.PublicURL(), secret)) {
		hook := f.hook
		switch f.op {
		case opCreate:
			hook, err = bot.Webex.CreateWebhook(ctx, f.hook)
		case opUpdate:
			_, err = bot.Webex.UpdateWebhook(ctx, f.hook)
		case opDelete:
			if err = bot.Webex.DeleteWebhook(ctx, f.hook.ID); webex.ClassOf(err) == webex.NotFound {
				err = nil
			}
		}
		if err != nil {
			return changed, lost, fmt.Errorf("%s webhook %q: %w", f.op, f.hook.Name, err)
		}
		changed, lost = true, lost || f.lost
		l.o.Metrics.repairs.WithLabelValues(bot.Name, string(f.op)).Inc()
		l.o.Log.Info("webhook repaired", "bot", bot.Name, "op", f.op, "webhook", f.hook.Name, "id", hook.ID, "why", f.why)
		if f.op == opDelete {
			delete(set, hook.ID)
		} else {
			set[hook.ID] = fingerprint(secret)
		}
		if err := l.keepSecretsSet(ctx, bot.Name, set); err != nil {
			return changed, lost, fmt.Errorf("storing which webhooks have the secret: %w", err)
		}
	}
	return changed, lost, nil
}

// fingerprint identifies a secret without revealing it.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

// secretsSetName returns the store's key for which of a bot's webhooks have which secret.
func secretsSetName(bot string) string { return "webex/" + bot + "/webhook-secrets-set" }

// secretsSet returns the fingerprints of the secrets that the relay set, by webhook id.
func (l *Listener) secretsSet(ctx context.Context, bot string) (map[string]string, error) {
	set := make(map[string]string)
	text, err := l.o.Store.Value(ctx, secretsSetName(bot))
	if errors.Is(err, store.ErrNotFound) {
		return set, nil
	}
	if err == nil && json.Unmarshal([]byte(text), &set) != nil {
		clear(set) // set them all again
	}
	return set, err
}

func (l *Listener) keepSecretsSet(ctx context.Context, bot string, set map[string]string) error {
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	return l.o.Store.SetValue(ctx, secretsSetName(bot), string(text))
}

// secretName returns the store's key for the secret of a bot's webhooks.
func secretName(bot string) string { return "webex/" + bot + "/webhook-secret" }

// secret returns the secret of a bot's webhooks. It is generated if there is none.
func (l *Listener) secret(ctx context.Context, bot string) (secret string, err error) {
	if secret, err = l.storedSecret(ctx, bot); !errors.Is(err, store.ErrNotFound) {
		return secret, err
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails
	secret = hex.EncodeToString(random)
	if err := l.o.Store.SetValue(ctx, secretName(bot), secret); err != nil {
		return "", err
	}
	l.secrets.Store(bot, secret)
	return secret, nil
}

// storedSecret returns the stored secret, or store.ErrNotFound if there is none yet.
func (l *Listener) storedSecret(ctx context.Context, bot string) (string, error) {
	if secret, ok := l.secrets.Load(bot); ok {
		return secret.(string), nil
	}
	secret, err := l.o.Store.Value(ctx, secretName(bot))
	if err != nil {
		return "", err
	}
	l.secrets.Store(bot, secret)
	return secret, nil
}
