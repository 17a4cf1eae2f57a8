package config

import (
	"fmt"
	"mime"
	"net/http"

	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/text"
)

// relayHeaders are set by the relay in an action's request.
var relayHeaders = map[string]bool{"X-Relay-Id": true, "X-Relay-Timestamp": true, "X-Relay-Signature": true}

// fieldsHint is where the fields of an action's template are.
const fieldsHint = "docs/actions.md lists the fields and functions"

func (l *loader) checkActions(cfg *Config) {
	sources := text.Names(cfg.Zabbix, func(s Source) string { return s.Name })
	names := uses{}
	for i, a := range cfg.Actions {
		path := at("actions", i)
		l.uniqueName(names, path+".name", a.Name, "action")
		l.sourcesExist(path+".match.sources", a.Match.Sources, sources)
		cfg.Actions[i].HTTP.CA = l.authority(path+".ca_file", a.HTTP.CAFile)
		l.checkCredentials(path, a.BasicAuth, a.Headers)
		for j, h := range a.Headers {
			if key := at(path+".headers", j); relayHeaders[http.CanonicalHeaderKey(h.Name)] && !l.faultedBelow(key) {
				l.fault(key+".name", fmt.Sprintf("header %q can't be set", h.Name), "the relay sets it")
			}
		}
		if a.BasicAuth.Username != "" && len(l.refs[path+".token"]) > 0 {
			l.fault(path+".token", "excludes basic_auth", "both are sent as the header Authorization")
		}
		if a.Secret.IsSet() {
			l.checkLength(path+".secret_file", "secret", 0, a.Secret)
		}
		if a.Token.IsSet() || a.BasicAuth.Username != "" || len(a.Headers) > 0 {
			l.clearText(path+".url", a.URL)
		}
		l.checkActionTemplates(path, a)
	}
}

func (l *loader) checkActionTemplates(path string, a Action) {
	if _, _, err := mime.ParseMediaType(a.ContentType); err != nil {
		l.fault(path+".content_type", fmt.Sprintf("invalid content type %q", a.ContentType), "such as application/json")
		return
	}
	if a.Body == "" && l.given(path+".content_type") && a.ContentType != payload.DefaultType {
		l.fault(path+".content_type", "has no effect without a body", "the default body is JSON")
	}
	check := func(key, source string, compile func(string) error) {
		if source == "" || l.faulted(path+"."+key) {
			return
		}
		if err := compile(source); err != nil {
			l.fault(path+"."+key, "template: "+err.Error(), fieldsHint)
		}
	}
	answer := func(s string) error { _, err := payload.NewAnswer(s); return err }
	check("body", a.Body, func(s string) error { _, err := payload.NewBody(s, a.ContentType); return err })
	check("answer", a.Answer, answer)
	check("link", a.Link, answer)
}
