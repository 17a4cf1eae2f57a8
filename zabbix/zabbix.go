// Package zabbix holds what is imported into Zabbix: the media type that sends events to the relay, and the template that monitors
// the relay. README.md describes how to use them.
package zabbix

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
)

// MediaType is the media type for configuration.import and the import page of Zabbix 6.0 to 8.0, with placeholders for URL and
// SECRET.
//
//go:embed mediatype-webex-relay.yaml
var MediaType []byte

// Template is the template that monitors the relay, for configuration.import and the import page of Zabbix 6.0 to 8.0.
//
//go:embed template_alert_relay.yaml
var Template []byte

// Name is the media type's name in Zabbix, by which an import finds an existing one.
const Name = "Webex (alert-relay)"

// Settings are the parameters that an installation sets.
type Settings struct {
	URL       string // where the Zabbix server reaches the relay
	Secret    string // of the source, in the relay's configuration
	Source    string // the source's name; needed if several share a secret
	HTTPProxy string // between the Zabbix server and the relay
}

// Filled is MediaType with settings; empty ones stay as shipped. Settings are written twice: as parameters, which an administrator
// sees and may change, and into the script. Zabbix cuts all parameters together at 65,535 characters, and on PostgreSQL a
// parameter that was changed after the first import is behind all others (measured on 6.0 and 7.0), so a long value cuts it off.
// The script is never cut.
func Filled(s Settings) []byte {
	out := MediaType
	given := map[string]string{}
	for name, value := range map[string]string{"URL": s.URL, "SECRET": s.Secret, "SOURCE": s.Source, "HTTP_PROXY": s.HTTPProxy} {
		if value != "" {
			out = set(out, name, value)
			given[name] = value
		}
	}
	if len(given) == 0 {
		return out
	}
	inScript, err := json.Marshal(given)
	if err != nil {
		panic(err) // a map of strings
	}
	line := []byte("var FILLED_IN = {};\n")
	if !bytes.Contains(out, line) {
		panic("zabbix: the script has no place for settings") // the file is embedded and tested
	}
	return bytes.Replace(out, line, []byte("var FILLED_IN = "+string(inScript)+";\n"), 1)
}

// lineEnds become spaces, as in a single-quoted YAML scalar. Addresses have none, and config refuses secrets with them.
var lineEnds = strings.NewReplacer("\r", " ", "\n", " ", "\u0085", " ", "\u2028", " ", "\u2029", " ")

// set replaces the value on the line after a parameter's name.
func set(yaml []byte, name, value string) []byte {
	head, rest, found := bytes.Cut(yaml, []byte("          name: "+name+"\n"))
	_, tail, ended := bytes.Cut(rest, []byte("\n"))
	if !found || !ended {
		panic("zabbix: the media type has no parameter " + name) // the file is embedded and tested
	}
	value = strings.ReplaceAll(lineEnds.Replace(value), "'", "''")
	line := "          name: " + name + "\n          value: '" + value + "'\n"
	return bytes.Join([][]byte{head, []byte(line), tail}, nil)
}
