// Package zabbix holds what Zabbix imports: the media type that sends events to
// the relay. How to use it is in README.md beside it.
package zabbix

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
)

// MediaType is the media type as configuration.import and the import page of
// Zabbix 6.0 to 8.0 take it. Its URL and SECRET are still to be set.
//
//go:embed mediatype-webex-relay.yaml
var MediaType []byte

// Name is the media type's name in Zabbix, by which an import finds it again.
const Name = "Webex (alert-relay)"

// Settings are the parameters that an installation sets.
type Settings struct {
	URL       string // where the Zabbix server reaches the relay
	Secret    string // of the source, in the relay's configuration
	Source    string // the source's name; needed where several share a secret
	HTTPProxy string // between the Zabbix server and the relay
}

// Filled is MediaType with these settings in place; empty ones stay as shipped. They are filled in
// twice: as parameters, which an administrator sees and may change, and in the script. Zabbix cuts
// all parameters together at 65,535 characters, and where its database is PostgreSQL a parameter
// that was changed after the first import stands behind all others (measured on 6.0 and 7.0), so a
// long value cuts it off. The script is never cut.
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
		panic(err) // no map of texts fails
	}
	line := []byte("var FILLED_IN = {};\n")
	if !bytes.Contains(out, line) {
		panic("zabbix: the script has no place for settings") // the file is embedded, and a test fills it in
	}
	return bytes.Replace(out, line, []byte("var FILLED_IN = "+string(inScript)+";\n"), 1)
}

// lineEnds are folded into a space in a single-quoted scalar. No address has one, and config refuses such a secret.
var lineEnds = strings.NewReplacer("\r", " ", "\n", " ", "\u0085", " ", "\u2028", " ", "\u2029", " ")

// set replaces the value on the line after a parameter's name.
func set(yaml []byte, name, value string) []byte {
	head, rest, found := bytes.Cut(yaml, []byte("          name: "+name+"\n"))
	_, tail, ended := bytes.Cut(rest, []byte("\n"))
	if !found || !ended {
		panic("zabbix: the media type has no parameter " + name) // the file is embedded, and a test fills it in
	}
	value = strings.ReplaceAll(lineEnds.Replace(value), "'", "''")
	line := "          name: " + name + "\n          value: '" + value + "'\n"
	return bytes.Join([][]byte{head, []byte(line), tail}, nil)
}
