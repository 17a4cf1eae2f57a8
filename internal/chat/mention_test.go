package chat

import (
	"encoding/base64"
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

func personID(uuid string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("ciscospark://us/PEOPLE/" + uuid))
}

var relayBot = webex.Person{ID: personID("b07"), DisplayName: "Alert Relay", NickName: "Alert", Emails: []string{"relay@webex.bot"}, Type: "bot"}

func mention(id, name string) string {
	return `<spark-mention data-object-type="person" data-object-id="` + id + `">` + name + `</spark-mention>`
}

// The mention of the bot is removed and all other words stay.
func TestMentionIsRemoved(t *testing.T) {
	me, bob := relayBot.ID, personID("b0b")
	for _, c := range []struct {
		why  string
		m    webex.Message
		want string
	}{
		{"an app's html", webex.Message{HTML: "<p>" + mention(me, "Alert Relay") + " ack 4711 on it</p>", Text: "Alert Relay ack 4711 on it"}, "ack 4711 on it"},
		{"the name's first word only", webex.Message{HTML: mention(me, "Alert") + " ack 4711", Text: "Alert ack 4711"}, "ack 4711"},
		{"a bare UUID in the html", webex.Message{HTML: mention("b07", "Alert") + " ack"}, "ack"},
		{"mentioned at the end, and twice", webex.Message{HTML: mention(me, "Alert") + " ack 4711 " + mention(me, "Alert")}, "ack 4711"},
		{"a mention of somebody else", webex.Message{HTML: mention(me, "Alert") + " comment ask " + mention(bob, "Bob")}, "comment ask Bob"},
		{"a mention of everybody", webex.Message{HTML: mention(me, "Alert") + ` comment <spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention> look`}, "comment All look"},
		{"entities", webex.Message{HTML: mention(me, "Alert") + " comment a &lt; b &amp; c"}, "comment a < b & c"},
		{"lines", webex.Message{HTML: "<p>" + mention(me, "Alert") + " comment one<br/>two</p><ul><li>three</li></ul>"}, "comment one\ntwo\n\nthree"},
		{"markup", webex.Message{HTML: "<p>" + mention(me, "Alert") + " ack 4711 <strong>on</strong> <code>it</code></p>"}, "ack 4711 on it"},
		{"a script", webex.Message{HTML: mention(me, "Alert") + " ack<script>x()</script>"}, "ack"},
		{"the bot's name among the words", webex.Message{HTML: mention(me, "Alert") + " comment Alert Relay is slow"}, "comment Alert Relay is slow"},
		{"a direct chat's html without mention", webex.Message{HTML: "<p>ack 4711</p>", Text: "ack 4711"}, "ack 4711"},
		{"a quote in html", webex.Message{HTML: "<blockquote>" + mention(me, "Alert") + " close 1</blockquote>" + mention(me, "Alert") + " ack 2"}, "ack 2"},
		{"code", webex.Message{HTML: mention(me, "Alert") + " <pre><code>ack 4711 on it</code></pre>"}, "ack 4711 on it"},
		{"a list", webex.Message{HTML: "<ul><li>" + mention(me, "Alert") + " ack 4711</li></ul>"}, "ack 4711"},
		{"cells of a table", webex.Message{HTML: "<table><tr><td>" + mention(me, "Alert") + " ack</td><td>4711</td><td>4712</td></tr></table>"}, "ack\n4711\n4712"},
		{"a style that shows", webex.Message{HTML: mention(me, "Alert") + ` ack <span style="color:red">4711</span>`}, "ack 4711"},
		{"a heading", webex.Message{HTML: "<h1>" + mention(me, "Alert") + " ack 4711</h1>"}, "ack 4711"},
	} {
		require.Equal(t, c.want, read(c.m, relayBot).text, c.why)
	}
}

