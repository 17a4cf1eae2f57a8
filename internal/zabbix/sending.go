package zabbix

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	mediatype "nms-alert-relay/zabbix"
)

// Sending is what Zabbix shows the relay's user of how it sends to the relay. Most users see only a part of it: a user who isn't a Super
// admin sees no or few actions and, up to 6.4, no media type.
type Sending struct {
	MediaTypes []MediaType // all webhooks that are shown
	Actions    []Action    // all trigger actions that are shown

	FailedKnown bool          // Zabbix was asked for failed alerts, and answered
	Failed      []FailedAlert // of our media type, newest first, at most MaxFailed

	// Alive is when an internal item last got a value, by Zabbix's clock: while the server runs, it measures itself. Zero if Zabbix shows no
	// such item that the server keeps up to date.
	Alive time.Time
}

// MaxFailed is how many failed alerts are read.
const MaxFailed = 1000

// scriptMark is in the script of our media type, whatever its version.
const scriptMark = "'/v1/zabbix/events'"

// MediaType is a media type of the type webhook.
type MediaType struct {
	ID, Name string
	Disabled bool
	Ours     bool // by its name or, if it was renamed and Zabbix shows it, by its script
}

// Action is a trigger action.
type Action struct {
	Name                      string
	Disabled                  bool
	Problem, Recovery, Update []string // the media types of its messages, by id; AllMedia for every media of the recipient
}

// AllMedia stands for every media type in an operation.
const AllMedia = "0"

// FailedAlert is a message that Zabbix gave up on.
type FailedAlert struct {
	At    time.Time // when it was made
	Error string    // untrusted
}

// OurMediaType returns our media type.
func (s Sending) OurMediaType() (MediaType, bool) {
	if i := slices.IndexFunc(s.MediaTypes, func(m MediaType) bool { return m.Ours }); i >= 0 {
		return s.MediaTypes[i], true
	}
	return MediaType{}, false
}

// Sending reads how Zabbix sends to the relay, and the alerts made since then that it gave up on. What the role of the relay's user
// forbids is left out without an error.
func (c *Client) Sending(ctx context.Context, since time.Time) (s Sending, err error) {
	if s.MediaTypes, err = c.mediaTypes(ctx); err != nil {
		return s, err
	}
	if s.Actions, err = c.actions(ctx); err != nil {
		return s, err
	}
	if ours, ok := s.OurMediaType(); ok {
		s.Failed, s.FailedKnown, err = c.failedAlerts(ctx, ours.ID, since)
	}
	if err == nil {
		s.Alive, err = c.alive(ctx)
	}
	return s, err
}

// maxInternal is how many internal items are read. The newest value of a few is enough.
const maxInternal = 50

// alive reads when an internal item last got a value. Those of a proxy say nothing about the server, and those of a host whose maintenance
// collects no data get none.
func (c *Client) alive(ctx context.Context) (newest time.Time, err error) {
	const method = "item.get"
	const internal, supported, noData = "5", "0", "1"
	var rows []struct {
		Clock text `json:"lastclock"`
		Hosts []map[string]text
	}
	var by string
	err = c.permitted(method, c.call(ctx, method, func(v Version) any {
		by = v.MonitoredBy
		return map[string]any{"output": []string{"itemid", "lastclock"}, "filter": map[string]any{"type": internal, "state": supported}, "monitored": true,
			"selectHosts": []string{"hostid", by, "maintenance_type", "maintenance_status"}, "sortfield": "itemid", "limit": maxInternal}
	}, &rows))
	if err != nil {
		return newest, unlessRefused(err)
	}
	for _, r := range rows {
		usable := len(r.Hosts) > 0
		for _, h := range r.Hosts {
			usable = usable && h[by] == "0" && (h["maintenance_status"] != "1" || h["maintenance_type"] != noData)
		}
		if at := r.Clock.time(); usable && at.After(newest) {
			newest = at
		}
	}
	return newest, nil
}

