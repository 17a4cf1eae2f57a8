package zabbix

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// The quick way of reading a payload reads what the general one does: it takes
// nothing that isn't JSON and changes no value.
func FuzzFlatReadsAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : "b" , "c":1e5,"d":true,"e":null,"f":-0.5 } `, `{"a":"\u00e4\n\ud83d\ude00ü\ud800"}`, `{"a":"\"\\\/\b\f\n\r\tü"}`, `{"a":"\"`, `{"a":"\x"}`, "{\"a\":\"\\\n\"}", "{\"a\":\"\xff\"}", `{"a":01}`, `{"a":"b",}`,
		`{"a":"b"}x`, `{"a":{"b":1}}`, `{"a":tru}`, `{"a" "b"}`, `{"":""}`, "{\"a\":\"\x01\"}", `{"a":"b\"}`, `{"a":1"b":2}`, `{"a":"\q"}`, `["a"]`, ``, `{"a":"` + "\x7f" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text) // as Parse does
		last := map[string]string{}
		if !flat(string(text), func(name, value string) { last[name] = value }) {
			_, faults := general(text)
			require.NotEmpty(t, faults, "what the quick way leaves has something wrong with it")
			return
		}
		slow, faults := general(text)
		require.Empty(t, faults)
		require.NotNil(t, slow)
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

// The quick way of reading a date and a time of day reads what time.Parse does.
func FuzzPlainWallReadsAsTimeParse(f *testing.F) {
	for _, seed := range [][2]string{
		{"2026.11.24", "13:30:00"}, {"2026.02.28", "00:00:00"}, {"2026.02.29", "23:59:59"}, {"2024.02.29", "12:00:00"}, {"2026.04.31", "12:00:00"}, {"2026.12.31", "12:00:00"},
		{"0000.01.01", "12:00:00"}, {"2026.00.01", "12:00:00"}, {"2026.13.01", "12:00:00"}, {"2026.01.00", "12:00:00"}, {"2026.01.01", "24:00:00"}, {"2026.01.01", "12:60:00"},
		{"2026.01.01", "12:00:60"}, {"2026.1.1", "1:00:00"}, {"2026-01-01", "12:00:00"}, {"2026.01.01", "12.00:00"}, {"2o26.01.01", "12:00:00"}, {"2026.01.01", "1/:00:00"}, {"", ""},
		{"2026.03.29", "02:30:00"}, {"2026.10.25", "02:30:00"},
	} {
		f.Add(seed[0], seed[1])
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, date, clock string) {
		want, err := time.ParseInLocation("2006.01.02 15:04:05", date+" "+clock, berlin)
		if got, ok := parsePlainWall(date, clock, berlin); ok {
			require.NoError(t, err)
			require.Equal(t, want.UTC(), got)
		}
	})
}
