package chat

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// ownWords is a message as the bot reads it.
type ownWords struct {
	text      string      // the person's own words, without quotes and mentions of the bot
	quotes    bool        // part of the message is a quote
	mentioned bool        // the bot is mentioned outside of quotes
	others    []mentionOf // the mentions of other people outside of quotes
	// unclear: the message has unknown formatting, so its own words can't be distinguished from quoted ones.
	unclear bool
}

// mentionOf is a mention of a person.
type mentionOf struct{ id, name string }

// read separates a person's own words from quotes and from the mention of the bot. If the message has
// HTML, that decides: mentions are elements of it. In plain text, lines that begin with ">" are quotes, and
// the bot's name at the start is its mention.
func read(m webex.Message, me webex.Person) ownWords {
	listed := slices.ContainsFunc(m.MentionedPeople, func(id string) bool { return webexid.Same(id, me.ID) })
	if m.HTML == "" {
		s := unquoted(m.Text)
		var named bool
		s.text, named = withoutName(s.text, me, listed)
		s.mentioned = named || containsName(s.text, me)
		rest := unquoted(s.text) // "Relay > close 4712"
		s.text, s.quotes = rest.text, s.quotes || rest.quotes
		return s
	}
	marked, known, mentions := textOf(m.HTML, me.ID)
	s := unquoted(marked)
	s.quotes = s.quotes || mentions.quoted || mentions.quotes
	s.mentioned = strings.ContainsRune(s.text, mark)
	s.text = strings.TrimSpace(strings.ReplaceAll(s.text, string(mark), ""))
	if !s.mentioned && !mentions.quoted && !strings.ContainsRune(marked, mark) {
		s.text, s.mentioned = withoutName(s.text, me, false)
	}
	s.unclear, s.others = !known, mentions.others
	return s
}

// mark stands for a mention of the bot while a message is parsed. It is a noncharacter, so text can't
// contain it.
const mark = '\uFFFE'

// found lists features of a message's HTML besides its text.
type found struct {
	quotes bool // a quoting element
	quoted bool // a mention of the bot inside one
	others []mentionOf
}

// textOf returns the text of a message's HTML outside of quotes, with a mark for each mention of the person.
// known is false if the HTML can't be parsed, or has text in unknown elements.
func textOf(source, person string) (text string, known bool, f found) {
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return "", false, f
	}
	known = true
	var b strings.Builder
	var walk func(n *html.Node, quoted bool)
	walk = func(n *html.Node, quoted bool) {
		switch n.Type {
		case html.TextNode:
			if !quoted {
				b.WriteString(strings.ReplaceAll(n.Data, string(mark), ""))
			}
			return
		case html.ElementNode:
			newLine, formats := formatting[n.Data]
			switch {
			case n.DataAtom == atom.Script || n.DataAtom == atom.Style:
				return
			case isQuote(n):
				f.quotes, quoted = true, true
				b.WriteByte('\n')
			case n.Data == "spark-mention" && webexid.Same(attribute(n, "data-object-id"), person):
				if quoted {
					f.quoted = true
				} else {
					b.WriteRune(mark)
				}
				return
			case n.Data == "spark-mention" && !quoted && attribute(n, "data-object-id") != "":
				f.others = append(f.others, mentionOf{attribute(n, "data-object-id"), innerText(n)})
			case n.DataAtom == atom.A && !quoted && command.NamesEvent(attribute(n, "href")):
				b.WriteString(strings.ReplaceAll(linkText(n), string(mark), "")) // a link to a problem names it, whatever its label is
				return
			case !quoted && (!formats || hidden(n)) && hasText(n):
				known = false
			}
			if newLine && !quoted && b.Len() > 0 {
				b.WriteByte('\n')
			}
		}
		for c := range n.ChildNodes() {
			walk(c, quoted)
		}
		if isQuote(n) && n.Type == html.ElementNode {
			b.WriteByte('\n')
		}
	}
	walk(root, false)
	return strings.TrimSpace(b.String()), known, f
}

// isQuote reports whether an element contains words that aren't the sender's: a quote or a forwarded message. Clients
// mark them in different ways.
func isQuote(n *html.Node) bool {
	if n.Type != html.ElementNode {
		return false
	}
	if n.DataAtom == atom.Q || n.DataAtom == atom.Cite || isQuoteName(n.Data) {
		return true
	}
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool {
		switch a.Key {
		case "class", "role", "data-object-type", "data-type":
			return isQuoteName(a.Val)
		}
		return strings.HasPrefix(a.Key, "data-") && isQuoteName(a.Key)
	})
}

func isQuoteName(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "quot") || strings.Contains(name, "forward") || strings.Contains(name, "replied")
}

// formatting are the elements that only format the sender's own words, and whether they start a new line.
// Strikethrough isn't among them: its author took the words back.
var formatting = map[string]bool{
	"p": true, "br": true, "div": true, "pre": true, "hr": true, "ul": true, "ol": true, "li": true, "dt": true, "dd": true, "section": true,
	"h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "table": true, "tr": true, "td": true, "th": true,
	"html": false, "head": false, "body": false, "span": false, "strong": false, "b": false, "em": false, "i": false, "u": false, "ins": false,
	"code": false, "tt": false, "kbd": false, "samp": false, "a": false, "sub": false, "sup": false, "small": false, "big": false, "mark": false,
	"font": false, "center": false, "thead": false, "tbody": false, "tfoot": false, "dl": false, "abbr": false, "time": false, "spark-mention": false,
}

