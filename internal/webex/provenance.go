package webex

import (
	"encoding/json"
	"net/http"
	"strings"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
)

// This file decides whether an answer is Webex's own. docs/adr/001-only-webex-is-final.md gives the reasons.

const foreignHint = "check webex.api_url, and the proxy or firewall between the relay and Webex"

// shape is the form of a successful answer.
type shape int

const (
	shapeResource shape = iota // one object with an id
	shapeList                  // an object with items
	shapeNothing               // 204 without a body
	shapeCatalog               // the catalog of services
	shapeDevices               // an object with devices
	shapeDevice                // a device for websockets
)

// ownField has the field that tells a service's answer from that of another program.
var ownField = map[shape]string{shapeCatalog: "serviceLinks", shapeDevices: "devices", shapeDevice: "webSocketUrl"}

// errorAnswer is the body of an error: its fields in Webex's form, or its text.
type errorAnswer struct {
	Message    string
	Errors     []string // descriptions
	TrackingID string
	page       string // the text of a body that isn't a JSON object
}

// parseError reads the body of an error. Fields of an unexpected type are left out.
func parseError(body []byte) errorAnswer {
	var fields struct {
		Message    any `json:"message"`
		Errors     any `json:"errors"`
		TrackingID any `json:"trackingId"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return errorAnswer{page: httpclient.PageText(body)}
	}
	var a errorAnswer
	a.Message, _ = fields.Message.(string)
	a.TrackingID, _ = fields.TrackingID.(string)
	list, _ := fields.Errors.([]any)
	for _, one := range list {
		fields, _ := one.(map[string]any)
		if description, ok := fields["description"].(string); ok {
			a.Errors = append(a.Errors, description)
		}
	}
	return a
}

// reason returns the reason in one line.
func (a errorAnswer) reason() string {
	parts := []string{}
	for _, part := range append([]string{a.Message}, a.Errors...) {
		if part = text.Line(part); part != "" && (len(parts) == 0 || part != parts[0]) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return a.page
	}
	return strings.Join(parts, "; ")
}

// webexForm reports whether the body is an error in Webex's form: a reason with a tracking id or with a list of descriptions.
// Other programs send {"message": …} or {"error": …}.
func (a errorAnswer) webexForm() bool {
	return a.Message != "" && (a.TrackingID != "" || len(a.Errors) > 0) || a.TrackingID != "" && len(a.Errors) > 0
}

// ownError reports whether an answer that isn't 2xx is Webex's own; tracked: it has Webex's tracking id header.
func ownError(status int, tracked bool, a errorAnswer) bool {
	switch {
	case a.webexForm(), status == http.StatusTooManyRequests: // every request to wait is obeyed
		return true
	case !tracked:
		return false
	case status >= 400 && status < 500:
		// A filter can replace the body and keep the header. Webex refuses in JSON, never with a page.
		return a.page == ""
	}
	return true // never final, and Webex's own edge answers 5xx with pages
}

// ownSuccess reports whether a 2xx answer is Webex's own and has the body that the call needs.
func ownSuccess(want shape, status int, tracked bool, body []byte) bool {
	empty := len(strings.TrimSpace(string(body))) == 0
	if want == shapeNothing {
		return empty && (tracked || status == http.StatusNoContent) || tracked && json.Valid(body)
	}
	var fields map[string]json.RawMessage
	if empty || json.Unmarshal(body, &fields) != nil {
		return false
	}
	if name, ok := ownField[want]; ok {
		return fields[name] != nil
	}
	if want == shapeList {
		items, ok := fields["items"]
		return ok && (string(items) == "null" || strings.HasPrefix(string(items), "["))
	}
	var id string
	if json.Unmarshal(fields["id"], &id) != nil || id == "" {
		return false
	}
	if tracked || len(fields) == 1 { // an id alone is not a sign of another program
		return true
	}
	for _, name := range []string{"roomId", "personId", "created", "emails", "displayName", "title", "targetUrl", "messageId"} {
		if fields[name] != nil {
			return true
		}
	}
	return false
}

// describeForeign describes a foreign answer in a few words, for the log and for errors.
func (c *Client) describeForeign(a httpclient.Answer) string {
	said := "a proxy, gateway or login page answered instead of Webex: "
	if a.Status/100 == 3 {
		said = "redirects are not followed: " + said
	}
	return said + c.to.Load().http.Glimpse(a)
}
