package config

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// Secret is a value from a file or an environment variable. It prints as "[secret]" however it is formatted, marshalled or
// logged.
type Secret struct {
	// A pointer: fmt ignores the methods of unexported fields, and would print a string but prints a pointer's address.
	value *string
	from  string // "file /run/secrets/x" or "environment variable X"
	file  string // its name; "" if it is from elsewhere
}

// NewSecret makes a secret without file or variable, for the demo and for tests.
func NewSecret(value string) Secret { return secretFrom(value, "program") }

func secretFrom(value, from string) Secret { return Secret{value: &value, from: from} }

const hidden = "[secret]"

// Reveal returns the value itself. Never log it or put it into an error.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// From returns the origin of the value: a file or an environment variable.
func (s Secret) From() string { return s.from }

// FromFile reports whether the value comes from a file, so that Reread may return another.
func (s Secret) FromFile() bool { return s.file != "" }

// File returns the name of the file, "" if the value isn't from one. With Options.Elsewhere the file of a single secret may be missing.
func (s Secret) File() string { return s.file }

// Reread returns the present content of the secret's file, or the value if it isn't from a file. Errors name the file, never its
// content.
func (s Secret) Reread() (string, error) {
	if s.file == "" {
		return s.Reveal(), nil
	}
	return ReadSecret(s.file)
}

// ReadSecret reads a file that contains one secret, without the white space around it. Errors name the file, never its content.
func ReadSecret(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", invalid("cannot read "+name+": "+cause(err), mayRead(err, name))
	}
	value, wrong, hint := oneSecret(data, "")
	if wrong != "" {
		return "", invalid(name+" "+wrong, hint)
	}
	return value, nil
}

// oneSecret returns the secret in a file, without white space around it, or the file's fault. key is the configuration's key.
func oneSecret(data []byte, key string) (value, wrong, hint string) {
	value = strings.TrimSpace(strings.TrimPrefix(string(data), string(bom)))
	switch {
	case value == "":
		return "", "is empty", "it must contain the secret and nothing else"
	case strings.ContainsAny(value, "\r\n") && key != "":
		return "", "has more than one line", "one secret per file; for several secrets use several files: " + key + ": [old, new]"
	case strings.ContainsAny(value, "\r\n"):
		return "", "has more than one line", "one secret per file"
	}
	return value, "", ""
}

// maxSigning is how many characters of a media type's parameter Zabbix stores.
const maxSigning = 2048

// macroPattern matches macros that Zabbix resolves anywhere in a parameter: {HOST.NAME}, {$USER.MACRO}, {#LLD},
// {?expression}.
var macroPattern = regexp.MustCompile(`\{([$#]?[A-Z0-9_.]*[A-Z][A-Z0-9_.]*(:[^}]*)?|\?[^}]*)\}`)

// SigningSecret describes a fault of a source's secret; "" if it has none. Zabbix's media type signs events with it,
// and Zabbix changes some texts, so that their signatures would never match.
func SigningSecret(value string) (wrong, hint string) {
	hint = "openssl rand -hex 32 makes a good one"
	switch {
	case !utf8.ValidString(value):
		return "is not UTF-8 text", hint
	case utf8.RuneCountInString(value) > maxSigning:
		return fmt.Sprintf("has more than %d characters: Zabbix truncates it", maxSigning), hint
	case strings.ContainsFunc(value, func(r rune) bool { return text.Blank(r) && !unicode.Is(unicode.Zs, r) }):
		return "contains control or invisible characters, which get lost on the way into Zabbix", hint
	case strings.ContainsFunc(value, func(r rune) bool { return r > 0xFFFF }):
		return "contains characters such as emoji, which not every Zabbix database can store", hint
	case macroPattern.MatchString(value):
		return "contains a macro in braces, which Zabbix would resolve", hint
	case value == placeholder:
		return "is the media type's placeholder", hint
	}
	return "", ""
}

// placeholder is the secret in the shipped media type.
const placeholder = "<secret of this source>"

const bom = '\uFEFF' // editors on Windows begin a file with it

// mayRead returns the hint for a file without read permission; "" for other errors.
func mayRead(err error, name string) string {
	if !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	return fmt.Sprintf("running as user %d: give it read access to the file (chown or chmod %s) and to its directories", os.Getuid(), name)
}

// String hides the value.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return hidden
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the value from JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ProxyURL is a proxy's address. It prints without user and password however it is formatted, marshalled or logged.
type ProxyURL string

// Reveal returns the full address, for the transport. Never log it or put it into an error.
func (u ProxyURL) Reveal() string { return string(u) }

// String hides user and password.
func (u ProxyURL) String() string { return text.RedactURL(string(u)) }

// GoString hides them from %#v.
func (u ProxyURL) GoString() string { return u.String() }

// MarshalText hides them from JSON, YAML and slog.
func (u ProxyURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// SecretFiles returns the name of each file with a secret, and what it is for.
func (c *Config) SecretFiles() iter.Seq2[string, string] {
	return func(yield func(name, what string) bool) {
		more := true
		secrets := func(what string, list ...Secret) {
			for _, s := range list {
				if name := s.File(); more && name != "" {
					more = yield(name, what)
				}
			}
		}
		secrets("server.admin_token", c.Server.AdminTokens...)
		for _, b := range c.Webex.Bots {
			secrets("token of bot "+b.Name, b.Token)
		}
		for _, z := range c.Zabbix {
			secrets("API token of source "+z.Name, z.APIToken)
			secrets("password of source "+z.Name, z.BasicAuth.Password)
			for _, h := range z.Headers {
				secrets("header "+h.Name+" of source "+z.Name, h.Secret)
			}
			secrets("secret of source "+z.Name, z.Secrets...)
		}
		for _, a := range c.Actions {
			secrets("token of action "+a.Name, a.Token)
			secrets("secret of action "+a.Name, a.Secret)
			secrets("password of action "+a.Name, a.BasicAuth.Password)
			for _, h := range a.Headers {
				secrets("header "+h.Name+" of action "+a.Name, h.Secret)
			}
		}
		for _, n := range c.Notify {
			secrets("token of notify sender "+n.Name, n.Tokens...)
		}
		for _, d := range c.Duty {
			for _, calendar := range d.Calendars {
				secrets("calendar of duty "+d.Name, calendar.Secret)
			}
		}
		secrets("encryption.keys", c.Encryption.Keys...)
		secrets("tracing.token", c.Tracing.Token)
	}
}
