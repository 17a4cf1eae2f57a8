package relay

import (
	"fmt"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// decode decodes a payload of the journal, in its source's time zone.
func (r *Relay) decode(e store.Entry) (ledger.Decoded, error) {
	payload, faults := zabbix.Parse(e.Payload)
	if len(faults) > 0 {
		return ledger.Decoded{}, fmt.Errorf("invalid payload: %w", faults)
	}
	if payload.Test {
		return ledger.Decoded{Test: true, Event: alert.Event{SendTo: payload.Macro("alert.sendto")}}, nil
	}
	d := zabbix.DecodeOptions{Source: e.Source, ReceivedAt: e.ReceivedAt}
	if s, ok := r.live.Load().cfg.Source(e.Source); ok {
		d.Location = s.TimeZone.Location
	}
	event, err := payload.Event(d)
	return ledger.Decoded{Event: event}, err
}
