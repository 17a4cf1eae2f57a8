package render_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

// A digest's thread has each text and each kind of nudge once, with the problems that it is about.
func TestDigestLines(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	line := func(n int, words string) render.DigestLine {
		return render.DigestLine{N: n, Item: stormItem(n, "Link down", alert.High, true), Words: words}
	}
	nudge := func(mention ...string) render.DigestLine {
		return render.DigestLine{Nudge: alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Mention: mention, After: 5 * time.Minute, At: stormAt}}
	}
	strange := line(1, "💬 **Alice** commented: hm")
	strange.Item.Hosts = []alert.Host{{Host: "> sw <@all> [x](http://evil)"}}
	var many []render.DigestLine
	for n := range 300 {
		many = append(many, line(n, "💬 **Script** commented: planned"))
	}
	for name, c := range map[string]struct {
		lines []render.DigestLine
		want  string
	}{
		"one":                {[]render.DigestLine{line(1, "💬 **Alice** commented: hm")}, "About sw0001 (4701)  \n💬 **Alice** commented: hm"},
		"the same about two": {[]render.DigestLine{line(1, "hm"), line(2, "oh"), line(3, "hm")}, "About sw0001 (4701), sw0003 (4703)  \nhm\n\nAbout sw0002 (4702)  \noh"},
		"with nudges":        {[]render.DigestLine{nudge(), line(1, "hm"), nudge()}, "⏫ 2 problems open, and nobody acknowledged them for 5m\n\nAbout sw0001 (4701)  \nhm"},
		"a mention":          {[]render.DigestLine{line(1, "> hm"), nudge("all")}, "About sw0001 (4701)  \n> hm\n\n⏫ 1 problem open, and nobody acknowledged it for 5m <@all>"},
		"for other people": {[]render.DigestLine{nudge("dba@example.com"), nudge("net@example.com"), nudge(), nudge("dba@example.com"), nudge("all", "net@example.com")},
			"⏫ 2 problems open, and nobody acknowledged them for 5m <@personEmail:dba@example.com>  \n⏫ 1 problem open, and nobody acknowledged it for 5m <@personEmail:net@example.com>  \n" +
				"⏫ 1 problem open, and nobody acknowledged it for 5m  \n⏫ 1 problem open, and nobody acknowledged it for 5m <@all> <@personEmail:net@example.com>"},
		"a strange host": {[]render.DigestLine{strange}, "About &gt; sw &lt;&#64;all&gt; \\[x\\]\\(http:\u200b//evil\\) (4701)  \n💬 **Alice** commented: hm"},
		"300 problems": {many, "About sw0000 (4700), sw0001 (4701), sw0002 (4702), sw0003 (4703), sw0004 (4704), sw0005 (4705), sw0006 (4706), sw0007 (4707), " +
			"sw0008 (4708), sw0009 (4709), … and 290 more  \n💬 **Script** commented: planned"},
	} {
		markdown, included := r.DigestLines(c.lines, room)
		require.Equal(t, c.want, markdown, name)
		require.Equal(t, len(c.lines), included, name)
	}
}

// A message that asks who is still on problems has a button for all of them: it names the digest and when they were asked. Nobody is
// mentioned in a card, which would show it literally.
func TestAnswerCard(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	asked := func(n int, at time.Time) render.DigestLine {
		item := stormItem(n, "Link down", alert.High, true)
		item.Hosts = []alert.Host{{Host: "<@all> [x](http://evil)"}}
		return render.DigestLine{N: n, Item: item, Nudge: alert.Nudge{Kind: alert.EntryAsked, Room: "noc", Mention: []string{"alice@example.com"}, After: 2 * time.Hour, At: at}}
	}
	words := render.DigestLine{N: 9, Item: stormItem(9, "Link down", alert.High, true), Words: "💬 **Alice** commented: hm"}
	require.Nil(t, r.AnswerCard([]render.DigestLine{words}, "DIGEST", room))
	for name, c := range map[string]struct {
		lines    []render.DigestLine
		title    string
		from, to time.Time
	}{
		"one":     {[]render.DigestLine{words, asked(1, stormAt)}, "Yes, still on it", stormAt, stormAt},
		"several": {[]render.DigestLine{asked(1, stormAt.Add(time.Second)), words, asked(2, stormAt), asked(3, stormAt.Add(time.Minute))}, "Yes, still on all 3", stormAt, stormAt.Add(time.Minute)},
	} {
		raw, err := json.Marshal(r.AnswerCard(c.lines, "DIGEST", room))
		require.NoError(t, err)
		var card struct {
			Actions []struct {
				Title string
				Data  map[string]any
			}
		}
		require.NoError(t, json.Unmarshal(raw, &card))
		require.Len(t, card.Actions, 1, name)
		require.Equal(t, c.title, card.Actions[0].Title, name)
		require.Equal(t, map[string]any{"relay": 1., "action": "still_on", "key": "DIGEST", "value": alert.Asking{From: c.from, To: c.to}.String()}, card.Actions[0].Data, name)
		require.NotContains(t, string(raw), "alice@example.com", "a mention")
		require.NotContains(t, string(raw), "personEmail")
		require.Contains(t, string(raw), "commented: hm", "the whole message")
		read, ok := alert.ParseAsking(card.Actions[0].Data["value"].(string))
		require.True(t, ok)
		require.True(t, read.From.Equal(c.from) && read.To.Equal(c.to), name)
		markdown, _ := r.DigestLines(c.lines, room)
		require.Contains(t, markdown, "press the button or say “ack” with the event id within 15m <@personEmail:alice@example.com>")
		require.Contains(t, markdown, "&lt;&#64;all&gt;", "the problems that it asks about")
		require.NotContains(t, markdown, "<@all>")
	}
}

// What doesn't fit is left for the next reply. One line is always included.
func TestDigestLinesThatDoNotFit(t *testing.T) {
	r := newRenderer(t)
	var lines []render.DigestLine
	for n := range 40 {
		lines = append(lines, render.DigestLine{N: n, Item: stormItem(n, "Link down", alert.High, true), Words: fmt.Sprint(n, strings.Repeat(" word", 100))})
	}
	markdown, included := r.DigestLines(lines, render.Room{})
	require.Equal(t, 10, included)
	require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
	require.Contains(t, markdown, lines[9].Words)

	lines[0].Words = strings.Repeat("word ", 2000)
	markdown, included = r.DigestLines(lines, render.Room{})
	require.Equal(t, 1, included)
	require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
}
