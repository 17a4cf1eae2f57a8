package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"nms-alert-relay/internal/store"
)

// Left are the people whose tokens are removed unless they come back: when they were first seen without a role, or gone from Webex, by
// Webex person id.
type Left map[string]time.Time

const leftValue = "encryption.left"

// LeftStore is the part of store.Store that keeps Left.
type LeftStore interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// ReadLeft reads who has left. A damaged value is as good as none: the time begins anew.
func ReadLeft(ctx context.Context, s LeftStore) (Left, error) {
	value, err := s.Value(ctx, leftValue)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading who has left: %w", err)
	}
	left := Left{}
	if err != nil || json.Unmarshal([]byte(value), &left) != nil || left == nil {
		left = Left{}
	}
	return left, nil
}

// Save stores who has left.
func (l Left) Save(ctx context.Context, s LeftStore) error {
	value, err := json.Marshal(l)
	if err == nil {
		err = s.SetValue(ctx, leftValue, string(value))
	}
	return err
}

// RemovalStore is the part of store.Store that a Removal needs.
type RemovalStore interface {
	ClaimCommand(ctx context.Context, c store.Command) (bool, error)
	ForgetPersonTokens(ctx context.Context, person, source string) (int, error)
}

// actionForget is the action of a removal in the audit log, as of the command `forget me`.
const actionForget = "forget"

// Removal is a removal of all tokens of a person, in somebody else's name.
type Removal struct {
	Person, Email string // Webex person id, and address
	By, Why       string
	Reason        time.Time // of Why: a removal for the same reason is recorded once
	At            time.Time
}

// Remove removes the tokens. The audit log records it before it is done.
func (r Removal) Remove(ctx context.Context, s RemovalStore) error {
	_, err := s.ClaimCommand(ctx, store.Command{
		ID: "tokens:" + r.Person + ":" + strconv.FormatInt(r.Reason.UnixMicro(), 36), Name: r.By, Action: actionForget, State: store.CommandDone, CreatedAt: r.At, DoneAt: r.At,
		Text: "removed the Zabbix API tokens of " + r.Email, Outcome: r.Why,
	})
	if err == nil {
		_, err = s.ForgetPersonTokens(ctx, r.Person, "")
	}
	return err
}
