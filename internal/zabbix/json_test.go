package zabbix

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Payloads are read as encoding/json reads them: what isn't JSON is refused, and no value changes.
func FuzzPayloadsAreReadAsByEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : "b" , "c":1e5,"d":true,"e":null,"f":-0.5 } `, `{"a":"\u00e4\n\ud83d\ude00ü\ud800"}`, `{"a":"\"\\\/\b\f\n\r\tü"}`, `{"a":"\"`, `{"a":"\x"}`, "{\"a\":\"\\\n\"}", "{\"a\":\"\xff\"}", `{"a":01}`, `{"a":"b",}`,
		`{"a":"b"}x`, `{"a":{"b":1}}`, `{"a":tru}`, `{"a" "b"}`, `{"":""}`, "{\"a\":\"\x01\"}", `{"a":"b\"}`, `{"a":1"b":2}`, `{"a":"\q"}`, `["a"]`, ``, `{"a":"` + "\x7f" + `"}`, `{"a":"\ud800\u0041"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text) // as Parse does
		got := map[string]string{}
		faults, ok := readObject(string(text), func(name, value string) { got[name] = value })
		var want map[string]any
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if !json.Valid(text) || dec.Decode(&want) != nil || want == nil {
			require.False(t, ok)
			require.Len(t, faults, 1)
			return
		}
		require.True(t, ok)
		nested := 0
		for name, value := range want {
			switch v := value.(type) {
			case string:
				require.Equal(t, v, got[name])
			case json.Number:
				require.Equal(t, v.String(), got[name])
			case nil:
				require.Empty(t, got[name])
			case bool:
				require.Equal(t, v, got[name] == "true")
			default:
				nested++
				continue
			}
			require.Contains(t, got, name)
		}
		require.GreaterOrEqual(t, len(faults), nested)
	})
}

// Deep nesting is refused, as encoding/json does, without a stack as deep.
func TestDeeplyNestedPayloadsAreRefused(t *testing.T) {
	for _, body := range []string{strings.Repeat("[", 1<<20), `{"a":` + strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19) + `}`} {
		_, faults := Parse([]byte(body))
		require.Len(t, faults, 1)
		require.Contains(t, faults[0].What, "exceeded max depth")
	}
}
