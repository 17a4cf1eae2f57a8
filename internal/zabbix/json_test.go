package zabbix

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// The scanner reads what encoding/json reads: it accepts nothing that isn't JSON and changes no value.
func FuzzScannerReadsAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : "b" , "c":1e5,"d":true,"e":null,"f":-0.5 } `, `{"a":"\u00e4\n\ud83d\ude00ü\ud800"}`, `{"a":"\"\\\/\b\f\n\r\tü"}`, `{"a":"\"`, `{"a":"\x"}`, "{\"a\":\"\\\n\"}", "{\"a\":\"\xff\"}", `{"a":01}`, `{"a":"b",}`,
		`{"a":"b"}x`, `{"a":{"b":1}}`, `{"a":tru}`, `{"a" "b"}`, `{"":""}`, "{\"a\":\"\x01\"}", `{"a":"b\"}`, `{"a":1"b":2}`, `{"a":"\q"}`, `["a"]`, ``, `{"a":"` + "\x7f" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text) // as Parse does
		last := map[string]string{}
		if !scanObject(string(text), func(name, value string) { last[name] = value }) {
			_, faults := readObject(string(text))
			require.NotEmpty(t, faults, "what the scanner rejects has something wrong with it")
			return
		}
		want, faults := readObject(string(text))
		require.Empty(t, faults)
		require.Equal(t, want, last)
	})
}
