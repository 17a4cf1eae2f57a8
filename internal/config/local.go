package config

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
)

// LocalURL returns the URL of one of the relay's listeners on the relay's own host. key is the listener's key in the configuration; flag
// is the command's flag that gives the URL instead.
func LocalURL(key, address, flag string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	if port == "0" {
		return "", fmt.Errorf("%s is %s, any free port: use %s with the relay's address (its log has it)", key, address, flag)
	}
	if everyInterface(host) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// Local is what commands on the relay's own host need of its configuration.
type Local struct {
	File   string
	Server Server // the defaults, as far as the file's values are unknown
	Store  string // the store's path; "" if it is unknown
	// Unknown has the faults because of which values are unknown: the file can't be read, isn't valid YAML, or has wrong keys.
	Unknown Faults
	// Guessed says that Server has defaults which the file may contradict.
	Guessed bool
	// NoToken says why the admin token is unknown, if it is configured.
	NoToken Faults
}

// ReadLocal reads a configuration file as far as it can be read: a relay runs on when its configuration becomes faulty, and its store
// can still be copied.
func ReadLocal(path string, opts Options) Local {
	opts.Elsewhere = true
	l := newLoader(path, opts)
	cfg := defaults()
	data, err := os.ReadFile(path)
	if err != nil {
		l.found = Faults{{File: path, What: "cannot read the file: " + cause(err)}}
	}
	root, fault := document(path, data)
	if fault != nil {
		l.found = Faults{*fault}
		root, _ = document(path, validSections(path, data))
	}
	if root != nil {
		l.decode(root, reflect.ValueOf(cfg).Elem(), "")
	}
	l.complete(cfg)
	read := Local{File: path, Server: cfg.Server, Unknown: l.found}
	broken := err != nil || fault != nil
	read.Guessed = broken && !l.given("server.admin_listen") || l.faulted("") || l.faultedAround("server.admin_listen")
	if !l.faulted("") && !l.faultedBelow("store") && (!broken || l.given("store.path")) {
		read.Store = cfg.Store.Path
	}
	l.found, l.warnings = nil, nil
	read.Server.AdminTokens = l.secretList("server.admin_token", convention("admin_token"), "admin", false)
	if len(read.Server.AdminTokens) == 0 {
		read.NoToken = append(l.found, l.warnings...)
	}
	return read
}

// StorePath returns the store's path, or why it is unknown.
func (l Local) StorePath() (string, error) {
	switch {
	case l.Store != "":
		return l.Store, nil
	case len(l.Unknown) > 0:
		return "", l.Unknown
	}
	return "", Faults{newFault(l.File, 0, "store.path", "is empty", "a file, such as /var/lib/alert-relay/relay.db")}
}

// validSections blanks out the sections of a document that aren't valid YAML on their own.
func validSections(name string, data []byte) []byte {
	var out, section []byte
	end := func() {
		if _, fault := document(name, section); fault != nil {
			section = bytes.Repeat([]byte("\n"), bytes.Count(section, []byte("\n")))
		}
		out, section = append(out, section...), nil
	}
	for line := range bytes.Lines(data) {
		if !strings.ContainsRune(" \t\r\n#-]}", rune(line[0])) {
			end()
		}
		section = append(section, line...)
	}
	end()
	return out
}

// WhyMissing returns the warning about a secret that couldn't be read on this host, as the end of an error; "" if there is none.
func (c *Config) WhyMissing(key string) string {
	for _, w := range c.Warnings {
		if strings.HasPrefix(w.Key, key) {
			return ": " + w.Error()
		}
	}
	return ""
}
