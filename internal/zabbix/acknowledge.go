package zabbix

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// Acknowledge is one event.acknowledge, for one event or several.
type Acknowledge struct {
	EventIDs []string
	Ack      bool
	Unack    bool
	Close    bool
	Message  string // "" for none; at most MaxMessage characters
	Severity *alert.Severity

	Suppress   bool      // from 6.2
	Until      time.Time // when a suppression ends; zero for indefinitely
	Unsuppress bool      // from 6.2
	ToCause    bool      // from 6.4: the events are causes, and no longer symptoms
	SymptomOf  string    // from 6.4: the event id of their cause; "" for no change
}

// MaxMessage is the longest message of an acknowledgement, in characters (measured on 6.0 and 7.0).
const MaxMessage = 2048

// Acknowledge calls event.acknowledge. Success means that Zabbix accepted it: the server closes a problem later (check with Observe
// before reporting "closed"), and Zabbix silently skips actions that are already done. An invalid value is an error of kind Invalid, without a
// call, and an action that this version of Zabbix doesn't have is one of kind Unsupported.
//
// One bad id fails the whole call, and then nothing was done (measured).
func (c *Client) Acknowledge(ctx context.Context, a Acknowledge) error {
	const method = "event.acknowledge"
	if what := a.fault(); what != "" {
		return &Error{Method: method, Kind: Invalid, Message: what}
	}
	if slices.ContainsFunc(a.EventIDs, func(id string) bool { return !askableID(id) }) {
		return &Error{Method: method, Kind: NoObject, Message: "Zabbix has no event with such a large id."}
	}
	var result struct {
		EventIDs []text `json:"eventids"` // numbers, unlike everywhere else
	}
	if err := c.ableTo(ctx, method, a.action()); err != nil {
		return err
	}
	if err := c.permitted(method, c.Call(ctx, method, a.params(), &result)); err != nil {
		return err
	}
	for _, id := range a.EventIDs {
		if !slices.Contains(result.EventIDs, text(id)) {
			return &Error{Method: method, Kind: Unreachable, Message: "Zabbix answered, but not for this event.", Unanswered: true}
		}
	}
	return nil
}

// ableTo returns an error if Zabbix's version doesn't have an action. Before it refuses one, it makes sure that Zabbix wasn't upgraded.
func (c *Client) ableTo(ctx context.Context, method string, action int) error {
	v, fresh, err := c.current(ctx)
	if err == nil && !fresh && v.cannot(action) != "" {
		v, err = c.ask(ctx)
	}
	if err != nil {
		return preparation(err)
	}
	if what := v.cannot(action); what != "" {
		return &Error{Method: method, Kind: Unsupported, Message: what}
	}
	return nil
}

func (a Acknowledge) fault() string {
	for _, id := range a.EventIDs {
		if !IsEventID(id) {
			return fmt.Sprintf("%q is not an event id.", shorten(id))
		}
	}
	switch n := utf8.RuneCountInString(a.Message); {
	case len(a.EventIDs) == 0:
		return "No event is named."
	case a.action() == 0:
		return "There is nothing to do."
	case a.Ack && a.Unack, a.Suppress && a.Unsuppress, a.ToCause && a.SymptomOf != "":
		return "One call can't do something and undo it."
	case n > MaxMessage:
		return fmt.Sprintf("The message has %d characters; Zabbix accepts %d.", n, MaxMessage)
	case a.Severity != nil && !a.Severity.Valid():
		return fmt.Sprintf("%d is not a severity.", int(*a.Severity))
	case a.SymptomOf != "" && !IsEventID(a.SymptomOf):
		return fmt.Sprintf("%q is not an event id.", shorten(a.SymptomOf))
	case slices.Contains(a.EventIDs, a.SymptomOf):
		return "A problem can't be a symptom of itself."
	default:
		return ""
	}
}

func (a Acknowledge) action() int {
	bits := alert.Actions{Close: a.Close, Ack: a.Ack, Unack: a.Unack, Comment: a.Message != "", Suppress: a.Suppress, Unsuppress: a.Unsuppress,
		ToCause: a.ToCause, ToSymptom: a.SymptomOf != ""}.Bits()
	if a.Severity != nil {
		bits |= alert.BitSeverity
	}
	return bits
}

func (a Acknowledge) params() map[string]any {
	params := map[string]any{"eventids": a.EventIDs, "action": a.action()}
	if a.Message != "" {
		params["message"] = a.Message
	}
	if a.Severity != nil {
		params["severity"] = int(*a.Severity)
	}
	if a.Suppress {
		params["suppress_until"] = int64(0)
		if !a.Until.IsZero() {
			params["suppress_until"] = a.Until.Unix()
		}
	}
	if a.SymptomOf != "" {
		params["cause_eventid"] = a.SymptomOf
	}
	return params
}
