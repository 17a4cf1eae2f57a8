package chat

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// said is the text of a message without the mentions of the bot. Where Webex
// gives the message's html, those are its spark-mention elements with the bot's
// id; without html (a client that sent plain text) it is the bot's name at the start,
// of which people see the first word only, and which counts only where Webex says that
// the bot was mentioned.
func said(m webex.Message, me webex.Person) string {
	if m.HTML != "" {
		if text, ok := textOf(m.HTML, me.ID); ok {
			return text
		}
	}
	if slices.ContainsFunc(m.MentionedPeople, func(id string) bool { return webexid.Same(id, me.ID) }) {
		return withoutName(m.Text, me)
	}
	return m.Text
}

// textOf is what a message's html says, without the mentions of one person. It
// is false for html that can't be read.
func textOf(source, without string) (string, bool) {
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch {
		case within(n, without):
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && breaks(n.DataAtom) && b.Len() > 0:
			b.WriteByte('\n')
		}
	}
	return strings.TrimSpace(b.String()), true
}

// within says whether a node belongs to a mention of the person, or to what
// isn't shown.
func within(n *html.Node, person string) bool {
	for ; n != nil; n = n.Parent {
		if n.Type != html.ElementNode {
			continue
		}
		if n.DataAtom == atom.Script || n.DataAtom == atom.Style || n.Data == "spark-mention" && webexid.Same(attribute(n, "data-object-id"), person) {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// breaks says whether an element begins a new line.
func breaks(a atom.Atom) bool {
	switch a {
	case atom.Br, atom.P, atom.Div, atom.Li, atom.Ul, atom.Ol, atom.Blockquote, atom.Pre, atom.Hr, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

// withoutName takes the bot's name off the start of a text: the longest form
// of it that stands there as whole words.
func withoutName(text string, me webex.Person) string {
	text = strings.TrimLeft(text, " \n\t@")
	first, _, _ := strings.Cut(strings.TrimSpace(me.DisplayName), " ")
	for _, name := range []string{strings.TrimSpace(me.DisplayName), strings.TrimSpace(me.NickName), first} {
		if name == "" || len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
			continue
		}
		if rest := text[len(name):]; rest == "" || strings.IndexAny(rest, " \n\t,:") == 0 {
			return strings.TrimSpace(rest)
		}
	}
	return text
}
