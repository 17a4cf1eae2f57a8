package zabbix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// batch is the number of events in one call.
const batch = 200

// Text is a value that Zabbix sends as a string, and in a few places as a number.
type Text string

type text = Text

// UnmarshalJSON accepts a string, a number or null.
func (t *text) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(t))
	}
	if string(raw) == "null" {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return err
	}
	*t = text(n)
	return nil
}

// time converts Unix seconds; zero for "0" and invalid values.
func (t text) time() time.Time {
	at, _ := parseStamp(string(t))
	return at
}

func (t text) number() int {
	n, _ := strconv.Atoi(string(t))
	return n
}

// id returns an id, or "" for "0", which means none.
func (t text) id() string {
	if t == "0" {
		return ""
	}
	return string(t)
}

// askableID reports whether an id can be an event's in Zabbix: the API refuses a call with a larger one.
func askableID(id string) bool {
	n, err := strconv.ParseInt(id, 10, 64)
	return err == nil && n > 0 && id[0] != '+'
}

// apiEvent is an event of event.get.
type apiEvent struct {
	EventID      text `json:"eventid"`
	ObjectID     text `json:"objectid"`
	Name         string
	Clock        text
	Value        text
	Severity     text
	Acknowledged text
	Suppressed   text
	RecoveryID   text `json:"r_eventid"`
	CauseID      text `json:"cause_eventid"` // from 6.4
	OpData       string
	Hosts        []struct {
		HostID text `json:"hostid"`
		Host   string
		Name   string
	}
	Tags         []alert.Tag
	Acknowledges []acknowledgement
	Suppression  []struct {
		MaintenanceID text `json:"maintenanceid"`
		Until         text `json:"suppress_until"`
	} `json:"suppression_data"`
}

// acknowledgement is one update of an event. The author's names are missing if the token's user may not see them.
type acknowledgement struct {
	ID            text `json:"acknowledgeid"`
	Clock         text
	Message       string
	Action        text
	OldSeverity   text `json:"old_severity"`
	NewSeverity   text `json:"new_severity"`
	SuppressUntil text `json:"suppress_until"`
	Username      string
	Name          string
	Surname       string
}

// apiTrigger is a trigger of trigger.get.
type apiTrigger struct {
	TriggerID   text `json:"triggerid"`
	ManualClose text `json:"manual_close"`
	Items       []struct {
		ItemID text `json:"itemid"`
		Name   string
	}
	Groups     []struct{ Name string } // up to 6.0
	HostGroups []struct{ Name string } `json:"hostgroups"`
}

