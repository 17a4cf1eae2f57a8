package chat

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webex"
)

func personID(uuid string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("ciscospark://us/PEOPLE/" + uuid))
}

var relayBot = webex.Person{ID: personID("b07"), DisplayName: "Alert Relay", NickName: "Alert", Emails: []string{"relay@webex.bot"}, Type: "bot"}

func mention(id, name string) string {
	return `<spark-mention data-object-type="person" data-object-id="` + id + `">` + name + `</spark-mention>`
}

// The mention of the bot goes, by the html; everything else that was said stays.
func TestSaid(t *testing.T) {
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
		{"somebody else stays", webex.Message{HTML: mention(me, "Alert") + " comment ask " + mention(bob, "Bob")}, "comment ask Bob"},
		{"everybody stays a word", webex.Message{HTML: mention(me, "Alert") + ` comment <spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention> look`}, "comment All look"},
		{"entities", webex.Message{HTML: mention(me, "Alert") + " comment a &lt; b &amp; c"}, "comment a < b & c"},
		{"lines", webex.Message{HTML: "<p>" + mention(me, "Alert") + " comment one<br/>two</p><ul><li>three</li></ul>"}, "comment one\ntwo\n\nthree"},
		{"markup", webex.Message{HTML: "<p>" + mention(me, "Alert") + " ack 4711 <strong>on</strong> <code>it</code></p>"}, "ack 4711 on it"},
		{"a script isn't words", webex.Message{HTML: mention(me, "Alert") + " ack<script>x()</script>"}, "ack"},
		{"a word that is the bot's name stays", webex.Message{HTML: mention(me, "Alert") + " comment Alert Relay is slow"}, "comment Alert Relay is slow"},
		{"a direct chat's html without mention", webex.Message{HTML: "<p>ack 4711</p>", Text: "ack 4711"}, "ack 4711"},
		{"no html, the full name", webex.Message{Text: "Alert Relay ack 4711", MentionedPeople: []string{me}}, "ack 4711"},
		{"no html, the first word", webex.Message{Text: "alert ack 4711", MentionedPeople: []string{me}}, "ack 4711"},
		{"no html, with punctuation", webex.Message{Text: "@Alert Relay, ack", MentionedPeople: []string{me}}, ", ack"},
		{"no html, nothing else", webex.Message{Text: "Alert Relay", MentionedPeople: []string{me}}, ""},
		{"no html, a longer word isn't the name", webex.Message{Text: "alerting 4711", MentionedPeople: []string{me}}, "alerting 4711"},
		{"no html, not mentioned", webex.Message{Text: "alert ack 4711"}, "alert ack 4711"},
		{"no html, somebody else mentioned", webex.Message{Text: "alert ack 4711", MentionedPeople: []string{bob}}, "alert ack 4711"},
	} {
		require.Equal(t, c.want, said(c.m, relayBot), c.why)
	}
}

// Html from strangers is read without harm, and without markup in the result.
func FuzzTextOf(f *testing.F) {
	for _, seed := range []string{
		"<p>" + mention(relayBot.ID, "Alert") + " ack</p>", "<spark-mention", "<table><tr><spark-mention data-object-id=b07>x", strings.Repeat("<b>", 600) + "x",
		"<p>a<br>b</p>", "<svg><style><p>", "<!--", "&#0;&#x202e;", "<plaintext>x", "<template><p>x</template>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		text, ok := textOf(source, relayBot.ID)
		if !ok {
			require.Empty(t, text)
			return
		}
		require.Equal(t, strings.TrimSpace(text), text)
		if utf8.ValidString(source) {
			require.True(t, utf8.ValidString(text))
		}
		require.LessOrEqual(t, len(text), 4*len(source)+100)
	})
}
