package provision

import (
	"fmt"
	"slices"
	"strconv"

	"nms-alert-relay/internal/zabbix"
)

// action is an action as the API has it.
type action struct {
	ID              str `json:"actionid"`
	Name            str `json:"name"`
	Source          str `json:"eventsource"`
	Status          str `json:"status"`
	PauseSuppressed str `json:"pause_suppressed"`
	PauseSymptoms   str `json:"pause_symptoms"`
	NotifyCancelled str `json:"notify_if_canceled"`
	Filter          struct {
		Conditions []any `json:"conditions"`
	} `json:"filter"`
	Operations []zabbix.Operation `json:"operations"`
	Recovery   []zabbix.Operation `json:"recovery_operations"`
	Update     []zabbix.Operation `json:"update_operations"`
}

// Event sources that differ from triggers in what their actions can have.
const (
	sourceTrigger          = "trigger"
	sourceDiscovery        = "discovery"
	sourceAutoregistration = "autoregistration"
	sourceInternal         = "internal"
)

// escalates reports whether actions for this source have steps and recovery operations.
func escalates(source string) bool {
	return source != sourceDiscovery && source != sourceAutoregistration
}

// updates reports whether they have update operations.
func updates(source string) bool { return escalates(source) && source != sourceInternal }

func actionName(source string) string {
	return "Webex (alert-relay): " + map[string]string{"trigger": "problems", "service": "services", "discovery": "discovery",
		"autoregistration": "autoregistration", "internal": "internal events"}[source]
}

// toUs is the operation that sends the media type's own message to our user.
var toUs = field{name: "operation", value: "sends to user alert-relay"}

// wantedAction sends everything of one source to our user. Its conditions are only written when it is created: they are the
// administrator's to change.
func wantedAction(s *state, source string) object {
	op := func(more map[string]any) []any {
		o := map[string]any{"operationtype": zabbix.OperationSends, "opmessage": map[string]any{"default_msg": "1", "mediatypeid": ref{mediaTypes}},
			"opmessage_usr": []any{map[string]any{"userid": ref{users}}}}
		for k, v := range more {
			o[k] = v
		}
		return []any{o}
	}
	name := actionName(source) + nameMark
	list := []field{
		{property: "name", name: "name", value: name, routine: true},
		{property: "status", name: "status", value: "enabled"},
	}
	add := func(property, what string) { list = append(list, operationField(property, what, 0, toUs.value)) }
	params := map[string]any{"name": name, "eventsource": strconv.Itoa(slices.Index(ActionSources, source)), "status": enabled,
		"filter": map[string]any{"evaltype": "0", "conditions": conditions(source)}, "operations": op(nil)}
	add("operations", "operation")
	if escalates(source) {
		params["operations"] = op(map[string]any{"esc_step_from": "1", "esc_step_to": "1", "esc_period": "0"})
		params["recovery_operations"], params["esc_period"] = op(nil), "1h"
		add("recovery_operations", "recovery operation")
	}
	if updates(source) {
		params["update_operations"] = op(nil)
		add("update_operations", "update operation")
	}
	if source == sourceTrigger {
		params["pause_suppressed"], params["notify_if_canceled"] = "1", "1"
		list = append(list, field{property: "pause_suppressed", name: "pause for suppressed problems", value: "yes", routine: true},
			field{property: "notify_if_canceled", name: "notify about canceled escalations", value: "yes", routine: true})
		if s.version.Rank {
			// The room shows a symptom below its cause.
			params["pause_symptoms"] = "0"
			list = append(list, field{property: "pause_symptoms", name: "pause for symptoms", value: "no", routine: true})
		}
	}
	return object{kind: actions, name: name, fields: list, params: params}
}

// conditions of a new action. Without them, each check that finds a host up would be reported.
func conditions(source string) []any {
	if source != sourceDiscovery {
		return []any{}
	}
	const discoveryStatus, found, lost = "10", "2", "3"
	list := []any{}
	for _, value := range []string{found, lost} {
		list = append(list, map[string]any{"conditiontype": discoveryStatus, "operator": "0", "value": value})
	}
	return list
}

func operationField(property, what string, i int, value string) field {
	if i > 0 {
		what = fmt.Sprintf("%s %d", what, i+1)
	}
	return field{property: property, name: what, value: value}
}

func (a action) enabled() bool { return a.Status == enabled }

// uses reports whether an action sends problems by a media type.
func (a action) uses(mediaType string) bool {
	return slices.ContainsFunc(a.Operations, func(o zabbix.Operation) bool { return o.SendsBy() == mediaType })
}

func (a action) object(s *state) object {
	list := []field{
		{property: "name", name: "name", value: string(a.Name), routine: true},
		{property: "status", name: "status", value: word(string(a.Status), "enabled", "disabled")},
	}
	source := word(string(a.Source), ActionSources...)
	for _, part := range []struct {
		property, what string
		has            bool
		list           []zabbix.Operation
	}{{"operations", "operation", true, a.Operations}, {"recovery_operations", "recovery operation", escalates(source), a.Recovery},
		{"update_operations", "update operation", updates(source), a.Update}} {
		for i, o := range part.list {
			if part.has {
				list = append(list, operationField(part.property, part.what, i, words(o, s, part.property == "operations" && escalates(source))))
			}
		}
	}
	if source == sourceTrigger {
		yes := func(property, name string, value str) {
			list = append(list, field{property: property, name: name, value: word(string(value), "no", "yes"), routine: true})
		}
		yes("pause_suppressed", "pause for suppressed problems", a.PauseSuppressed)
		yes("notify_if_canceled", "notify about canceled escalations", a.NotifyCancelled)
		if s.version.Rank {
			yes("pause_symptoms", "pause for symptoms", a.PauseSymptoms)
		}
	}
	return object{kind: actions, name: string(a.Name), id: string(a.ID), fields: list}
}

// words describe an operation; toUs.value is the one that we want.
func words(o zabbix.Operation, s *state, steps bool) string {
	if o.Type != zabbix.OperationSends {
		return "of type " + string(o.Type)
	}
	to := fmt.Sprintf("%d users and %d groups", len(o.Users), len(o.Groups))
	if len(o.Users) == 1 && len(o.Groups) == 0 {
		if to = "user " + string(o.Users[0].ID); string(o.Users[0].ID) == s.id(users) {
			to = "user " + ownName
		}
	}
	by := " by " + s.types[string(o.Message.MediaType)]
	switch {
	case o.Message.MediaType == "0":
		by = " by all media types"
	case string(o.Message.MediaType) == s.id(mediaTypes):
		by = ""
	}
	out := "sends to " + to + by
	if o.Message.Default != "1" {
		out += ", with a text of its own"
	}
	if steps && (o.From != "1" || o.To != "1") {
		out += ", steps " + string(o.From) + " to " + string(o.To)
	}
	return out
}
