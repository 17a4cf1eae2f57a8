package zabbix

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// The quick way of reading a payload reads what the general one does: it takes
// nothing that isn't JSON and changes no value.
func FuzzFlatReadsAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : "b" , "c":1e5,"d":true,"e":null,"f":-0.5 } `, `{"a":"\u00e4\n\ud83d\ude00ü\ud800"}`, "{\"a\":\"\xff\"}", `{"a":01}`, `{"a":"b",}`,
		`{"a":"b"}x`, `{"a":{"b":1}}`, `{"a":tru}`, `{"a" "b"}`, `{"":""}`, "{\"a\":\"\x01\"}", `{"a":"b\"}`, `{"a":1"b":2}`, `{"a":"\q"}`, `["a"]`, ``, `{"a":"` + "\x7f" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text) // as Parse does
		quick, ok := flat(string(text))
		if !ok {
			_, faults := general(text)
			require.NotEmpty(t, faults, "what the quick way leaves has something wrong with it")
			return
		}
		slow, faults := general(text)
		require.Empty(t, faults)
		require.NotNil(t, slow)
		last := map[string]string{}
		for _, p := range quick {
			last[p.name] = p.value
		}
		want := map[string]string{}
		for _, p := range slow {
			want[p.name] = p.value
		}
		require.Equal(t, want, last, "%v", slices.Sorted(maps.Keys(last)))
	})
}

// So does the quick way of reading tags.
func FuzzFlatTagsReadsAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"tag":"a","value":"b"}]`, ` [ {"tag" : "a", "value":""} , {"tag":"","value":""}, {"tag":"\u00e4","value":"ü"} ] `, `[{"tag":"a"}]`, `[{"value":"a","tag":"b"}]`,
		`[{"TAG":"a","value":"b"}]`, `[{"tag":"a","value":"b"},]`, `[,{"tag":"a","value":"b"}]`, `[{"tag":1,"value":"b"}]`, `[{"tag":"a","value":"b"`, `null`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quick, ok := flatTags(text)
		if !ok {
			return
		}
		var slow []alert.Tag
		require.NoError(t, json.Unmarshal([]byte(text), &slow))
		slow = slices.DeleteFunc(slow, func(t alert.Tag) bool { return t == alert.Tag{} })
		require.Len(t, quick, len(slow))
		for i := range slow {
			require.Equal(t, slow[i], quick[i])
		}
	})
}
