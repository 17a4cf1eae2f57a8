package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is a file or an environment variable that has a secret, by the key that names it.
type place struct {
	key, value string
	env        bool
}

// convention returns the environment variable of a secret for which the configuration names neither file nor variable:
// ALERT_RELAY_WEBEX_NOC_TOKEN.
func convention(parts ...string) string {
	name := strings.ToUpper(strings.Join(parts, "_"))
	return "ALERT_RELAY_" + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// credential returns the systemd credential of such a secret: webex-noc-token.
func credential(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "ALERT_RELAY_")), "_", "-")
}

// credentialsDirectory is the variable with the directory of the credentials that systemd passes to a service.
const credentialsDirectory = "CREDENTIALS_DIRECTORY"

// secrets reads every secret that the configuration refers to.
func (l *loader) secrets(cfg *Config) {
	cfg.Server.AdminTokens = l.secretList("server.admin_token", convention("admin_token"), "admin", false)
	for i := range cfg.Webex.Bots {
		b := &cfg.Webex.Bots[i]
		b.Token = l.secret(at("webex.bots", i)+".token", convention("webex", b.Name, "token"), b.Name, true)
	}
	for i := range cfg.Zabbix {
		s := &cfg.Zabbix[i]
		s.APIToken = l.secret(at("zabbix", i)+".api_token", convention("zabbix", s.Name, "api_token"), s.Name, false)
		if s.BasicAuth.Username != "" {
			s.BasicAuth.Password = l.secret(at("zabbix", i)+".basic_auth.password", convention("zabbix", s.Name, "password"), s.Name, true)
		}
		for j := range s.Headers {
			s.Headers[j].Secret = l.secret(at(at("zabbix", i)+".headers", j)+".value", "", "", false)
		}
		s.Secrets = l.secretList(at("zabbix", i)+".secret", convention("zabbix", s.Name, "secret"), s.Name, true)
	}
	for i := range cfg.Actions {
		a, path := &cfg.Actions[i], at("actions", i)
		a.Token = l.secret(path+".token", convention("action", a.Name, "token"), a.Name, false)
		a.Secret = l.secret(path+".secret", convention("action", a.Name, "secret"), a.Name, false)
		if a.BasicAuth.Username != "" {
			a.BasicAuth.Password = l.secret(path+".basic_auth.password", convention("action", a.Name, "password"), a.Name, true)
		}
		for j := range a.Headers {
			a.Headers[j].Secret = l.secret(at(path+".headers", j)+".value", "", "", false)
		}
	}
	l.secretsOfDuty(cfg)
	cfg.Encryption.Keys = l.secretList("encryption.keys", "", "", false)
	cfg.Tracing.Token = l.secret("tracing.token", convention("tracing", "token"), "tracing", false)
	for i := range cfg.Notify {
		n := &cfg.Notify[i]
		n.Tokens = l.secretList(at("notify", i)+".token", convention("notify", n.Name, "token"), n.Name, true)
	}
}

// secret reads the one secret at a path; two are a fault.
func (l *loader) secret(path, variable, owner string, required bool) Secret {
	if len(l.refs[path]) > 1 {
		l.fault(path, "is set more than once", "use "+last(path)+"_file or "+last(path)+"_env, not both")
		return Secret{}
	}
	found := l.secretList(path, variable, owner, required)
	if len(found) == 0 {
		if refs := l.refs[path]; l.opts.Elsewhere && len(refs) == 1 && !refs[0].env {
			name := l.resolve(refs[0].value)
			return Secret{from: "file " + name, file: name}
		}
		return Secret{}
	}
	return found[0]
}

// secretList reads the secrets at a path from files and named variables, or else from the conventional credential or variable.
func (l *loader) secretList(path, variable, owner string, required bool) []Secret {
	var found []Secret
	for _, p := range l.refs[path] {
		read := l.secretFile
		if p.env {
			read = l.secretVariable
		}
		if s, ok := read(p); ok {
			found = append(found, s)
		}
	}
	if len(l.refs[path]) > 0 || !namePattern.MatchString(owner) {
		return found
	}
	if dir := l.env(credentialsDirectory); dir != "" {
		name := filepath.Join(dir, credential(variable))
		if _, _, err := l.opts.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
			if s, ok := l.secretFile(place{key: path, value: name}); ok {
				return []Secret{s}
			}
			return nil
		}
	}
	if value := strings.TrimSpace(l.env(variable)); value != "" {
		return []Secret{secretFrom(value, "environment variable "+variable)}
	}
	if required && !l.faultedAround(path) && !l.faulted(path+"_file") && !l.faulted(path+"_env") {
		l.absent(path, "is missing", "use "+last(path)+"_file or "+last(path)+"_env, or set the environment variable "+variable)
	}
	return nil
}

// secretKey returns the key that the ith secret at a path was given with, or the path if it has the conventional name.
func (l *loader) secretKey(path string, i int) string {
	if refs := l.refs[path]; i < len(refs) {
		return refs[i].key
	}
	return path
}

// secretVariable reads one environment variable.
func (l *loader) secretVariable(env place) (Secret, bool) {
	if !envPattern.MatchString(env.value) {
		// Its value isn't shown: it may be the secret itself.
		name, _, _ := strings.Cut(last(env.key), "_env")
		l.fault(env.key, "not the name of an environment variable", "the name, not the secret itself; "+name+"_file for a file")
		return Secret{}, false
	}
	from := "environment variable " + env.value
	value := strings.TrimSpace(l.env(env.value))
	if value == "" {
		l.absent(env.key, from+" is not set", "")
	}
	return secretFrom(value, from), value != ""
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

// absent reports something outside the configuration file that doesn't exist: a fault, or a warning if the relay runs on another
// machine.
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
		hint := ""
		if strings.Contains(name, "$"+credentialsDirectory) {
			hint = "$" + credentialsDirectory + " is set by systemd, for a unit with LoadCredential="
		}
		l.absent(key, "cannot read "+name+": "+cause(err), hint)
	case err != nil:
		l.fault(key, "cannot read "+name+": "+cause(err), mayRead(err, name))
	}
	return data, mode, err == nil
}

// resolve makes a path relative to the configuration file's directory, or to systemd's directory of credentials.
func (l *loader) resolve(name string) string {
	if in, ok := strings.CutPrefix(name, "$"+credentialsDirectory+"/"); ok && l.env(credentialsDirectory) != "" {
		return filepath.Join(l.env(credentialsDirectory), in)
	}
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(l.file), name)
}

// maxSecretFile is the most that is read of a file that the configuration refers to.
const maxSecretFile = 1 << 20

func readFile(name string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, info.Mode(), errors.New("is a directory")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	return data, info.Mode(), err
}
