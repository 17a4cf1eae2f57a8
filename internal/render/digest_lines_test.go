package render_test

import (
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
