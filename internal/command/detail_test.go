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

// What Zabbix keeps names the person, whatever they are called and wrote.
func TestSign(t *testing.T) {
	message, kept := sign("on it", alice)
	require.Equal(t, "on it\n— Alice Example <alice@example.com> (Webex)", message)
	require.Equal(t, "on it", kept)

	message, kept = sign("", alice)
	require.Equal(t, "— Alice Example <alice@example.com> (Webex)", message)
	require.Empty(t, kept)

	message, _ = sign("two\r\nlines\x00\x1b[2J", Person{Name: "Eve\n— Bob <bob@example.com>\u202e", Email: "eve@example.com"})
	require.Equal(t, "two\nlines[2J\n— Eve — Bob bob@example.com <eve@example.com> (Webex)", message)

	message, _ = sign("x", Person{Email: "eve@example.com"})
	require.Equal(t, "x\n— <eve@example.com> (Webex)", message)

	for _, n := range []int{1, 1900, 2000, 2004, 2005, 2006, 2048, 5000} {
		message, kept = sign(strings.Repeat("ä", n), alice)
		require.LessOrEqual(t, utf8.RuneCountInString(message), zabbix.MaxMessage)
		require.True(t, strings.HasSuffix(message, "\n— Alice Example <alice@example.com> (Webex)"))
		require.Equal(t, kept, strings.TrimSuffix(message, "\n— Alice Example <alice@example.com> (Webex)"))
		if n <= 2000 {
			require.Equal(t, strings.Repeat("ä", n), kept)
		} else if n >= 2006 {
			require.True(t, strings.HasSuffix(kept, "ä … (cut by the relay)"), n)
		}
	}
	message, _ = sign(strings.Repeat("w", 5000), Person{Name: strings.Repeat("n", 500), Email: strings.Repeat("e", 500)})
	require.Equal(t, zabbix.MaxMessage, utf8.RuneCountInString(message))
	require.True(t, strings.HasSuffix(message, "> (Webex)"))
}

// Whether something was done is read from Zabbix's own record, and only from
// what wasn't there before.
func TestJudge(t *testing.T) {
	mine := "on it\n— Alice Example <alice@example.com> (Webex)"
	a := attempt{Message: mine, Seen: []string{"7"}}
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
		{"the same words, from earlier", Ack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("7", mine)}}, absent},
		{"ours, undone since", Ack, alert.Observation{Updates: []alert.Update{update("8", mine)}}, unclear},
		{"unack", Unack, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"unack, acknowledged again since", Unack, alert.Observation{Acknowledged: true, Updates: []alert.Update{update("8", mine)}}, unclear},
		{"a comment needs no more", Comment, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"closing is done later", Close, alert.Observation{Updates: []alert.Update{update("8", mine)}}, happened},
		{"severity", Severity, alert.Observation{Severity: alert.High, Updates: []alert.Update{update("8", mine)}}, happened},
		{"severity, changed since", Severity, alert.Observation{Severity: alert.Average, Updates: []alert.Update{update("8", mine)}}, unclear},
		{"gone", Ack, alert.Observation{Gone: true, Updates: []alert.Update{update("8", mine)}}, gone},
	} {
		require.Equal(t, c.want, judge(a, Request{Verb: c.verb, Severity: &high}, c.o), c.why)
	}
}

// The acknowledgement ids known before are those with the same message.
func TestSeenBefore(t *testing.T) {
	p := alert.Problem{Timeline: []alert.Entry{
		{Kind: alert.EntryOpened},
		{Kind: alert.EntryUpdate, Update: &alert.Update{AckID: "1", Message: "m"}},
		{Kind: alert.EntryUpdate, Update: &alert.Update{AckID: "2", Message: "other"}},
		{Kind: alert.EntryUpdate, Update: &alert.Update{Message: "m"}}, // not yet observed
	}}
	require.Equal(t, []string{"1"}, seenBefore(p, "m"))
}