// Text can't fake a mention, not even with the parser's own mark.
func TestTextCannotFakeAMention(t *testing.T) {
	for _, source := range []string{
		"<p>\uFFFE ack 4711</p>", "<p>ack&#xFFFE; 4711</p>", "\uFFFEack 4711", "<p><b>\uFFFE</b> ack 4711</p>", "<a href=\"https://x.example.com/\">\uFFFE</a> ack 4711",
		"<blockquote>" + mention(relayBot.ID, "Alert Relay") + "</blockquote><p>\uFFFE ack 4711</p>",
		"<a href=\"https://x.example.com/?eventid=1\">\uFFFE</a> ack 4711",
	} {
		said := read(webex.Message{HTML: source}, relayBot)
		require.False(t, said.mentioned, source)
		require.NotContains(t, said.text, "\uFFFE", source)
	}
}

// Quoted and forwarded words are never a command, however they are marked. Words outside of the quote are.
func TestQuotesAreNotCommands(t *testing.T) {
	bot := mention(relayBot.ID, "Alert Relay")
	const none = "(silence)"
	asHTML := func(source string) webex.Message {
		return webex.Message{HTML: source, MentionedPeople: []string{relayBot.ID}}
	}
	text := func(said string) webex.Message {
		return webex.Message{Text: said, MentionedPeople: []string{relayBot.ID}}
	}
	for name, c := range map[string]struct {
		m             webex.Message
		group, direct string
	}{
		"a quoted command, commented on":             {asHTML("<blockquote>" + bot + " close 4712</blockquote><p>why did you do that?</p>"), none, "why did you do that?"},
		"a quoted message, then a command":           {asHTML("<blockquote>🟧 High problem</blockquote>" + bot + " ack on it"), "ack on it", "ack on it"},
		"a mention in the quote and outside":         {asHTML("<blockquote>" + bot + " close 4712</blockquote><p>" + bot + " ack 4711</p>"), "ack 4711", "ack 4711"},
		"a command, then a quote":                    {asHTML("<p>" + bot + " ack 4711</p><blockquote>close 4712</blockquote>"), "ack 4711", "ack 4711"},
		"only a quote":                               {asHTML("<blockquote>" + bot + " close 4712</blockquote>"), none, none},
		"a quote in a quote":                         {asHTML("<blockquote><blockquote>" + bot + " close 4712</blockquote>" + bot + " ack 4713</blockquote>yes"), none, "yes"},
		"a quote deep in other elements":             {asHTML("<div><ul><li><span><blockquote><b>" + bot + "</b> close 4712</blockquote></span></li></ul></div>thanks"), none, "thanks"},
		"a list in a quote":                          {asHTML("<blockquote><ul><li>" + bot + " close 4712</li></ul></blockquote>no"), none, "no"},
		"a quote that never ends":                    {asHTML("<blockquote>" + bot + " close 4712<p>why?</p>"), none, none},
		"a quote that ends early":                    {asHTML("<p>" + bot + " ack 4711</blockquote></p>"), "ack 4711", "ack 4711"},
		"upper case":                                 {asHTML("<BLOCKQUOTE>" + bot + " close 4712</BLOCKQUOTE>why?"), none, "why?"},
		"an element of a client's own":               {asHTML("<spark-quote>" + bot + " close 4712</spark-quote>why?"), none, "why?"},
		"a quote by its type":                        {asHTML(`<div data-object-type="quote">` + bot + ` close 4712</div>why?`), none, "why?"},
		"a quote by its class":                       {asHTML(`<div class="md quoted-message">` + bot + ` close 4712</div>why?`), none, "why?"},
		"a quote by a name of an attribute":          {asHTML(`<p data-quoted-message-id="x">` + bot + ` close 4712</p>why?`), none, "why?"},
		"a forwarded message":                        {asHTML(`<div data-object-type="forwardedMessage">` + bot + ` close 4712</div>`), none, none},
		"a forwarded message by its element":         {asHTML(`<spark-forward>` + bot + ` close 4712</spark-forward>FYI`), none, "FYI"},
		"q":                                          {asHTML("<q>" + bot + " close 4712</q> why?"), none, "why?"},
		"a typed quote in html":                      {asHTML("<p>&gt; " + bot + " close 4712<br/>why?</p>"), none, "why?"},
		"markdown quote, no html":                    {text("> Alert Relay close 4712\nwhy did you do that?"), none, "why did you do that?"},
		"markdown quote, then a command":             {text("> 🟧 High problem\n\nAlert Relay ack on it"), "ack on it", "ack on it"},
		"markdown quote in a quote":                  {text("> > Alert Relay close 4712\n> no\nAlert ack 4711"), "ack 4711", "ack 4711"},
		"markdown quote, indented":                   {text("   >Alert Relay close 4712\nreally?"), none, "really?"},
		"markdown quote after a no-break gap":        {text("\u00a0> Alert Relay close 4712\nreally?"), none, "really?"},
		"markdown quote with \\r\\n":                 {text("> Alert Relay close 4712\r\nAlert ack 4711"), "ack 4711", "ack 4711"},
		"a quote behind the mention":                 {asHTML("<p>" + bot + " &gt; close 4712</p>"), "", ""},
		"a quote behind the name":                    {text("Alert Relay > close 4712"), "", ""},
		"a quote behind the mention, then a command": {asHTML("<p>" + bot + " &gt; close 4712<br/>ack 4711</p>"), "ack 4711", "ack 4711"},
		"a wide quote sign":                          {text("＞ Alert Relay close 4712\nreally?"), none, "really?"},
		"the name behind the words":                  {text("> close 4712\nack Alert Relay 4711"), "ack Alert Relay 4711", "ack Alert Relay 4711"},
		"a comparison isn't a quote":                 {text("Alert problems severity\n>=high"), "problems severity\n>=high", "problems severity\n>=high"},
	} {
		t.Run(name, func(t *testing.T) {
			for room, want := range map[string]string{"group": c.group, "direct": c.direct} {
				f := newFake()
				m := c.m
				m.ID, m.RoomID, m.RoomType, m.PersonID = "M", "ROOM-noc", room, personID("a11ce")
				f.messages["M"] = m
				r, _ := newReader(f)
				got, err := r.Read(t.Context(), store.Command{ID: "M", Bot: "noc"}, envelope("messages", "M"))
				if want == none {
					var ignored *unreadError
					require.ErrorAs(t, err, &ignored, room)
					require.Equal(t, ignoredQuote, ignored.ignored)
					continue
				}
				require.NoError(t, err, room)
				require.Equal(t, want, got.Text, room)
				require.False(t, got.Unclear)
			}
		})
	}
}

