// Package zabbix holds what Zabbix imports: the media type that tells the
// relay of events. How to use it is in README.md beside it.
package zabbix

import (
	"bytes"
	_ "embed"
	"strings"
)

// MediaType is the media type as configuration.import and the import page of
// Zabbix 6.0 to 8.0 take it. Its URL and SECRET are still to be set.
//
//go:embed mediatype-webex-relay.yaml
var MediaType []byte

// Name is the media type's name in Zabbix, by which an import finds it again.
const Name = "Webex (nms-alert-relay)"

// Settings are the parameters that an installation sets.
type Settings struct {
	URL       string // where the Zabbix server reaches the relay
	Secret    string // of the source, in the relay's configuration
	Source    string // the source's name; needed where several share a secret
	HTTPProxy string // between the Zabbix server and the relay
}

// Filled is MediaType with these settings in place; what is empty stays as it
// is shipped. Setting them before the import has two uses: a later import
// doesn't undo them, and they stay in front of the parameters, out of reach of
// Zabbix's cut at 65,535 characters (a parameter that is changed afterwards moves
// behind the others where the database is PostgreSQL: measured on 6.0 and 7.0).
func Filled(s Settings) []byte {
	out := MediaType
	for name, value := range map[string]string{"URL": s.URL, "SECRET": s.Secret, "SOURCE": s.Source, "HTTP_PROXY": s.HTTPProxy} {
		if value != "" {
			out = set(out, name, value)
		}
	}
	return out
}

// set replaces the value on the line after a parameter's name.
func set(yaml []byte, name, value string) []byte {
	head, rest, found := bytes.Cut(yaml, []byte("          name: "+name+"\n"))
	_, tail, ended := bytes.Cut(rest, []byte("\n"))
	if !found || !ended {
		panic("zabbix: the media type has no parameter " + name) // the file is embedded, and a test fills it in
	}
	// In a single-quoted scalar a line break would be folded into a space; no
	// address and no secret has one.
	value = strings.Join(strings.Fields(value), " ")
	line := "          name: " + name + "\n          value: '" + strings.ReplaceAll(value, "'", "''") + "'\n"
	return bytes.Join([][]byte{head, []byte(line), tail}, nil)
}
