package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// Secret is a value from a file or an environment variable. It prints as
// "[secret]" wherever it is formatted, marshalled or logged.
type Secret struct {
	// A pointer, because fmt doesn't ask the methods of a field that isn't
	// exported: it would print a string, but prints a pointer's address.
	value *string
	from  string // "file /run/secrets/x" or "environment variable X"
	file  string // its name; "" where it isn't from one
}

// NewSecret makes a secret without file or variable, for the demo and for tests.
func NewSecret(value string) Secret { return secretFrom(value, "program") }

func secretFrom(value, from string) Secret { return Secret{value: &value, from: from} }

const hidden = "[secret]"

// Reveal is the value itself. Never log it or put it into an error.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// From is where the value comes from: a file or an environment variable.
func (s Secret) From() string { return s.from }

// FromFile reports whether the value comes from a file, so that Reread may return another.
func (s Secret) FromFile() bool { return s.file != "" }

// Reread is the value that the file has now. Errors name the file, never its
// content. A secret that isn't from a file doesn't change.
func (s Secret) Reread() (string, error) {
	if s.file == "" {
		return s.Reveal(), nil
	}
	data, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %s%s", s.file, cause(err), because(mayRead(err, s.file)))
	}
	value, wrong, hint := oneSecret(data, "")
	if wrong != "" {
		return "", fmt.Errorf("%s %s%s", s.file, wrong, because(hint))
	}
	return value, nil
}

func because(hint string) string {
	if hint == "" {
		return ""
	}
	return " (" + hint + ")"
}

// oneSecret is the secret in a file, without the white space around it, or what
// is wrong with the file. key is the configuration's key for the file.
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

// macroPattern is what Zabbix resolves wherever it stands in a parameter: {HOST.NAME}, {$USER.MACRO}, {#LLD}, {?expression}.
var macroPattern = regexp.MustCompile(`\{([$#]?[A-Z0-9_.]*[A-Z][A-Z0-9_.]*(:[^}]*)?|\?[^}]*)\}`)

// SigningSecret says what is wrong with a source's secret, "" for nothing. A media type of Zabbix
// signs events with it, and Zabbix changes some texts: such signatures would never match.
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

// placeholder is what the shipped media type has for its secret.
const placeholder = "<secret of this source>"

const bom = '\uFEFF' // editors on Windows begin a file with it

// mayRead is the hint for a file without read permission; "" for other errors.
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

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// secretRef is where the configuration says to read a secret.
type secretRef struct {
	files []place
	envs  []place
}

// place is a value with its key.
type place struct{ key, value string }

// convention is the environment variable that a secret is read from when the
// configuration names neither file nor variable: ALERT_RELAY_WEBEX_NOC_TOKEN.
func convention(parts ...string) string {
	name := strings.ToUpper(strings.Join(parts, "_"))
	return "ALERT_RELAY_" + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// secrets reads every secret that the configuration refers to.
func (l *loader) secrets(cfg *Config) {
	for i := range cfg.Webex.Bots {
		b := &cfg.Webex.Bots[i]
		b.Token = l.secret(at("webex.bots", i)+".token", convention("webex", b.Name, "token"), b.Name, true)
	}
	for i := range cfg.Zabbix {
		s := &cfg.Zabbix[i]
		s.APIToken = l.secret(at("zabbix", i)+".api_token", convention("zabbix", s.Name, "api_token"), s.Name, false)
		s.Secrets = l.secretList(at("zabbix", i)+".secret", convention("zabbix", s.Name, "secret"), s.Name, true)
	}
	for i := range cfg.Notify {
		n := &cfg.Notify[i]
		n.Token = l.secret(at("notify", i)+".token", convention("notify", n.Name, "token"), n.Name, true)
	}
}

// secret reads the one secret at a path; two are a fault.
func (l *loader) secret(path, variable, owner string, required bool) Secret {
	if ref := l.refs[path]; len(ref.files)+len(ref.envs) > 1 {
		l.fault(path, "is set more than once", "use "+last(path)+"_file or "+last(path)+"_env, not both")
		return Secret{}
	}
	found := l.secretList(path, variable, owner, required)
	if len(found) == 0 {
		return Secret{}
	}
	return found[0]
}

// secretList reads the secrets at a path: from files, from named variables, or
// else from the conventional variable.
func (l *loader) secretList(path, variable, owner string, required bool) []Secret {
	ref := l.refs[path]
	var found []Secret
	for _, file := range ref.files {
		if s, ok := l.secretFile(file); ok {
			found = append(found, s)
		}
	}
	for _, env := range ref.envs {
		if !envPattern.MatchString(env.value) {
			// Its value isn't shown: it may be the secret itself.
			l.fault(env.key, "not the name of an environment variable", "the name, not the secret itself; "+last(path)+"_file for a file")
			continue
		}
		value := strings.TrimSpace(l.env(env.value))
		if value == "" {
			l.absent(env.key, "environment variable "+env.value+" is not set", "")
			continue
		}
		found = append(found, secretFrom(value, "environment variable "+env.value))
	}
	if len(ref.files)+len(ref.envs) > 0 || !namePattern.MatchString(owner) {
		return found
	}
	if value := strings.TrimSpace(l.env(variable)); value != "" {
		return []Secret{secretFrom(value, "environment variable "+variable)}
	}
	if required && !l.faultedAround(path) && !l.faulted(path+"_file") && !l.faulted(path+"_env") {
		l.absent(path, "is missing", "use "+last(path)+"_file or "+last(path)+"_env, or set the environment variable "+variable)
	}
	return nil
}

// secretKey is the key that a secret was given with, or its own name where it comes from the conventional variable.
func (l *loader) secretKey(path string) string {
	for _, key := range []string{path + "_file", path + "_env"} {
		if l.given(key) {
			return key
		}
	}
	return path
}

// secretFile reads one file: one secret, without the white space around it.
func (l *loader) secretFile(file place) (Secret, bool) {
	name := l.resolve(file.value)
	data, mode, ok := l.read(file.key, name)
	if !ok {
		return Secret{}, false
	}
	value, wrong, hint := oneSecret(data, last(file.key))
	if wrong != "" {
		l.fault(file.key, name+" "+wrong, hint)
		return Secret{}, false
	}
	if mode.IsRegular() && mode.Perm()&0o004 != 0 {
		l.warn(file.key, name+" is readable by everybody on this machine", "chmod o-r "+name)
	}
	found := secretFrom(value, "file "+name)
	found.file = name
	return found, true
}

// absent reports something outside the configuration file that doesn't exist: a
// fault, or a warning if the file is checked on another machine.
func (l *loader) absent(key, what, hint string) {
	if l.opts.Elsewhere {
		l.warn(key, what, hint)
		return
	}
	l.fault(key, what, hint)
}

// read reads a file that the configuration refers to.
func (l *loader) read(key, name string) ([]byte, fs.FileMode, bool) {
	data, mode, err := l.opts.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.absent(key, "cannot read "+name+": "+cause(err), "")
	case err != nil:
		l.fault(key, "cannot read "+name+": "+cause(err), mayRead(err, name))
	}
	return data, mode, err == nil
}

// resolve makes a path relative to the configuration file's directory.
func (l *loader) resolve(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(l.file), name)
}