// Observe asks the API about events: severity, acknowledgements, recovery, suppression, hosts, tags, cause, whether the trigger allows
// closing, the first item. An event that Zabbix doesn't know (or doesn't show us) has Gone set. One whose answer can't be read is
// missing from the result.
//
// Use it for problems of triggers only: events of services, internal and other ones count as gone here.
func (c *Client) Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error) {
	seen := make(map[string]alert.Observation, len(eventIDs))
	asked := make(map[string]bool, len(eventIDs))
	var ids []string
	for _, id := range eventIDs {
		switch {
		case asked[id]:
		case askableID(id): // any other id fails the whole call on 7.0
			ids = append(ids, id)
		default:
			seen[id] = alert.Observation{At: time.Now().UTC(), Gone: true}
		}
		asked[id] = true
	}
	for some := range slices.Chunk(ids, batch) {
		if err := c.observe(ctx, some, seen); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func (c *Client) observe(ctx context.Context, ids []string, seen map[string]alert.Observation) error {
	var raw []json.RawMessage
	var asked Version
	err := c.call(ctx, "event.get", func(v Version) any {
		asked = v
		return map[string]any{
			"eventids":              ids,
			"output":                "extend",
			"selectHosts":           []string{"hostid", "host", "name"},
			"selectTags":            "extend",
			"selectSuppressionData": "extend",
			v.SelectAcknowledges:    "extend",
		}
	}, &raw)
	if err = c.permitted("event.get", err); err != nil {
		return err
	}
	at := time.Now().UTC()
	events, odd, nameless := c.readEvents(raw)
	events = slices.DeleteFunc(events, func(e apiEvent) bool { return e.Value != "1" }) // a recovery's own event is not a problem
	triggers, err := c.triggers(ctx, events)
	if err != nil {
		return err
	}
	ends, err := c.ends(ctx, events)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !odd[id] && !nameless { // an odd event without an id may be any of the missing ones
			seen[id] = alert.Observation{At: at, Gone: true}
		}
	}
	for _, e := range events {
		trigger, known := triggers[e.ObjectID]
		o := e.observation(trigger)
		o.TriggerGone = !known && triggers != nil
		o.At, o.ResolvedAt, o.CanSuppress = at, ends[e.RecoveryID], asked.Suppress
		seen[string(e.EventID)] = o
	}
	return nil
}

// readEvents reads each event by itself, so that an invalid one affects no other. odd are the ids of invalid events; nameless says
// that an invalid event has no readable id.
func (c *Client) readEvents(raw []json.RawMessage) (events []apiEvent, odd map[string]bool, nameless bool) {
	odd = map[string]bool{}
	for _, r := range raw {
		var e apiEvent
		err := json.Unmarshal(r, &e)
		if err == nil && e.EventID != "" && e.Value != "" {
			events = append(events, e)
			continue
		}
		var name struct {
			EventID text `json:"eventid"`
		}
		if json.Unmarshal(r, &name) != nil || name.EventID == "" {
			nameless = true
		}
		odd[string(name.EventID)] = true
		c.opts.Log.Warn("cannot read Zabbix's answer about an event; ignoring this event",
			"url", c.display(), "event", cmp.Or(string(name.EventID), "unknown"), "error", err)
	}
	return events, odd, nameless
}

// triggers reads what an event doesn't say about its trigger. If the role forbids it, only that is missing.
func (c *Client) triggers(ctx context.Context, events []apiEvent) (map[text]apiTrigger, error) {
	ids := make(map[text]bool)
	for _, e := range events {
		ids[e.ObjectID] = true
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var triggers []apiTrigger
	err := c.call(ctx, "trigger.get", func(v Version) any {
		return map[string]any{
			"triggerids":       slices.Sorted(maps.Keys(ids)),
			"output":           []string{"triggerid", "manual_close"},
			"selectItems":      []string{"itemid", "name"},
			v.SelectHostGroups: []string{"name"},
		}
	}, &triggers)
	if err = c.permitted("trigger.get", err); err != nil {
		return nil, dispensable(err)
	}
	byID := make(map[text]apiTrigger, len(triggers))
	for _, t := range triggers {
		byID[t.TriggerID] = t
	}
	return byID, nil
}

// ends reads the times of recovery events: an event has only their ids.
func (c *Client) ends(ctx context.Context, events []apiEvent) (map[text]time.Time, error) {
	ids := make(map[text]bool)
	for _, e := range events {
		if askableID(e.RecoveryID.id()) {
			ids[e.RecoveryID] = true
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var recoveries []apiEvent
	params := map[string]any{"eventids": slices.Sorted(maps.Keys(ids)), "output": []string{"eventid", "clock"}}
	if err := c.Call(ctx, "event.get", params, &recoveries); err != nil {
		return nil, dispensable(err)
	}
	ends := make(map[text]time.Time, len(recoveries))
	for _, r := range recoveries {
		ends[r.EventID] = r.Clock.time()
	}
	return ends, nil
}

// dispensable filters the error of a call whose answer is optional: it returns nil for a refusal, which a retry can't change.
func dispensable(err error) error {
	var e *Error
	if errors.As(err, &e) && !e.Kind.Temporary() && e.Kind != NotAuthorised {
		return nil
	}
	return err
}

func (e apiEvent) observation(t apiTrigger) alert.Observation {
	o := alert.Observation{
		Name:         e.Name,
		Opened:       e.Clock.time(),
		Severity:     alert.Severity(e.Severity.number()),
		Acknowledged: e.Acknowledged == "1",
		Suppressed:   e.Suppressed == "1",
		Resolved:     e.RecoveryID.id() != "",
		CauseEventID: e.CauseID.id(),
		Tags:         e.Tags,
		OpData:       e.OpData,
		TriggerID:    e.ObjectID.id(),
		ManualClose:  t.ManualClose == "1",
	}
	if o.OpData == unknown {
		o.OpData = ""
	}
	for _, h := range e.Hosts {
		o.Hosts = append(o.Hosts, alert.Host{ID: string(h.HostID), Host: h.Host, Name: h.Name})
	}
	for _, g := range slices.Concat(t.Groups, t.HostGroups) {
		o.Groups = append(o.Groups, g.Name)
	}
	slices.Sort(o.Groups)
	if len(t.Items) > 0 {
		o.ItemID, o.ItemName = string(t.Items[0].ItemID), t.Items[0].Name
	}
	e.suppression(&o)
	slices.SortFunc(e.Acknowledges, func(a, b acknowledgement) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(string(a.ID), string(b.ID)))
	})
	for _, a := range e.Acknowledges {
		o.Updates = append(o.Updates, a.update())
	}
	return o
}

// suppression sets until when the event is suppressed, and whether only by hand: then maintenanceid is "0".
func (e apiEvent) suppression(o *alert.Observation) {
	if !o.Suppressed || len(e.Suppression) == 0 {
		return
	}
	o.ByHand = true
	for _, s := range e.Suppression {
		if s.MaintenanceID.id() != "" {
			o.ByHand = false
		}
		if until := s.Until.time(); until.After(o.SuppressedUntil) {
			o.SuppressedUntil = until
		}
	}
	for _, s := range e.Suppression {
		if s.Until.time().IsZero() {
			o.SuppressedUntil = time.Time{} // indefinitely
		}
	}
}

func (a acknowledgement) update() alert.Update {
	bits := a.Action.number()
	u := alert.Update{
		AckID:   string(a.ID),
		At:      a.Clock.time(),
		Exact:   true,
		Actor:   alert.Actor{Name: fullName(a.Name, a.Surname, a.Username)},
		Message: a.Message,
		Actions: alert.ActionsOf(bits),
	}
	if bits&alert.BitSeverity != 0 { // the fields are "0" otherwise
		u.Actions.Severity = &alert.SeverityChange{
			Old: alert.Severity(a.OldSeverity.number()), New: alert.Severity(a.NewSeverity.number()),
		}
	}
	if u.Actions.Suppress {
		u.Actions.SuppressUntil = a.SuppressUntil.time()
	}
	return u
}

// fullName returns a user's name in the form of {USER.FULLNAME}: "Bob Builder (bob)"; "" for a user hidden from the token's user.
func fullName(name, surname, username string) string {
	full := strings.Join(strings.Fields(name+" "+surname), " ")
	switch {
	case full == "":
		return username
	case username == "":
		return full
	default:
		return full + " (" + username + ")"
	}
}