// hidden reports whether an element's text isn't displayed in the room.
func hidden(n *html.Node) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool {
		style := strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
		return a.Key == "hidden" || a.Key == "style" && (strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden"))
	})
}

// hasText reports whether an element contains any words.
func hasText(n *html.Node) bool {
	for c := range n.Descendants() {
		if c.Type == html.TextNode && strings.TrimSpace(c.Data) != "" {
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

// unquoted removes the quoted lines of a text: those that begin with ">", possibly after a mention, which
// is kept.
func unquoted(text string) ownWords {
	var s ownWords
	var own []string
	for line := range strings.Lines(text) {
		start := strings.TrimLeftFunc(line, func(r rune) bool { return isGap(r) || r == mark })
		if (strings.HasPrefix(start, ">") || strings.HasPrefix(start, "＞")) && !strings.HasPrefix(start, ">=") {
			s.quotes = true
			own = append(own, line[:len(line)-len(start)])
			continue
		}
		own = append(own, line)
	}
	s.text = strings.TrimSpace(strings.Join(own, ""))
	return s
}

// isGap reports whether a rune separates words, visibly or not.
func isGap(r rune) bool { return text.Blank(r) }

// names returns the ways in which people write a bot's name, the longest first. Webex shows its first word in
// a mention.
func names(me webex.Person) [][]string {
	var all [][]string
	for _, name := range []string{me.DisplayName, me.NickName} {
		if words := strings.FieldsFunc(name, isGap); len(words) > 0 {
			all = append(all, words)
		}
	}
	if len(all) > 0 {
		all = append(all, all[0][:1])
	}
	return all
}

// withoutName removes the bot's name from the start of a text, as whole words, with or without an @. A
// name that is also a verb counts as the verb, unless it has an @ or Webex says that the bot is mentioned.
// named reports whether a name was removed.
func withoutName(text string, me webex.Person, listed bool) (rest string, named bool) {
	rest = text
	for range 3 { // "@Relay @Relay ack"
		start := strings.TrimLeftFunc(rest, isGap)
		bare := strings.TrimLeft(start, "@＠")
		at := len(bare) < len(start)
		if named && !at {
			break
		}
		removed := false
		for _, name := range names(me) {
			after, ok := cutName(bare, name)
			if !ok || !at && !listed && len(name) == 1 && command.IsVerb(name[0]) {
				continue
			}
			rest, named, removed = after, true, true
			break
		}
		if !removed {
			break
		}
	}
	return rest, named
}

// cutName removes the words of a name from the start of a text, whatever separates them.
func cutName(text string, name []string) (rest string, ok bool) {
	for i, word := range name {
		if i > 0 {
			after := strings.TrimLeftFunc(text, isGap)
			if len(after) == len(text) {
				return "", false
			}
			text = after
		}
		n, same := foldedPrefix(text, word)
		if !same {
			return "", false
		}
		text = text[n:]
	}
	if text == "" {
		return "", true
	}
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case isGap(r) || strings.ContainsRune(",:;", r):
	case strings.ContainsRune(".!?-–—", r): // "relay.example.com" and "relay-2" are different names
		if next, _ := utf8.DecodeRuneInString(text[size:]); len(text) > size && !isGap(next) {
			return "", false
		}
		text = text[size:]
	default:
		return "", false
	}
	separates := func(r rune) bool { return isGap(r) || strings.ContainsRune(",:;", r) }
	text = strings.TrimLeftFunc(text, separates)
	if r, size := utf8.DecodeRuneInString(text); strings.ContainsRune("-–—", r) { // "Relay – ack", but not "Relay --help"
		if next, _ := utf8.DecodeRuneInString(text[size:]); isGap(next) {
			text = strings.TrimLeftFunc(text[size:], separates)
		}
	}
	return strings.TrimSpace(text), true
}

// foldedPrefix returns how many bytes at the start of a text are the word, ignoring case.
func foldedPrefix(text, word string) (n int, ok bool) {
	for range word {
		if n >= len(text) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(text[n:])
		n += size
	}
	return n, strings.EqualFold(text[:n], word)
}

// containsName reports whether a text contains the bot's name as whole words.
func containsName(text string, me webex.Person) bool {
	rest := text
	for rest != "" {
		for _, name := range names(me) {
			if _, ok := cutName(strings.TrimLeft(rest, "@＠"), name); ok {
				return true
			}
		}
		i := strings.IndexFunc(rest, isGap)
		if i < 0 {
			return false
		}
		rest = strings.TrimLeftFunc(rest[i:], isGap)
	}
	return false
}

// linkText returns a link as markdown: label and target, or only the target if both are the same.
func linkText(a *html.Node) string {
	href := strings.TrimSpace(attribute(a, "href"))
	label := strings.Join(strings.Fields(strings.NewReplacer("[", "(", "]", ")").Replace(innerText(a))), " ")
	if label == "" || label == href {
		return href
	}
	return "[" + label + "](" + href + ")"
}

func innerText(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