// unlessRefused drops the error of a call that Zabbix refuses for good: what it would show isn't known then.
func unlessRefused(err error) error {
	switch KindOf(err) {
	case RoleForbids, Invalid, NoObject, Other:
		return nil
	default:
		return err
	}
}

func (c *Client) mediaTypes(ctx context.Context) ([]MediaType, error) {
	const method = "mediatype.get"
	const webhook = "4"
	var rows []struct {
		ID     text `json:"mediatypeid"`
		Name   text
		Status text
		Script text
	}
	read := func(output ...string) error {
		rows = nil
		return c.Call(ctx, method, map[string]any{"output": output, "filter": map[string]any{"type": webhook}}, &rows)
	}
	err := c.permitted(method, read("mediatypeid", "name", "status"))
	if err != nil {
		return nil, unlessRefused(err)
	}
	named := false
	for _, r := range rows {
		named = named || string(r.Name) == mediatype.Name
	}
	if !named && len(rows) > 0 {
		shown := rows
		if err := read("mediatypeid", "name", "status", "script"); err != nil { // 7.0 refuses the script unless the user is a Super admin
			rows = shown
			if err := unlessRefused(err); err != nil {
				return nil, err
			}
		}
	}
	types := make([]MediaType, len(rows))
	for i, r := range rows {
		types[i] = MediaType{ID: string(r.ID), Name: string(r.Name), Disabled: r.Status != "0",
			Ours: string(r.Name) == mediatype.Name || !named && strings.Contains(string(r.Script), scriptMark)}
	}
	return types, nil
}

// apiOperation is an operation of an action.
type apiOperation struct {
	Type    text            `json:"operationtype"`
	Message json.RawMessage `json:"opmessage"` // PHP's empty list if there is none
}

// senders returns the media types of the operations that send messages.
func senders(operations []apiOperation) (types []string) {
	const message, involvedRecovery, involvedUpdate = "0", "11", "12"
	for _, o := range operations {
		switch o.Type {
		case message, involvedRecovery, involvedUpdate:
			var m struct {
				MediaType text `json:"mediatypeid"`
			}
			if json.Unmarshal(o.Message, &m) != nil || m.MediaType == "" {
				m.MediaType = AllMedia
			}
			types = append(types, string(m.MediaType))
		}
	}
	return types
}

func (c *Client) actions(ctx context.Context) ([]Action, error) {
	const method = "action.get"
	const triggers = "0"
	var rows []struct {
		Name       text
		Status     text
		Operations []apiOperation
		Recovery   []apiOperation `json:"recovery_operations"`
		Update     []apiOperation `json:"update_operations"`
	}
	err := c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"actionid", "name", "status"}, "filter": map[string]any{"eventsource": triggers},
		"selectOperations": "extend", "selectRecoveryOperations": "extend", "selectUpdateOperations": "extend"}, &rows))
	if err != nil {
		return nil, unlessRefused(err)
	}
	actions := make([]Action, len(rows))
	for i, r := range rows {
		actions[i] = Action{string(r.Name), r.Status != "0", senders(r.Operations), senders(r.Recovery), senders(r.Update)}
	}
	return actions, nil
}

func (c *Client) failedAlerts(ctx context.Context, mediaType string, since time.Time) (failed []FailedAlert, known bool, err error) {
	const method = "alert.get"
	const gaveUp = "2"
	var rows []struct {
		Clock text
		Error text
	}
	err = c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"alertid", "clock", "error"}, "mediatypeids": []string{mediaType},
		"filter": map[string]any{"status": gaveUp}, "time_from": since.Unix(), "sortfield": "alertid", "sortorder": "DESC", "limit": MaxFailed}, &rows))
	if err != nil {
		return nil, false, unlessRefused(err)
	}
	for _, r := range rows {
		failed = append(failed, FailedAlert{r.Clock.time(), string(r.Error)})
	}
	return failed, true, nil
}
