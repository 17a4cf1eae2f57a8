package command

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

var alice = Person{ID: "PERSON-alice", Name: "Alice Example", Email: "alice@example.com"}

// A message names the person first, whatever their name and words are, and has the mark where neither a
// database nor a person can change it.
func TestSign(t *testing.T) {
	for name, c := range map[string]struct {
		words         string
		person        Person
		message, kept string
	}{
		"words":             {"on it", alice, "Alice Example <alice@example.com> (Webex #abcd2345): on it", "on it"},
		"none":              {"", alice, "Alice Example <alice@example.com> (Webex #abcd2345)", ""},
		"two lines":         {"two\r\nlines\x00\x1b[2J", alice, "Alice Example <alice@example.com> (Webex #abcd2345): two\nlines[2J", "two\nlines[2J"},
		"a name of tricks":  {"x", Person{Name: "Eve\n<bob@example.com> (Webex #bbbb2222): \u202e", Email: "eve@example.com"}, "Eve bob@example.com (Webex #bbbb2222): <eve@example.com> (Webex #abcd2345): x", "x"},
		"no name":           {"x", Person{Email: "eve@example.com"}, "<eve@example.com> (Webex #abcd2345): x", "x"},
		"a name of emoji":   {"x 👍", Person{Name: "🚀🚀", Email: "eve@example.com"}, "<eve@example.com> (Webex #abcd2345): x 👍", "x 👍"},
		"emoji in the name": {"x", Person{Name: "Alice 🧑\u200d🚒 of 🚀 NOC", Email: "a@example.com"}, "Alice of NOC <a@example.com> (Webex #abcd2345): x", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			message, kept := sign(c.words, c.person, "abcd2345")
			require.Equal(t, c.message, message)
			require.Equal(t, c.kept, kept)
			require.True(t, alert.SameMessage(message, "<x@example.com> (Webex #abcd2345)"), "the mark is found")
			require.False(t, alert.SameMessage(message, "<x@example.com> (Webex #bbbb2222)"), "and no other")
		})
	}
	const signature = "Alice Example <alice@example.com> (Webex #abcd2345): "
	for _, n := range []int{1, 1900, 1980, 1994, 1995, 1996, 2048, 5000} {
		message, kept := sign(strings.Repeat("ä", n), alice, "abcd2345")
		require.LessOrEqual(t, utf8.RuneCountInString(message), zabbix.MaxMessage)
		require.Equal(t, signature+kept, message)
		if most := zabbix.MaxMessage - len(signature); n <= most {
			require.Equal(t, strings.Repeat("ä", n), kept)
		} else {
			require.True(t, strings.HasSuffix(kept, "ä … (cut by the relay)"), n)
		}
	}
	message, _ := sign(strings.Repeat("w", 5000), Person{Name: strings.Repeat("n", 500), Email: strings.Repeat("e", 500)}, "abcd2345")
	require.LessOrEqual(t, utf8.RuneCountInString(message), zabbix.MaxMessage)
	require.True(t, alert.SameMessage(message, "<x@example.com> (Webex #abcd2345)"))
}

// Each command has its own, stable mark.
func TestMarks(t *testing.T) {
	require.Equal(t, markOf("M1"), markOf("M1"))
	require.NotEqual(t, markOf("M1"), markOf("M2"))
	require.Regexp(t, "^[a-z2-7]{8}$", markOf("M1"))
}

// An act is recognised even if the database changed its text.
func TestJudgeChangedTexts(t *testing.T) {
	long := strings.Repeat("long words ", 200)
	message, _ := sign("done 👍 all fine\n"+long, Person{Name: "Alice 🚀", Email: "alice@example.com"}, "abcd2345")
	for name, stored := range map[string]string{
		"as it is":               message,
		"?":                      strings.ReplaceAll(message, "👍", "?"),
		"??":                     strings.ReplaceAll(message, "👍", "??"),
		"????":                   strings.ReplaceAll(message, "👍", "????"),
		"a replacement":          strings.ReplaceAll(message, "👍", "\uFFFD"),
		"left out":               strings.ReplaceAll(message, "👍", ""),
		"cut there":              message[:strings.Index(message, "👍")],
		"cut at 255":             string([]rune(message)[:255]),
		"cut at 2048":            string([]rune(message)[:min(2048, len([]rune(message)))]),
		"CRLF":                   strings.ReplaceAll(message, "\n", "\r\n"),
		"spaces folded":          strings.Join(strings.Fields(message), " "),
		"surrounded by spaces":   " \n" + message + "\n",
		"without the words":      message[:strings.Index(message, ")")+1],
		"letters of two bytes":   strings.ReplaceAll(message, "all", "?ll"),
		"sent without the emoji": withoutFourByte(message),
	} {
		a := attempt{Message: message}
		require.Equal(t, happened, judge(a, Request{Verb: Comment}, alert.Observation{Updates: []alert.Update{{AckID: "8", Message: stored}}}), name)
	}
	for name, stored := range map[string]string{
		"another command":           strings.ReplaceAll(message, "abcd2345", "abcd2346"),
		"a copy behind a signature": "Bob <bob@example.com> (Webex #bbbb2222): " + message,
		"only the words":            "done 👍 all fine",
		"nothing":                   "",
	} {
		a := attempt{Message: message}
		require.Equal(t, absent, judge(a, Request{Verb: Comment}, alert.Observation{Updates: []alert.Update{{AckID: "8", Message: stored}}}), name)
	}
}

// Zabbix's record decides whether an act was executed.
func TestJudge(t *testing.T) {
	mine := "Alice Example <alice@example.com> (Webex #abcd2345): on it\ntwo"
	a := attempt{Message: mine}
	update := func(id, message string) alert.Update { return alert.Update{AckID: id, Message: message} }
	high := alert.High
	for _, c := range []struct {
		why  string
		verb Verb
		o    alert.Observation
		want verdict
	}{
		{"nothing on record", Ack, alert.Observation{}, absent},
		{"acknowledged by somebody else", Ack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("8", "on it")}}, absent},
		{"ours", Ack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("8", mine)}}, happened},
		{"ours, as Zabbix trimmed it", Ack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("8", strings.ReplaceAll(mine, "\n", "\r\n")+"\n")}}, happened},
		{"the same words by an earlier command", Ack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("7", strings.ReplaceAll(mine, "#abcd", "#bbbb"))}}, absent},
		{"ours, undone since", Ack, alert.Observation{Updates: []alert.Update{update("8", mine)}}, contradicted},
		{"unack", Unack, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"unack, acknowledged again since", Unack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("8", mine)}}, contradicted},
		{"a comment needs no more", Comment, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"closing is done later", Close, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"severity", Severity, alert.Observation{Severity: alert.High, Updates: []alert.Update{update("8", mine)}}, happened},
		{"severity, changed since", Severity, alert.Observation{Severity: alert.Average, Updates: []alert.Update{update("8", mine)}}, contradicted},
		{"gone", Ack, alert.Observation{Gone: true, Updates: []alert.Update{update("8", mine)}}, gone},
	} {
		require.Equal(t, c.want, judge(a, Request{Verb: c.verb, Severity: &high}, c.o), c.why)
	}
}