// A link to a problem names it, whatever its label; other links count as their label.
func TestLinksToProblems(t *testing.T) {
	bot := mention(relayBot.ID, "Alert Relay")
	const href = "https://zabbix.example.com/tr_events.php?triggerid=1&amp;eventid=4712"
	const link = "https://zabbix.example.com/tr_events.php?triggerid=1&eventid=4712"
	for source, want := range map[string]string{
		bot + ` ack <a href="` + href + `">` + href + `</a> on it`:                  "ack " + link + " on it",
		bot + ` ack <a href="` + href + `">Zabbix</a> on it`:                        "ack [Zabbix](" + link + ") on it",
		bot + ` ack <a href="` + href + `"><strong>Link [down]</strong> on sw1</a>`: "ack [Link (down) on sw1](" + link + ")",
		bot + ` ack <a href="https://relay.example.com/m/main/4712">4712</a>`:       "ack [4712](https://relay.example.com/m/main/4712)",
		bot + ` problems host=<a href="http://db1.example.com">db1.example.com</a>`: "problems host=db1.example.com",
		bot + ` comment see <a href="https://wiki.example.com/page">the page</a>`:   "comment see the page",
		`<blockquote><a href="` + href + `">Zabbix</a></blockquote>` + bot + ` ack`: "ack",
	} {
		require.Equal(t, want, read(webex.Message{HTML: source}, relayBot).text, source)
	}
}

