package config

import (
	"fmt"
	"net"
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

// WhyMissing returns the warning about a secret that couldn't be read on this host, as the end of an error; "" if there is none.
func (c *Config) WhyMissing(key string) string {
	for _, w := range c.Warnings {
		if strings.HasPrefix(w.Key, key) {
			return ": " + w.Error()
		}
	}
	return ""
}
