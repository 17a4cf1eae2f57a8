package delivery

import (
	"context"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
)

// CallPaced makes a call of another package with a bot's account, such as reading a command. It is made at once,
// except while the account has to wait: then nothing is sent, and the error is a 429 with the rest of that wait. A
// 429 that it gets counts for delivery too. op names the call. CallPaced blocks until Run has begun.
func (d *Delivery) CallPaced(ctx context.Context, botName, op string, call func() error) error {
	b := d.bots[botName]
	if b == nil {
		return call()
	}
	select {
	case <-b.remembered:
	case <-ctx.Done():
		return &webex.Error{Op: op, Message: "not sent", Err: ctx.Err()}
	}
	b.mu.Lock()
	started := time.Now()
	begins := b.rate.BeginBeside(started)
	rest := b.rate.PausedUntil().Sub(started)
	b.mu.Unlock()
	if !begins {
		return &webex.Error{Op: op, Status: 429, Message: "not sent: Webex told the bot to wait", RetryAfter: rest}
	}
	err := call()
	if err == nil || webex.ClassOf(err) != webex.RateLimited {
		return err
	}
	b.mu.Lock()
	now := time.Now()
	b.rate.Limited(started, now, webex.ErrorOf(err).RetryAfter)
	b.Log.Warn("Webex told the bot to wait", "bot", b.name, "op", op, "retry_after", webex.ErrorOf(err).RetryAfter, "rate", b.rate.PerSecond())
	b.mu.Unlock()
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.Grace)
	defer cancel()
	b.keepWaits(save)
	pace.Wake(b.woken)
	return err
}
