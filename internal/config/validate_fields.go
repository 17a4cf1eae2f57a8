package config

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
	"golang.org/x/net/http/httpguts"

	"nms-alert-relay/internal/text"
)

// inlineName marks an inlined struct in the validator's paths: its keys are one level higher in the file.
const inlineName = "(inline)"

var (
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	roomIDPattern = regexp.MustCompile(`^[!-~]{1,200}$`)
	inherited     = regexp.MustCompile(`^rooms\[\d+\]\.(storm|flapping)\.`)
	envPattern    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// fieldRules validates the rules in config.go's struct tags, with rules that the library lacks.
var fieldRules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			return inlineName
		}
		return name
	})
	rules := map[string]validator.Func{
		"least": func(fl validator.FieldLevel) bool { return Duration(fl.Field().Int()) >= mustDuration(fl.Param()) },
		"most":  func(fl validator.FieldLevel) bool { return Duration(fl.Field().Int()) <= mustDuration(fl.Param()) },
	}
	for tag, rule := range textRules {
		rules[tag] = func(fl validator.FieldLevel) bool { return rule.ok(fl.Field().String()) }
	}
	for tag, rule := range rules {
		if err := v.RegisterValidation(tag, rule); err != nil {
			panic(err) // a tag that the library rejects: caught by any test
		}
	}
	return v
})

// textRules are rules for texts that the library lacks.
var textRules = map[string]struct {
	ok         func(string) bool
	what, hint string // %q is the text
}{
	"name": {namePattern.MatchString, "invalid name %q", "at most 64 letters, digits, dots, dashes and underscores, starting with a letter or digit"},
	"label": {
		func(s string) bool { return len(s) <= 100 && !strings.ContainsFunc(s, text.Dangerous) },
		"must be one line of at most 100 characters", "",
	},
	"button": {
		func(s string) bool {
			return utf8.RuneCountInString(s) <= 40 && !strings.ContainsFunc(s, text.Dangerous)
		},
		"must be one line of at most 40 characters", "",
	},
	"domain":  {domainPattern.MatchString, "invalid domain %q", "such as example.com, without @ or *"},
	"room_id": {roomIDPattern.MatchString, "invalid Webex room id %q", listRooms},
	"header": {
		func(s string) bool {
			return httpguts.ValidHeaderFieldName(s) && !reservedHeaders[http.CanonicalHeaderKey(s)]
		},
		"header %q can't be set", "a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token",
	},
	"header_value": {httpguts.ValidHeaderFieldValue, "contains characters that a header can't have", "one line of text"}, // perhaps a secret: not shown
	"address":      {validAddress, "invalid listen address %q", "host:port, or :port for every interface"},
	"service_url": {
		func(s string) bool { return validURL(s, true) },
		"invalid base URL %q", "http:// or https://, a host and optionally a path; no user, query or fragment",
	},
	"action_url": { // its query may contain a key: not shown
		func(s string) bool {
			u, err := url.Parse(s)
			return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.Fragment == "" && u.User == nil && !strings.Contains(u.Path, "@")
		},
		"invalid address", "http:// or https://, a host and a path; no user or fragment",
	},
	"proxy_url": { // it may contain a password: not shown
		func(s string) bool { return validURL(s, false) },
		"invalid proxy URL", "such as http://proxy.example.com:3128",
	},
}

// reservedHeaders are set by the relay itself or by net/http.
var reservedHeaders = map[string]bool{"Authorization": true, "Host": true, "Content-Type": true, "Content-Length": true, "Transfer-Encoding": true,
	"Connection": true, "Upgrade": true, "Trailer": true, "Te": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authorization": true,
	"Accept-Encoding": true}

func mustDuration(text string) Duration {
	d, err := ParseDuration(text)
	if err != nil {
		panic(err) // a limit in a struct tag
	}
	return d
}

func validAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

func validURL(s string, path bool) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if path {
		return u.User == nil && !strings.Contains(u.Path, "@") // credentials belong in secret files; one with a / ends up in the path
	}
	return u.Path == "" || u.Path == "/"
}

// rules checks every field by itself.
func (l *loader) rules(cfg *Config) {
	err := fieldRules().Struct(cfg)
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return
	}
	for _, e := range broken {
		path := strings.ReplaceAll(strings.TrimPrefix(e.Namespace(), "Config."), inlineName+".", "")
		if l.faultedAround(path) || inherited.MatchString(path) && !l.given(path) {
			continue // it couldn't be read, or the key that it is inherited from has the fault
		}
		what, hint := sentence(e, path)
		l.fault(path, what, hint)
	}
}

// sentence describes a broken rule.
func sentence(e validator.FieldError, path string) (what, hint string) {
	value := fmt.Sprint(e.Value())
	if e.Tag() == "required" && strings.HasPrefix(path, "actions") && last(path) == "url" {
		return "is missing", "where the request goes, such as https://tickets.example.com/hook"
	}
	if e.Tag() == "required" || e.Kind() == reflect.Slice {
		return "is missing", missingHints[last(path)]
	}
	switch e.Tag() {
	case "required_with":
		return "is missing", "cert_file and key_file go together"
	case "oneof":
		choices := strings.Fields(e.Param())
		if e.StructNamespace() == "Config.Store.Driver" && value == "postgres" {
			return "postgres is not supported in this version", "driver: sqlite"
		}
		return fmt.Sprintf("unknown value %q, expected %s", value, text.Or(choices)), text.DidYouMean(value, choices)
	case "min", "least":
		return fmt.Sprintf("must be at least %s, got %s", e.Param(), value), ""
	case "gt":
		return fmt.Sprintf("must be more than %s, got %s", e.Param(), value), ""
	case "max", "most":
		return fmt.Sprintf("must be at most %s, got %s", e.Param(), value), ""
	case "excludesall":
		return fmt.Sprintf("%q must not contain %q", value, e.Param()), ""
	case "email":
		return fmt.Sprintf("invalid e-mail address %q", value), "such as alice@example.com"
	case "service_url":
		value = text.RedactURL(value)
	}
	rule := textRules[e.Tag()]
	return strings.Replace(rule.what, "%q", strconv.Quote(value), 1), rule.hint
}

// missingHints are the hints for missing keys.
var missingHints = map[string]string{
	"default_rooms": "rooms for problems that no route matches: default_rooms: [noc]",
	"rooms":         "name at least one room",
	"bots":          "at least one: bots: [{name: noc, token_file: /etc/alert-relay/webex-token}]",
	"url":           "the frontend's base URL, such as https://zabbix.example.com",
	"id":            listRooms,
	"role":          "viewer, operator or admin",
	"when":          `the hours: when: [{days: [mon-fri], hours: "22:00-07:00"}]`,
	"after":         "how long a problem stays unacknowledged before this step: after: 15m",
}
