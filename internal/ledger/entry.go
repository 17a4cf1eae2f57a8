package ledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// item decodes an entry. A fault, even a panic, affects that entry alone.
func (l *Ledger) item(e store.Entry) (item Item) {
	item.Entry = e
	defer func() {
		if fault := recover(); fault != nil {
			item.Err = fmt.Errorf("decoding the entry failed, a bug in the relay: %v", fault)
		}
	}()
	if e.Kind == store.EntryEvent {
		item.Decoded, item.Err = l.opts.Decode(e)
	} else {
		item.Decoded, item.Err = own(e)
	}
	return item
}

// own decodes an entry that the relay wrote itself.
func own(e store.Entry) (d Decoded, err error) {
	var env store.Envelope
	if err := json.Unmarshal(e.Payload, &env); err != nil {
		return d, fmt.Errorf("the relay's own entry isn't JSON: %w", err)
	}
	d.Event = alert.Event{Key: alert.Key{Source: e.Source, EventID: env.EventID}, Origin: alert.OriginTrigger, ReceivedAt: e.ReceivedAt}
	switch {
	case env.EventID == "":
		return d, errors.New("the relay's own entry names no event")
	case e.Kind == store.EntryObservation && env.Observation != nil:
		d.Event = env.Observation.Event(d.Event.Key, e.ReceivedAt)
	case e.Kind == store.EntryAction && env.Update != nil:
		d.Event.Kind, d.Event.Update, d.Event.SentAt = alert.KindAction, env.Update, env.Update.At
	case e.Kind == store.EntryCanary && env.Room != "":
		return Decoded{Canary: Canary{Name: env.EventID, Room: env.Room}}, nil
	case e.Kind == store.EntryReroute && env.Room != "":
		d.Reroute = route.Target{Room: env.Room, Route: env.Route}
	default:
		return d, fmt.Errorf("unknown entry kind %q", e.Kind)
	}
	return d, nil
}
