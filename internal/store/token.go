package store

import (
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/seal"
)

// PersonToken is a person's own API token of a source. Sealed is encrypted; the rest isn't secret.
type PersonToken struct {
	Source string // configured name
	Person string // Webex person id
	// Confirmed says that the person has confirmed the Zabbix user. Until then it isn't used. A person may have one of each kind:
	// the one in use, and one to confirm.
	Confirmed bool
	Sealed    string
	Command   string // id of the command that asked for it
	Username  string // in Zabbix
	// Email, Bot and RoomID are those of the direct chat in which it was given.
	Email, Bot, RoomID string
	CreatedAt          time.Time
	ExpiresAt          time.Time // zero for never, or if Zabbix doesn't say
	// ToldAt is when the person was told that it expires or can't be read; zero if they weren't.
	ToldAt time.Time
}

// PersonTokens keeps people's tokens.
type PersonTokens interface {
	// PersonTokens returns the tokens of a person, in the order of source and confirmed. Nobody has the id "".
	PersonTokens(ctx context.Context, person string) ([]PersonToken, error)
	// AllPersonTokens returns everybody's tokens, in the order of person, source and confirmed.
	AllPersonTokens(ctx context.Context) ([]PersonToken, error)
	// SavePersonToken writes a token. It replaces the one with the same source, person and confirmed. ErrRejected for a token without a
	// person.
	SavePersonToken(ctx context.Context, t PersonToken) error
	// ConfirmPersonToken puts the token that a command asked for into use, in place of an earlier one. ErrNotFound.
	ConfirmPersonToken(ctx context.Context, person, source, command string) error
	// ForgetPersonTokens removes the tokens of a person, of one source or of all for "", and returns how many were in use.
	ForgetPersonTokens(ctx context.Context, person, source string) (int, error)
	// ForgetSealed removes tokens with this sealed value: one that another has replaced meanwhile stays.
	ForgetSealed(ctx context.Context, sealed string) error
	// TellPersonToken sets ToldAt of the token with this sealed value, if it is still there.
	TellPersonToken(ctx context.Context, sealed string, at time.Time) error
}

// SealedColumn is a column with sealed values.
type SealedColumn struct {
	Table, Column string
	Key           []string // the columns that name a value's place
}

// SealedColumns are all of them. A test compares them with the schema: a column named "sealed" must be here.
var SealedColumns = []SealedColumn{
	{Table: "person_tokens", Column: "sealed", Key: []string{"source", "person"}},
}

// SealedValue is one value of a sealed column.
type SealedValue struct {
	Place  string // seal.Place
	Sealed string
}

// Sealed gives access to all sealed values at once, so that they can be sealed with another key.
type Sealed interface {
	SealedValues(ctx context.Context) ([]SealedValue, error)
	// Reseal replaces one sealed value by another. One that is no longer there is left alone.
	Reseal(ctx context.Context, before, after string) error
}

// Belongs returns ErrRejected for a token without a person, which would be everybody's who has no id.
func (t PersonToken) Belongs() error {
	if t.Person == "" {
		return fmt.Errorf("token without a person: %w", ErrRejected)
	}
	return nil
}

// Place returns the place of the token, for sealing it.
func (t PersonToken) Place() string { return seal.Place("person_tokens", t.Source, t.Person) }
