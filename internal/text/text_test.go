package text_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// dangerous has at least one example of each kind.
var dangerous = map[string]rune{
	"NUL": 0x00, "bell": 0x07, "backspace": 0x08, "escape": 0x1B, "delete": 0x7F, "C1 control": 0x9B,
	"soft hyphen": 0xAD, "Arabic letter mark": 0x61C, "Mongolian vowel separator": 0x180E,
	"zero-width space": 0x200B, "left-to-right mark": 0x200E, "right-to-left mark": 0x200F,
	"line separator": 0x2028, "paragraph separator": 0x2029,
	"left-to-right embedding": 0x202A, "right-to-left embedding": 0x202B, "pop directional": 0x202C, "left-to-right override": 0x202D, "right-to-left override": 0x202E,
	"word joiner": 0x2060, "invisible times": 0x2062, "left-to-right isolate": 0x2066, "right-to-left isolate": 0x2067, "first strong isolate": 0x2068, "pop isolate": 0x2069,
	"inhibit symmetric swapping": 0x206A, "nominal digit shapes": 0x206F,
	"combining grapheme joiner": 0x34F, "Hangul filler": 0x3164, "halfwidth Hangul filler": 0xFFA0, "Khmer inherent vowel": 0x17B4, "Braille blank": 0x2800,
	"byte order mark": 0xFEFF, "annotation anchor": 0xFFF9, "annotation separator": 0xFFFA, "annotation terminator": 0xFFFB, "object replacement": 0xFFFC,
	"private use": 0xE000, "private use plane": 0x10FFFD, "musical begin beam": 0x1D173,
	"language tag": 0xE0001, "tag letter": 0xE0041, "cancel tag": 0xE007F,
	"noncharacter FFFE": 0xFFFE, "noncharacter FDD0": 0xFDD0, "noncharacter 1FFFF": 0x1FFFF,
}

// entryPoints returns the ways in which untrusted text leaves the program.
func entryPoints(t *testing.T) map[string]func(string) string {
	r, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	problem := func(s string) alert.Problem {
		return alert.Problem{
			Key: alert.Key{Source: "main", EventID: "4711"}, Severity: alert.High, State: alert.StateOpen, OpenedAt: now,
			Facts: alert.Facts{Name: s, OpData: s, Hosts: []alert.Host{{Host: s, Name: s + "x"}}, Tags: []alert.Tag{{Tag: s, Value: s}}},
		}
	}
	return map[string]func(string) string{
		"text.Line":            text.Line,
		"text.Block":           text.Block,
		"text.Quoted":          func(s string) string { return text.Quoted(s, 60) },
		"webex.EscapeMarkdown": webex.EscapeMarkdown,
		"webex.EscapeCode":     webex.EscapeCode,
		"webex.Mention":        func(s string) string { return webex.Mention("alice@example.com", s) },
		"an error of Webex": func(s string) string {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Trackingid", "ROUTER_1")
				w.WriteHeader(http.StatusBadRequest)
				_ = json.NewEncoder(w).Encode(map[string]string{"message": s})
			}))
			defer server.Close()
			client := webex.New(webex.Options{BaseURL: server.URL, Token: "token"})
			_, err := client.Me(t.Context())
			require.Error(t, err)
			return err.Error()
		},
		"a comment": func(s string) string {
			req, fault := command.Names{}.Parse("comment 4711 x" + s + "x")
			require.Nil(t, fault)
			return req.Text
		},
		"a misspelt command": func(s string) string {
			_, fault := command.Names{}.Parse("zzzz" + s + "zzzz")
			if fault == nil {
				return ""
			}
			return fault.Error()
		},
		"a problem's message": func(s string) string { return r.Root(problem(s), render.Room{Presentation: config.PresentThread}, now) },
		"a digest's file": func(s string) string {
			return string(r.DigestFile(render.Digest{Items: []render.DigestItem{r.DigestItem(problem(s), render.Room{})}}, render.Room{Name: s}, now))
		},
	}
}

func TestDangerousCharactersAreRemoved(t *testing.T) {
	for place, pass := range entryPoints(t) {
		for name, r := range dangerous {
			require.True(t, text.Dangerous(r), name)
			in := "ab" + string(r) + "cd"
			out := pass(in)
			require.NotContains(t, out, string(r), "%s: %s (%U)", place, name, r)
			require.True(t, utf8.ValidString(out))
		}
		require.True(t, utf8.ValidString(pass("a\xffb\xc0\x80c")), place)
	}
}

// Persian, Indic scripts and emoji need joiners, Arabic needs number signs.
func TestCharactersThatScriptsNeedStay(t *testing.T) {
	for _, word := range []string{"می\u200Cخواهم", "क्\u200Dष", "👩\u200D💻", "☎\uFE0F", "e\u0301", "ß", "日本語", "\u0600\u0661", "👍🏽", "🇩🇪"} {
		for place, pass := range entryPoints(t) {
			if place != "text.Quoted" { // shows them as escapes
				require.Contains(t, pass("ab"+word+"cd"), word, place)
			}
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "  ": "", "a": "a", " a  b ": "a b", "a\tb": "a b", "a\u00A0b\u2003c": "a b c", "a\r\n\r\nb": "a b",
		"a\x00b": "ab", "a\u202Eb": "ab", "a\u2028b": "a b", "a\xffb": "a\uFFFDb", "\ufeffa": "a",
		"a" + strings.Repeat("\u0301", 9): "a" + strings.Repeat("\u0301", 4),
	} {
		require.Equal(t, want, text.Line(in), "%q", in)
	}
	require.Equal(t, "a ⏎ b", text.LineWith(" a \r\n b\n", " ⏎ "))
}

func TestBlock(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " a ": "a", "a  b": "a  b", "a\tb": "a b", "a\r\nb\rc\u2028d\ve": "a\nb\nc\nd\ne", "\n\na\n\nb\n": "a\n\nb", "a\x1b[31mb": "a[31mb",
	} {
		require.Equal(t, want, text.Block(in), "%q", in)
	}
}