// HTML in which a person's own words can't be distinguished from quoted ones is reported as unclear.
func TestUnknownFormatting(t *testing.T) {
	bot := mention(relayBot.ID, "Alert Relay")
	for name, source := range map[string]string{
		"an unknown element":         bot + " close <spark-thing>4712</spark-thing>",
		"nested too deeply":          strings.Repeat("<b>", 600) + bot + " close 4712",
		"a select, which drops tags": bot + "<select><blockquote>close 4712</blockquote></select>",
		"text instead of elements":   bot + "<xmp><blockquote>close 4712</blockquote></xmp>",
		"a template":                 bot + "<template>close 4712</template>",
		"drawings":                   bot + "<svg><text>close 4712</text></svg>",
		"a form":                     bot + "<textarea>close 4712</textarea>",
		"an old element":             bot + "<plaintext>close 4712",
		"words struck through":       bot + " close 4712 <s>4713</s>",
		"a command struck through":   "<p><del>" + bot + " close 4712</del></p>",
		"struck through, older":      bot + "<strike>close 4712</strike>",
		"hidden words":               bot + ` close <span hidden>4712</span>`,
		"words that don't show":      bot + ` close <b style="color: red; display : none">4712</b>`,
		"invisible words":            bot + ` close <i style="VISIBILITY:hidden">4712</i>`,
	} {
		require.True(t, read(webex.Message{HTML: source}, relayBot).unclear, name)
	}
	for name, source := range map[string]string{
		"all usual elements":      "<h2>x</h2><div><p>" + bot + " <strong>a</strong><em>b</em><u>c</u><code>d</code><a href='x'>e</a><br/>f</p><ol><li>g</li></ol><hr/></div>",
		"an image":                bot + ` ack<img src="x">`,
		"an element with no text": bot + " ack<spark-thing> </spark-thing>",
	} {
		require.False(t, read(webex.Message{HTML: source}, relayBot).unclear, name)
	}
}

// The bot's name before a command isn't part of it, with or without a mention. A longer word that begins with it is.
func TestBotNameBeforeCommand(t *testing.T) {
	named := func(name string) webex.Person { return webex.Person{ID: relayBot.ID, DisplayName: name, Type: "bot"} }
	me := relayBot.ID
	for _, c := range []struct {
		bot, said string
		mentioned bool // according to Webex
		want      string
	}{
		{"Relay", "@Relay ack 5601", false, "ack 5601"},
		{"Relay", "relay: ack", false, "ack"},
		{"Relay", "Relay, ack", false, "ack"},
		{"Relay", "Relay ack", false, "ack"},
		{"Relay", "RELAY ack", false, "ack"},
		{"Relay", "@Relay", false, ""},
		{"Relay", "Relay\u00a0ack 6902", true, "ack 6902"},
		{"Relay", "Relay\u00a0ack 6902", false, "ack 6902"},
		{"Relay", "Relay\u2003ack", true, "ack"},
		{"Relay", "Relay\u200back", true, "ack"},
		{"Relay", "\u200eRelay\u202f: ack", true, "ack"},
		{"Relay", "Relay\nack", true, "ack"},
		{"Relay", "@Relay @Relay ack", false, "ack"},
		{"Relay", "Relay – ack", false, "ack"},
		{"Relay", "Relay --help", false, "--help"},
		{"Relay", "Relayed ack", false, "Relayed ack"},
		{"Relay", "relay-2 ack", false, "relay-2 ack"},
		{"Relay", "relay.example.com is down", false, "relay.example.com is down"},
		{"Relay", "Relay's ack", false, "Relay's ack"},
		{"Relay", "comment Relay is slow", false, "comment Relay is slow"},
		{"Relay", "ack 4711", false, "ack 4711"},
		{"Alert Relay", "@Alert Relay, ack", true, "ack"},
		{"Alert Relay", "Alert\u00a0Relay ack", false, "ack"},
		{"Alert Relay", "alert  relay: ack", false, "ack"},
		{"Alert Relay", "Alert ack", true, "ack"},
		{"Alert Relay", "alerting 4711", true, "alerting 4711"},
		{"Relay für Störungen", "@relay FÜR störungen ack", false, "ack"},
		{"Ack", "ack 4711", false, "ack 4711"},
		{"Ack", "ack: 4711", false, "ack: 4711"},
		{"Ack", "@Ack ack 4711", false, "ack 4711"},
		{"Ack", "Ack ack 4711", true, "ack 4711"},
		{"Close", "close 4712", false, "close 4712"},
		{"Problems Bot", "problems host=sw1", false, "problems host=sw1"},
		{"Problems Bot", "Problems Bot problems", false, "problems"},
		{"", "ack", true, "ack"},
	} {
		m := webex.Message{Text: c.said}
		if c.mentioned {
			m.MentionedPeople = []string{me}
		}
		require.Equal(t, c.want, read(m, named(c.bot)).text, "%s: %q", c.bot, c.said)
		if !c.mentioned { // the same text as HTML in a direct chat
			m.HTML = "<p>" + strings.ReplaceAll(html.EscapeString(c.said), "\n", "<br/>") + "</p>"
			require.Equal(t, c.want, read(m, named(c.bot)).text, "html, %s: %q", c.bot, c.said)
		}
	}
}

