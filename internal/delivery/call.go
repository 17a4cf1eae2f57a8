package delivery

import (
	"context"
	"log/slog"
	"time"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
)

// act makes the call of a step. shown is the message that it edits or deletes, m what it posts or what shown
// becomes; got is the message that it posted, changed or read. made is false if nothing was sent: a 429 came since
// the task was picked.
func (b *bot) act(l lives, t *task, s step.Step, attempts int, shown string, m webex.NewMessage) (got webex.Message, made bool, err error) {
	room := b.webexRoom(t.Room)
	b.mu.Lock()
	started := time.Now()
	wait := b.breaker.Open() && started.Before(b.breaker.At()) || l.begin.Err() != nil || !b.rate.MayBegin(room, started)
	if !wait {
		b.rate.Began(room, started)
	}
	b.mu.Unlock()
	if wait {
		return got, false, nil
	}
	span := b.beginCall(t, s, attempts, started)
	t.Value.traced.last = span
	call := s.Call()
	switch call {
	case step.Edit:
		got, err = b.client.EditMessage(l.call, shown, m.RoomID, m.Markdown)
	case step.Remove:
		got.ID, err = shown, b.client.DeleteMessage(l.call, shown)
	case step.Read:
		got, err = b.client.GetMessage(l.call, shown)
	default:
		got, err = b.client.CreateMessage(l.call, m)
	}
	now := time.Now()
	span.Set(tracing.About{Message: got.ID})
	span.EndAt(now, resultOf(err))
	b.Metrics.called(b.name, s.Op, err)
	if attempts > 0 {
		b.Metrics.Retries.WithLabelValues(b.name).Inc()
	}
	b.learn(t.ID, room, err, started, now)
	if webex.ErrorOf(err).RetryAfter > 0 {
		b.keepWaits(l.save)
	}
	if err != nil {
		return got, true, err
	}
	if call != step.Edit && call != step.Remove && call != step.Read {
		b.recordAccepted(l, t.Room)
		if m.ToPersonEmail != "" {
			b.keepDirectRoom(l.save, m.ToPersonEmail, got.RoomID)
		}
	}
	level := slog.LevelInfo
	if t.Value.notice != nil && t.Value.notice.canary {
		level = slog.LevelDebug
	}
	b.logOf(t).Log(l.call, level, "message sent", "op", s.Op, "reason", s.Reason, "message", got.ID, "took", now.Sub(started))
	return got, true, nil
}

// logOf logs about a task.
func (b *bot) logOf(t *task) *slog.Logger {
	log := b.Log.With(t.Value.about...).With("room", t.Room, "bot", b.name)
	if span := t.Value.traced.last; span != nil {
		log = log.With("trace", span.TraceID())
	}
	return log
}

// logRefused logs a call that failed. If a proxy answers for Webex, the client logs that once; here it would
// be a line for each message.
func (b *bot) logRefused(l lives, t *task, s step.Step, verdict step.Verdict, err error) {
	level := slog.LevelWarn
	if webex.ErrorOf(err).Foreign {
		level = slog.LevelDebug
	}
	b.logOf(t).Log(l.call, level, "message not accepted", "op", s.Op, "verdict", verdict, "err", err)
}

// deadLetter counts and logs a dead letter. refused means that Webex refused it.
func (b *bot) deadLetter(t *task, kind string, refused bool, reason, trackingID string) {
	b.Metrics.DeadLetters.WithLabelValues(kind).Inc()
	what := "dead letter: it can't be sent"
	if refused {
		what = "dead letter: Webex refused it for good"
	}
	b.logOf(t).Error(what, "of", kind, "err", reason, "tracking_id", trackingID)
}

// learn adjusts the bot's pace and breaker to the outcome of a call.
func (b *bot) learn(id, room string, err error, started, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.breaker.State()
	class := webex.ClassOf(err)
	if answered := err == nil || class != webex.Unauthorized && class != webex.Temporary; answered {
		if b.breaker.Open() {
			b.rate.Resume(now.Sub(b.breaker.Opened()), now)
		}
		b.breaker.Answered()
	}
	switch {
	case err == nil:
		b.rate.Answered(room, started, now)
	case class == webex.RateLimited:
		retryAfter := webex.ErrorOf(err).RetryAfter
		alone := b.rate.LimitedIn(room, started, now, retryAfter)
		who := "bot"
		if alone {
			who = "room"
		}
		b.Log.Warn("Webex told the "+who+" to wait", "bot", b.name, "webex_room", room, "retry_after", retryAfter, "rate", b.rate.SpeedIn(room))
	}
	switch class {
	case webex.Unauthorized:
		b.breaker.Unauthorized(now)
	case webex.Temporary:
		if err != nil {
			b.breaker.Failed(id, started, now, b.Jitter())
			if wait := webex.ErrorOf(err).RetryAfter; wait > 0 {
				b.rate.PauseUntil(now.Add(wait), now) // Webex is down, and says until when
			}
		}
	}
	if after := b.breaker.State(); after != before {
		switch after {
		case pace.BreakerClosed:
			b.Log.Info("Webex answers the bot again", "bot", b.name, "rate", b.rate.PerSecond())
		case pace.BreakerUnauthorized:
			b.Log.Error("Webex refuses the bot's token: nothing is sent until it is replaced; retrying once a minute", "bot", b.name, "err", err)
		case pace.BreakerAway:
			b.Log.Error("Webex is unreachable: messages are delayed, none is lost; retrying with single calls", "bot", b.name, "err", err)
		}
	}
}

const (
	retryBase = time.Second
	retryMost = 2 * time.Minute
)

// delay is the backoff after the nth failure in a row. While the breaker is open, no task waits longer than
// until its next attempt, so that everything continues as soon as Webex is back.
func (b *bot) delay(n int, err error, now time.Time) time.Duration {
	d := max(pace.Backoff(n, retryBase, retryMost, b.Jitter()), webex.ErrorOf(err).RetryAfter)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.breaker.Open() {
		d = min(d, b.breaker.At().Sub(now))
	}
	return d
}

// CallPaced makes a call of another package with a bot's account, such as reading a command. It is made at once,
// except while the account has to wait: then nothing is sent, and the error is a 429 with the rest of that wait. A
// 429 that it gets counts for delivery too. op names the call. CallPaced blocks until Run has begun.
func (d *Delivery) CallPaced(ctx context.Context, botName, op string, call func() error) error {
	b := d.bot(botName)
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
	b.rate.Pause("", started, now, webex.ErrorOf(err).RetryAfter)
	b.Log.Warn("Webex told the bot to wait", "bot", b.name, "op", op, "retry_after", webex.ErrorOf(err).RetryAfter, "rate", b.rate.PerSecond())
	b.mu.Unlock()
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.Grace)
	defer cancel()
	b.keepWaits(save)
	pace.Wake(b.woken)
	return err
}
