package command

import (
	"context"
	"strconv"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// What a person with a token of their own does is done with it. Their rights in Zabbix are the truth: what Zabbix doesn't let them do,
// the relay's user doesn't do for them. Only if Zabbix refuses the token itself does the relay's user act, as for everybody else.

// actsAs returns the Zabbix users as whom a person acts, by source. A token that can't be read counts as absent.
func (e *Executor) actsAs(ctx context.Context, person Person) (map[string]string, error) {
	if e.o.Vault == nil || person.ID == "" {
		return nil, nil
	}
	rows, err := e.o.Store.PersonTokens(ctx, person.ID)
	if err != nil {
		return nil, err
	}
	as := map[string]string{}
	for _, row := range rows {
		if !row.Confirmed {
			continue
		}
		if _, err := e.o.Vault.Open(row.Sealed, row.Place()); err != nil {
			if err := e.tellUnreadable(ctx, row); err != nil {
				return nil, err
			}
			continue
		}
		as[row.Source] = row.Username
	}
	return as, nil
}

// tokenOf returns a person's token of a source; nil if there is none that can be read.
func (e *Executor) tokenOf(ctx context.Context, person Person, source string) (row *store.PersonToken, token string, err error) {
	err = e.persist(ctx, "reading a person's token", func(ctx context.Context) (err error) {
		row, err = e.tokenInUse(ctx, person.ID, source)
		return err
	})
	if err != nil || row == nil {
		return nil, "", err
	}
	if token, err = e.o.Vault.Open(row.Sealed, row.Place()); err != nil {
		return nil, "", nil
	}
	return row, token, nil
}

// call makes the batch's call to Zabbix: with the person's token, or as the relay's user. refused is the token that Zabbix refused; the
// call wasn't made if there is none to make it with.
func (e *Executor) callZabbix(ctx context.Context, l *lane, b *batch) (refused *store.PersonToken, made bool, err error) {
	if b.attempts[0].As == "" {
		return nil, true, l.zabbix.Acknowledge(context.WithoutCancel(ctx), b.call())
	}
	row, token, err := e.tokenOf(ctx, b.job.d.Input.Person, l.source)
	if row == nil || err != nil {
		return nil, false, err
	}
	err = l.zabbix.As(token).Acknowledge(context.WithoutCancel(ctx), b.call())
	if zabbix.KindOf(err) != zabbix.NotAuthorised {
		row = nil
	}
	return row, true, err
}

// withoutToken has the relay's user make the call that couldn't be made with the person's token.
func (e *Executor) withoutToken(ctx context.Context, b *batch) error {
	person, command := b.job.d.Input.Person, b.job.c.ID
	return e.change(ctx, b, store.CommandExecuting, func(a *attempt) {
		a.Stage, a.As = stagePending, ""
		a.sign(a.Words, command, b.req.Owner, person)
	})
}

// forgetRefused forgets a token that Zabbix refused, and tells its person.
func (e *Executor) forgetRefused(ctx context.Context, row store.PersonToken, why error) error {
	e.o.Log.Warn("Zabbix refuses a person's API token: it is forgotten, and the relay's user acts instead", "source", row.Source, "person", row.Email, "user", row.Username, "error", why)
	err := e.persist(ctx, "forgetting a person's token", func(ctx context.Context) error { return e.o.Store.ForgetSealed(ctx, row.Sealed) })
	if err != nil {
		return err
	}
	return e.tellPerson(ctx, row, "refused", e.o.View().Language.T("🔑 Zabbix `%s` refuses your API token (%s), so I forgot it. What you do there is done by the relay's user again, with your name in the comment. For a new token, send `token`.",
		webex.EscapeCode(row.Source), webex.EscapeMarkdown(text.Cut(said(why), 200))))
}

// tellUnreadable tells a person, once, that their token can't be read.
func (e *Executor) tellUnreadable(ctx context.Context, row store.PersonToken) error {
	if !row.ToldAt.IsZero() {
		return nil
	}
	err := e.tellPerson(ctx, row, "unreadable", e.o.View().Language.T("🔑 I can't read your API token for Zabbix `%s` any more: the relay's encryption key was changed. Until that is repaired, or you send `token` for a new one, the relay's user acts there, with your name in the comment.",
		webex.EscapeCode(row.Source)))
	if err != nil {
		return err
	}
	return e.o.Store.TellPersonToken(ctx, row.Sealed, time.Now())
}

// tellPerson sends a message to the direct chat in which a token was given, once for each token and reason.
func (e *Executor) tellPerson(ctx context.Context, row store.PersonToken, reason, markdown string) error {
	n := store.Notice{
		Kind: store.NoticeAnswer, Bot: row.Bot, RoomID: row.RoomID, Person: row.Email, Markdown: markdown, State: store.NoticePending, CreatedAt: time.Now(),
		Dedup: "token:" + reason + ":" + row.Source + ":" + row.Person + ":" + strconv.FormatInt(row.CreatedAt.UnixMicro(), 10),
	}
	return e.persist(ctx, "storing a message about a token", func(ctx context.Context) error {
		_, err := e.o.Store.AddNotice(ctx, n)
		return err
	})
}

const (
	// tokenRounds is how often the stored tokens are looked through.
	tokenRounds = time.Hour
	// unconfirmedFor is how long a token waits for its person's confirmation.
	unconfirmedFor = time.Hour
	// tokenWarning is how long before a token expires its person is told.
	tokenWarning = 7 * 24 * time.Hour
)

// WatchTokens warns people whose tokens expire soon, and forgets tokens that nobody confirmed, or whose person has left, until ctx ends.
func (e *Executor) WatchTokens(ctx context.Context) error {
	ticks := time.NewTicker(tokenRounds)
	defer ticks.Stop()
	var owners time.Time // when they were last looked at
	for {
		if now := time.Now(); now.Sub(owners) >= ownerRounds {
			owners = now
			if err := e.lookAtOwners(ctx, now); err != nil && ctx.Err() == nil {
				e.o.Log.Error("cannot look whether people with tokens have left: trying again in a day", "error", err)
			}
		}
		if err := e.lookThroughTokens(ctx, time.Now()); err != nil && ctx.Err() == nil {
			e.o.Log.Error("cannot look through people's tokens: trying again in an hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

func (e *Executor) lookThroughTokens(ctx context.Context, now time.Time) error {
	rows, err := e.o.Store.AllPersonTokens(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case !row.Confirmed && now.Sub(row.CreatedAt) >= unconfirmedFor:
			err = e.o.Store.ForgetSealed(ctx, row.Sealed)
		case row.Confirmed && row.ToldAt.IsZero() && !row.ExpiresAt.IsZero() && row.ExpiresAt.Sub(now) < tokenWarning:
			err = e.tellPerson(ctx, row, "expires", e.o.View().Language.T("⏳ Your API token for Zabbix `%s` expires on %s. For a new one, send `token`.",
				webex.EscapeCode(row.Source), e.o.View().voiceIn("").date(row.ExpiresAt)))
			if err == nil {
				err = e.o.Store.TellPersonToken(ctx, row.Sealed, now)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
