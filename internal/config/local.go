package config

import (
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

// ReadServer reads the server section of a configuration file, whatever else is wrong with it. A health check finds the relay by it: a
// relay runs on when its configuration becomes faulty.
func ReadServer(path string, opts Options) (Server, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Server{}, Faults{{File: path, What: "cannot read the file: " + cause(err)}}
	}
	l := newLoader(path, opts)
	root, fault := document(path, data)
	if fault != nil {
		return Server{}, Faults{*fault}
	}
	cfg := defaults()
	if root != nil {
		l.decode(root, reflect.ValueOf(cfg).Elem(), "")
	}
	l.complete(cfg)
	return cfg.Server, nil
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
