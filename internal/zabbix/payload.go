// Package zabbix knows Zabbix: the payloads of its webhook and its JSON-RPC
// API from 6.0 to 8.0.
package zabbix

import (
	"time"

	"nms-alert-relay/internal/alert"
)

// Fault is one thing that is wrong with a payload.
type Fault struct {
	Field string `json:"field"` // the macro, in lower case with dots: "event.id"
	What  string `json:"what"`
	Hint  string `json:"hint,omitempty"`
}

// Payload is one flat JSON object of macro values, its keys normalised
// (lower case, "_" as "."), absent macros left out.
type Payload struct {
	Macros map[string]string
	// Source names the Zabbix installation, where the payload does.
	Source string
	// Test says that the macros came as they stand ({EVENT.ID} is "{EVENT.ID}"): somebody
	// pressed Zabbix's Test button.
	Test bool
}

// Parse reads a payload and names every fault that keeps it from being used.
func Parse(body []byte) (Payload, []Fault) { return Payload{}, nil }

// DecodeOptions are what a payload doesn't say by itself.
type DecodeOptions struct {
	Source     string         // the source's configured name
	Location   *time.Location // of the receiving Zabbix user, where the payload's own clock doesn't tell
	ReceivedAt time.Time
}

// Event makes the domain event of a payload that Parse found no fault in.
func (p Payload) Event(o DecodeOptions) (alert.Event, error) { return alert.Event{}, nil }
