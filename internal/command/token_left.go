package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/vault"
)

// A token whose person has no role any more, or is gone from Webex, acts for nobody. It is kept for a while, in case the configuration
// was only wrong for a day, and then removed.

const (
	// leftFor is how long such a token is kept.
	leftFor = 7 * 24 * time.Hour
	// ownerRounds is how often it is asked who the people with tokens are, and ownerPause the pause between two of them.
	ownerRounds = 24 * time.Hour
	ownerPause  = time.Second
)

// lookAtOwners removes the tokens of people who left a while ago. Somebody whom Webex can't be asked about stays what they were.
func (e *Executor) lookAtOwners(ctx context.Context, now time.Time) error {
	if e.o.Person == nil {
		return nil
	}
	rows, err := e.o.Store.AllPersonTokens(ctx)
	if err != nil {
		return err
	}
	before, err := vault.ReadLeft(ctx, e.o.Store)
	if err != nil {
		return err
	}
	left := vault.Left{} // those without a token are left out
	previous := ""
	for _, row := range rows {
		if row.Person == previous {
			continue
		}
		if previous != "" && !pace.Pause(ctx, ownerPause, nil) {
			return ctx.Err()
		}
		previous = row.Person
		since, known := before[row.Person]
		gone, err := e.hasLeft(ctx, row)
		switch {
		case err != nil:
			e.o.Log.Warn("cannot find out whether a person with an API token still has a role, asking again in a day", "person", row.Email, "error", err)
			if known {
				left[row.Person] = since
			}
		case !gone:
		case !known:
			e.o.Log.Warn("a person with an API token has no role any more, or is gone from Webex: the token is removed in a week", "person", row.Email, "source", row.Source, "user", row.Username)
			left[row.Person] = now
		case now.Sub(since) < leftFor:
			left[row.Person] = since
		default:
			removal := vault.Removal{Person: row.Person, Email: row.Email, By: ownName, Why: "no role, or gone from Webex, since " + since.UTC().Format(time.DateOnly), Reason: since, At: now}
			if err := removal.Remove(ctx, e.o.Store); err != nil {
				return err
			}
			e.o.Log.Warn("the API tokens of a person who left were removed", "person", row.Email, "since", since)
		}
	}
	if len(left) == 0 && len(before) == 0 {
		return nil
	}
	return left.Save(ctx, e.o.Store)
}

// hasLeft reports whether a person has no role anywhere, or is gone from Webex.
func (e *Executor) hasLeft(ctx context.Context, row store.PersonToken) (bool, error) {
	p, found, err := e.o.Person(ctx, row.Bot, row.Person)
	if err != nil {
		return false, err
	}
	return !found || scope{Input{Direct: true, Person: p}, e.o.View()}.role() == "", nil
}