func TestVisible(t *testing.T) {
	for _, s := range []string{"", " \n", "\u200b", "\u200c\u200d", "\u202e\x07", "\u3164", "\u2800", "\u0301"} {
		require.False(t, text.Visible(s), "%q", s)
	}
	for _, s := range []string{"a", " . ", "\u202ea", "日"} {
		require.True(t, text.Visible(s), "%q", s)
	}
}

func TestCutSplitsNoCharacter(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 5, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, ""}, {"磁盘满", 2, "磁盘"},
		{"ae\u0301b", 2, "a"}, {"ae\u0301b", 3, "ae\u0301"}, // a letter and its accent
		{"a👩\u200D💻b", 2, "a"}, {"a👩\u200D💻b", 3, "a"}, {"a👩\u200D💻b", 4, "a👩\u200D💻"}, // joined emoji
		{"a👍🏽b", 2, "a"}, {"☎\uFE0Fb", 1, ""}, // skin tone, emoji form
		{"🇩🇪🇫🇷", 1, ""}, {"🇩🇪🇫🇷", 2, "🇩🇪"}, {"🇩🇪🇫🇷", 3, "🇩🇪"}, {"🇩🇪🇫🇷", 4, "🇩🇪🇫🇷"}, // flags
	} {
		require.Equal(t, c.want, text.Cut(c.in, c.n), "%q to %d", c.in, c.n)
		if c.n > 0 {
			require.Equal(t, c.want, text.CutBytes(c.in, len(string([]rune(c.in)[:min(c.n, len([]rune(c.in)))]))), "%q to %d", c.in, c.n)
		}
	}
	require.Equal(t, "é", text.CutBytes("éé", 3))
	require.Len(t, text.Cut("a"+strings.Repeat("\u0301", 1000), 500), 999, "one endless character is cut all the same")
	require.Equal(t, "ab…", text.Shorten("abcd", 3))
	require.Equal(t, "a…", text.Shorten("a  bcd", 4), "no space before the mark")
	require.Equal(t, "…", text.Shorten("abc", 1))
	require.Equal(t, "a…", text.ShortenBytes("abcde", 4))
	require.Equal(t, "abcd", text.ShortenBytes("abcd", 4))
}

func FuzzCut(f *testing.F) {
	f.Add("a👩\u200D💻🇩🇪e\u0301", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(max(n, 1), 100)
		require.LessOrEqual(t, utf8.RuneCountInString(text.Cut(s, n)), n)
		require.LessOrEqual(t, utf8.RuneCountInString(text.Shorten(s, n)), n)
		require.LessOrEqual(t, len(text.CutBytes(s, n)), n)
		require.True(t, strings.HasPrefix(s, text.CutBytes(s, n)))
		line := text.Line(s)
		require.Equal(t, line, text.Line(line), "cleaning twice changes nothing")
		block := text.Block(s)
		require.Equal(t, block, text.Block(block), "cleaning twice changes nothing")
		for _, r := range line + strings.ReplaceAll(block, "\n", "") {
			require.False(t, text.Dangerous(r) || unicode.IsSpace(r) && r != ' ', "%U", r)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"serve", "severity", "acknowledge", "ack", "unack", "warn", "high", "default_rooms", "id"}
	for word, want := range map[string]string{
		"sevre": "serve", "akc": "ack", "Serve": "serve", "hgih": "high", "defaul_rooms": "default_rooms", "default_romm": "default_rooms",
		"acknolwedg": "acknowledge", "warning": "warn", "high-availability": "", "ack": "", "xyz": "", "": "", "bulk": "",
		strings.Repeat("a", 1<<20): "",
	} {
		require.Equal(t, want, text.Nearest(word, names), "%.40q", word)
	}
	require.Equal(t, "did you mean serve?", text.DidYouMean("sevre", names))
	require.Empty(t, text.DidYouMean("zzz", names))
	require.Equal(t, text.Nearest("noc", []string{"nob", "nod"}), text.Nearest("noc", []string{"nod", "nob"}), "the order doesn't matter")
}

func TestLists(t *testing.T) {
	require.Equal(t, "", text.Or(nil))
	require.Equal(t, "a", text.Or([]string{"a"}))
	require.Equal(t, "a, b or c", text.Or([]string{"a", "b", "c"}))
	require.Equal(t, "a, b and 2 more", text.Some([]string{"a", "b", "c", "d"}, 2))
	require.Equal(t, "db1", text.Quoted("db1", 10))
	require.Equal(t, `"a\u202eb"`, text.Quoted("a\u202eb", 10))
	require.Equal(t, `""`, text.Quoted("", 10))
}

// Blank characters separate or hide words; visible characters are not blank.
func TestBlank(t *testing.T) {
	for _, r := range " \t\n\u00a0\u2009\u3000\u200b\u200c\u200d\u200e\u2060\ufeff\u00ad\u2028\u3164\u2800\x00" {
		require.True(t, text.Blank(r), "%U", r)
	}
	for _, r := range "aé7.,-日\u0301\ufffd👩" {
		require.False(t, text.Blank(r), "%U", r)
	}
}