// Elements that start a new line in the room do so in the text, others don't.
func TestNewLines(t *testing.T) {
	for _, name := range []string{"p", "div", "pre", "ul", "ol", "li", "dt", "dd", "section", "h1", "h6"} {
		text, known, _ := textOf("ack 4711<"+name+">on it</"+name+">", "PERSON")
		require.True(t, known, name)
		require.Equal(t, "ack 4711\non it", text, name)
	}
	for _, name := range []string{"span", "b", "em", "code", "font", "sub", "time"} {
		text, known, _ := textOf("ack 4711 <"+name+">on it</"+name+">", "PERSON")
		require.True(t, known, name)
		require.Equal(t, "ack 4711 on it", text, name)
	}
}

// Any HTML is parsed without a panic, and leaves no markup.
func FuzzTextOf(f *testing.F) {
	for _, seed := range []string{
		"<p>" + mention(relayBot.ID, "Alert") + " ack</p>", "<spark-mention", "<table><tr><spark-mention data-object-id=b07>x", strings.Repeat("<b>", 600) + "x",
		"<p>a<br>b</p>", "<svg><style><p>", "<!--", "&#0;&#x202e;", "<plaintext>x", "<template><p>x</template>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s := read(webex.Message{HTML: source}, relayBot)
		require.Equal(t, strings.TrimSpace(s.text), s.text)
		if utf8.ValidString(source) {
			require.True(t, utf8.ValidString(s.text))
		}
		require.LessOrEqual(t, len(s.text), 4*len(source)+100)
		require.NotContains(t, s.text, string(mark))
		quoted := read(webex.Message{HTML: "<blockquote>" + source}, relayBot)
		if !quoted.unclear && !strings.Contains(strings.ToLower(source), "<") {
			require.Empty(t, quoted.text, "all of it is quoted")
			require.False(t, quoted.mentioned)
		}
	})
}

// Any plain text is parsed without a panic.
func FuzzPlainText(f *testing.F) {
	for _, seed := range []string{"Alert Relay ack", "@alert: ack", "> Alert ack\nAlert close", "\u00a0>\u200b", "Alert Relay", "\xffAlert ack"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := read(webex.Message{Text: text, MentionedPeople: []string{relayBot.ID}}, relayBot)
		require.LessOrEqual(t, len(s.text), len(text))
		if quoted := read(webex.Message{Text: "> " + strings.ReplaceAll(text, "\n", "\n> ")}, relayBot); quoted.text != "" {
			t.Fatalf("all of it is quoted: %q", quoted.text)
		}
	})
}
