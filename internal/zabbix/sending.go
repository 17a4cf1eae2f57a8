package zabbix

import (
	"context"
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

	FailedKnown bool          // Zabbix shows our alerts
	Failed      []FailedAlert // of our media type, newest first, at most MaxFailed

	// Alive is when an internal item last got a value, by Zabbix's clock: while the server runs, it measures itself. Zero if Zabbix shows no
	// such item that the server keeps up to date.
	Alive time.Time
}

// MaxFailed is how many failed alerts are read.
const MaxFailed = 1000

// ScriptMark is in the script of our media type, whatever its version.
const ScriptMark = "'/v1/zabbix/events'"

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
	ours, _ := s.OurMediaType()
	if s.Failed, s.FailedKnown, err = c.failedAlerts(ctx, ours.ID, since); err == nil {
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

const webhook = "4" // a media type's type

func (c *Client) mediaTypes(ctx context.Context) ([]MediaType, error) {
	const method = "mediatype.get"
	var rows []struct {
		ID     text `json:"mediatypeid"`
		Name   text
		Status text
	}
	err := c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"mediatypeid", "name", "status"}, "filter": map[string]any{"type": webhook}}, &rows))
	if err != nil {
		return nil, unlessRefused(err)
	}
	types := make([]MediaType, len(rows))
	for i, r := range rows {
		types[i] = MediaType{ID: string(r.ID), Name: string(r.Name), Disabled: r.Status != "0", Ours: string(r.Name) == mediatype.Name}
	}
	if slices.ContainsFunc(types, func(m MediaType) bool { return m.Ours }) || len(types) == 0 {
		return types, nil
	}
	renamed, err := c.byScript(ctx, types)
	for i, m := range types {
		types[i].Ours = m.ID == renamed
	}
	return types, err
}

// byScript returns the id of our media type, which was renamed; "" for none. The scripts are large, and 7.0 refuses them unless the user is
// a Super admin: they are read again only once there are other media types.
func (c *Client) byScript(ctx context.Context, types []MediaType) (id string, err error) {
	ids := make([]string, len(types))
	for i, m := range types {
		ids[i] = m.ID
	}
	if known := c.scripts.Load(); known != nil && slices.Equal(known.ids, ids) {
		return known.ours, nil
	}
	var rows []struct {
		ID     text `json:"mediatypeid"`
		Script text
	}
	err = c.Call(ctx, "mediatype.get", map[string]any{"output": []string{"mediatypeid", "script"}, "filter": map[string]any{"type": webhook}}, &rows)
	if err = unlessRefused(err); err != nil {
		return "", err
	}
	for _, r := range rows {
		if strings.Contains(string(r.Script), ScriptMark) {
			id = string(r.ID)
		}
	}
	c.scripts.Store(&scripts{ids, id})
	return id, nil
}

// scripts are media types whose scripts were read, and which of them is ours.
type scripts struct {
	ids  []string
	ours string
}

func (c *Client) actions(ctx context.Context) ([]Action, error) {
	const method = "action.get"
	const triggers = "0"
	var rows []struct {
		Name       text
		Status     text
		Operations []Operation
		Recovery   []Operation `json:"recovery_operations"`
		Update     []Operation `json:"update_operations"`
	}
	err := c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"actionid", "name", "status"}, "filter": map[string]any{"eventsource": triggers},
		"selectOperations": "extend", "selectRecoveryOperations": "extend", "selectUpdateOperations": "extend"}, &rows))
	if err != nil {
		return nil, unlessRefused(err)
	}
	actions := make([]Action, len(rows))
	for i, r := range rows {
		actions[i] = Action{string(r.Name), r.Status != "0", mediaTypesOf(r.Operations), mediaTypesOf(r.Recovery), mediaTypesOf(r.Update)}
	}
	return actions, nil
}

// failedAlerts reads the alerts of our media type that Zabbix gave up on. A user who doesn't see the media type ("") sees its name beside
// each alert of their own: then they are known while there is one, sent or not.
func (c *Client) failedAlerts(ctx context.Context, mediaType string, since time.Time) (failed []FailedAlert, known bool, err error) {
	const method = "alert.get"
	params := map[string]any{"output": []string{"alertid", "clock", "error", "status"}, "selectMediatypes": []string{"name"},
		"time_from": since.Unix(), "sortfield": "alertid", "sortorder": "DESC", "limit": MaxFailed}
	if mediaType != "" {
		params["mediatypeids"], params["filter"] = []string{mediaType}, map[string]any{"status": gaveUp}
	} else {
		params["filter"] = map[string]any{"status": []string{sent, gaveUp}}
	}
	var rows []struct {
		Clock, Error, Status text
		MediaTypes           namedMediaTypes
	}
	if err = c.permitted(method, c.Call(ctx, method, params, &rows)); err != nil {
		return nil, false, unlessRefused(err)
	}
	known = mediaType != ""
	for _, r := range rows {
		if mediaType == "" && !r.MediaTypes.ours() {
			continue
		}
		known = true
		if string(r.Status) == gaveUp {
			failed = append(failed, FailedAlert{r.Clock.time(), string(r.Error)})
		}
	}
	return failed, known, nil
}
