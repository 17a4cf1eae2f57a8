package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The relay's action, the API's record of it and Zabbix's message about it are one update under the person's name, in any
// order and repetition, whatever the database did to the text.
func TestMarkIdentifiesAction(t *testing.T) {
	const said = "Alice <alice@example.com> (Webex #abcd2345): done 👍\nall fine"
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	key := Key{Source: "main", EventID: "4711"}
	acked := Actions{Ack: true, Comment: true}
	skews := []time.Duration{0, 10 * time.Minute, -3 * time.Hour} // of Zabbix's clock
	for name, stored := range map[string]string{
		"as it is":      said,
		"?":             strings.ReplaceAll(said, "👍", "?"),
		"????":          strings.ReplaceAll(said, "👍", "????"),
		"cut":           said[:strings.Index(said, "👍")],
		"cut shorter":   said[:strings.Index(said, "done")],
		"CRLF":          strings.ReplaceAll(said, "\n", "\r\n"),
		"one line":      strings.ReplaceAll(said, "\n", " "),
		"without it":    strings.ReplaceAll(said, "👍", ""),
		"with spaces":   "  " + said + " \n",
		"U+FFFD":        strings.ReplaceAll(said, "👍", "\uFFFD"),
		"only the mark": "Alice <alice@example.com> (Webex #abcd2345)",
	} {
		for _, skew := range skews {
			did := Event{Key: key, Kind: KindAction, ReceivedAt: at, Update: &Update{At: at, Actor: Actor{Name: "Alice", Email: "alice@example.com"}, Actions: acked, Message: said, Comment: "done 👍\nall fine"}}
			asked := Event{Key: key, Kind: KindObservation, ReceivedAt: at.Add(2 * time.Second), Observation: &Observation{At: at.Add(2 * time.Second), Name: "x", Opened: at.Add(-time.Hour), Acknowledged: true,
				Updates: []Update{{AckID: "17", At: at.Add(time.Second + skew), Exact: true, Actor: Actor{Name: "relay"}, Actions: acked, Message: stored}}}}
			echoed := Event{Key: key, Kind: KindUpdate, Origin: OriginTrigger, ReceivedAt: at.Add(3 * time.Second), SentAt: at.Add(3*time.Second + skew), At: at.Add(time.Second + skew),
				Update: &Update{At: at.Add(time.Second + skew), Actor: Actor{Name: "relay"}, Actions: acked, Message: strings.ReplaceAll(stored, "\r\n", "\n")}}
			for _, order := range [][]Event{
				{did, asked, echoed}, {asked, did, echoed}, {echoed, asked, did}, {echoed, did, asked}, {did, echoed, asked}, {asked, echoed, did},
				{did, asked, did, echoed, did, asked, echoed}, {did, echoed, did}, {did, asked, did}, {echoed, did, echoed, did},
			} {
				var p Problem
				for _, e := range order {
					p, _ = Apply(p, e)
				}
				var updates []Entry
				for _, e := range p.Timeline {
					if e.Kind == EntryUpdate {
						updates = append(updates, e)
					}
				}
				require.Len(t, updates, 1, "%s, Zabbix's clock %v off", name, skew)
				require.Equal(t, Actor{Name: "Alice", Email: "alice@example.com"}, updates[0].Update.Actor)
				require.Equal(t, "done 👍\nall fine", updates[0].Update.Comment)
			}
		}
	}
}

// Two actions are two updates, and a comment with a forged mark joins neither.
func TestForgedMarks(t *testing.T) {
	const said = "Alice <alice@example.com> (Webex #abcd2345): on it"
	for name, other := range map[string]string{
		"another act with the same words": "Alice <alice@example.com> (Webex #bbbb2345): on it",
		"a mark in the words":             "Bob <bob@example.com> (Webex #bbbb2345): <x> (Webex #abcd2345): on it",
		"a mark in a name":                "Eve (Webex #abcd2345): <eve@example.com> (Webex #bbbb2345): on it",
		"the words alone":                 "on it",
		"a mark without an address":       "(Webex #abcd2345): on it",
		"a mark of their own user":        "(via Webex #abcd2345): on it",
		"an empty mark":                   "Alice <alice@example.com> (Webex #): on it",
	} {
		require.False(t, SameMessage(said, other), name)
	}
	require.False(t, SameMessage("(via Webex #abcd2345): on it", "x (via Webex #abcd2345): on it"))
	require.False(t, SameMessage("(via Webex #abcd2345): on it", "(via Webex #bbbb2345): on it"))
	for _, pair := range [][2]string{{"(via Webex #abcd2345): on 👍 it", "(via Webex #abcd2345): on "}, {"a  b", "a b"}, {"a\r\nb", "a\nb"}, {" a", "a"}, {"", " \n"}, {"a\tb", "a b"}} {
		require.True(t, SameMessage(pair[0], pair[1]), "%q", pair)
	}
	require.False(t, SameMessage("ab", "a b"))
}
