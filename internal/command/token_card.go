package command

import (
	"fmt"
	"strings"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// tokenCard is a card about a token. Without buttons it only replaces another one: a message with a card can't be edited.
type tokenCard struct {
	lang    lang.Lang // of the field and the link
	lines   []string  // plain text, in which `…` is a command
	field   bool      // it asks for the token
	link    string    // to the tokens in Zabbix
	buttons []tokenButton
}

type tokenButton struct{ title, style, action, key string }

// linkToTokens is the page with a person's own API tokens in Zabbix.
func linkToTokens(frontend string) string {
	if frontend == "" {
		return ""
	}
	return strings.TrimRight(frontend, "/") + "/zabbix.php?action=user.token.list"
}

// enterCard asks for a token. used is the one in use; nil for none.
func enterCard(say voice, source, asked, link string, used *store.PersonToken) tokenCard {
	c := tokenCard{lang: say.Lang, field: true, link: link, lines: []string{
		say.T("🔑 Your own API token for Zabbix %s makes what you do from Webex yours in Zabbix, with your rights there.", source),
		say.T("Make one in Zabbix under User settings → API tokens, put it into the field and send it. I keep it encrypted, show you whose it is before I use it, and forget it with `forget me`."),
	}}
	c.buttons = []tokenButton{{say.T("Check it"), "positive", tokenEnter, source + "/" + asked}}
	if used != nil {
		line := say.T("In use now: the token of the Zabbix user %s", used.Username)
		if !used.ExpiresAt.IsZero() {
			line += say.T(", until %s", say.date(used.ExpiresAt))
		}
		c.lines = append(c.lines, line+".")
		c.buttons = append(c.buttons, tokenButton{say.T("Forget it"), "destructive", tokenForget, source + "/" + asked})
	}
	return c
}

// askOwnerCard asks whether the token is the person's.
func askOwnerCard(say voice, source, asked string, owner zabbix.TokenOwner) tokenCard {
	name := owner.Username
	if owner.FullName != "" {
		name = fmt.Sprintf("%s (%s)", owner.Username, owner.FullName)
	}
	return tokenCard{
		lines:   []string{say.T("🔑 This is a token of the Zabbix user %s in %s. Is this you?", strings.ReplaceAll(name, "`", "'"), source)},
		buttons: []tokenButton{{say.T("Yes, that is me"), "positive", tokenYes, source + "/" + asked}, {say.T("No"), "destructive", tokenNo, source + "/" + asked}},
	}
}

// markdown is the text for clients that show no cards. Names in it are strangers' text.
func (c tokenCard) markdown() string {
	lines := make([]string, 0, len(c.lines))
	for _, line := range c.lines {
		parts := strings.Split(line, "`")
		for i := range parts {
			if i%2 == 0 {
				parts[i] = betweenCode(parts[i])
			} else {
				parts[i] = "`" + webex.EscapeCode(parts[i]) + "`"
			}
		}
		lines = append(lines, strings.Join(parts, ""))
	}
	return webex.CutMarkdown(strings.Join(lines, "\n\n"), webex.MaxMessageBytes)
}

// betweenCode escapes text between commands. It keeps the spaces at its ends, which EscapeMarkdown removes.
func betweenCode(s string) string {
	inner := strings.TrimSpace(s)
	if inner == "" {
		return s
	}
	at := strings.Index(s, inner)
	return s[:at] + webex.EscapeMarkdown(inner) + s[at+len(inner):]
}

// content is the card. No client interprets the text of a RichTextBlock.
func (c tokenCard) content() []byte {
	var body, actions []element
	for _, line := range c.lines {
		body = append(body, element{"type": "RichTextBlock", "inlines": []element{{"type": "TextRun", "text": strings.ReplaceAll(line, "`", "")}}})
	}
	if c.field {
		body = append(body, element{"type": "Input.Text", "id": "token", "placeholder": c.lang.T("API token"), "maxLength": 200})
	}
	for _, b := range c.buttons {
		actions = append(actions, submit(b.title, b.style, b.action, b.key))
	}
	if c.link != "" {
		actions = append(actions, element{"type": "Action.OpenUrl", "title": c.lang.T("Open Zabbix"), "url": c.link})
	}
	return encodeCard(body, actions)
}
