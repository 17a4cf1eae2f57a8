package incident

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Message is one that the loop keeps true: it is enqueued again whenever its text differs.
type Message struct {
	Name   string // one of its name at a time
	Origin bool   // where the incident was opened, instead of in its space
	Text   string // markdown
	Card   []byte
	File   *store.File
}

// digest identifies what a message says.
func (m Message) digest() string {
	sum := sha256.Sum256([]byte(m.Text + "\x00" + string(m.Card)))
	return hex.EncodeToString(sum[:8])
}

// The names of the messages that are kept true.
const (
	messageOrigin  = "origin"
	messageWelcome = "welcome"
	messageCard    = "card"
	messageInvited = "invited"
	messageLost    = "lost"
)

// Messages returns those that should be shown, as they should be.
func Messages(f Facts, s Settings, now time.Time) []Message {
	l := s.lang(f.Incident)
	all := []Message{{Name: messageOrigin, Origin: true, Text: f.originText(s)}}
	if f.Reachable() {
		all = append(all, Message{Name: messageWelcome, Text: f.welcome(l)}, f.card(s))
		_, pending := f.toInvite()
		switch refused := f.refused(l); {
		case pending: // all at once
		case len(refused) > 0:
			said := l.T("👥 I couldn't invite everybody. Add them yourself, if they should be here:") + "\n\n- " + strings.Join(escaped(refused), "\n- ")
			all = append(all, Message{Name: messageInvited, Text: webex.CutMarkdown(said, webex.MaxMessageBytes)})
		case f.Shown[messageInvited] != "":
			all = append(all, Message{Name: messageInvited, Text: l.T("👥 Everybody is invited by now.")})
		}
	}
	if !f.Lost.IsZero() {
		all = append(all, Message{Name: messageLost, Origin: true, Text: l.T(
			"⚠️ The space of **%s** takes no messages from me any more: was I removed from it? The incident goes on: its state, and at the end its review, are told here. (%s)",
			Number(f.ID), webex.EscapeMarkdown(text.Shorten(text.Line(f.LostWhy), 300)))})
	}
	return all
}

func escaped(lines []string) []string {
	return text.Names(lines, webex.EscapeMarkdown)
}

// named is an incident's number and title.
func (f Facts) named() string {
	return "**" + Number(f.ID) + "** " + webex.EscapeMarkdown(f.Title)
}

// originText tells the state of the incident where it was opened.
func (f Facts) originText(s Settings) string {
	l, link := s.lang(f.Incident), ""
	if to, ok := webex.SpaceLink(f.RoomID); ok && f.Reachable() {
		link = l.T(" · [open its space](%s)", to)
	}
	switch state := f.State(); {
	case f.Refused != "":
		return l.T("❌ %s: there is no space for it, so I gave it up: %s. Go on here. Once that is repaired, `room` opens another one.",
			f.named(), webex.EscapeMarkdown(text.Shorten(text.Line(f.Refused), 400)))
	case state == Opening && f.LastError != "":
		return l.T("⏳ %s: I can't make its space yet (%s). I keep trying until %s, and tell you here.",
			f.named(), webex.EscapeMarkdown(text.Shorten(text.Line(f.LastError), 300)), moment(s.room(f.Incident), f.Incident.Opened.Add(giveUpAfter)))
	case state == Opening:
		return l.T("⏳ %s: I'm making its space, and tell you here.", f.named())
	case state == Closed:
		return l.T("🔒 %s is closed. `review %s` shows its review.", f.named(), Number(f.ID))
	case state == Resolved:
		return l.T("✅ %s is resolved%s", f.named(), link)
	}
	return l.T("🚨 %s: %s%s. Whoever sends `room` about its problem is invited.", f.named(), f.counted(l), link)
}

// origin is where the incident was opened, in markdown: the room's name, or a link to a space that has none.
func (f Facts) origin(l lang.Lang) string {
	if !strings.HasPrefix(f.Room, config.SpaceRoom) {
		return l.T("the room %s", webex.EscapeMarkdown(f.Room))
	}
	if link, ok := webex.SpaceLink(f.Origin); ok {
		return l.T("[a bound space](%s)", link)
	}
	return l.C("in", "a bound space")
}

// welcome is the first message of the space. It leads back to where the incident was opened, and says what can be done here.
func (f Facts) welcome(l lang.Lang) string {
	where := f.origin(l)
	for _, p := range f.Problems {
		if link := f.Messages[p.Key]; link != "" {
			where += l.T(", from [this message](%s)", link)
			break
		}
	}
	return l.T("🚨 %s was opened by %s in %s.", f.named(), webex.EscapeMarkdown(Label(f.By)), where) + "\n\n" +
		l.T("The messages of its problems follow, and are kept up to date. The roles that you have there count here. Mention me first:") + "\n\n" +
		"- " + l.T("`note` and words: into the timeline, and into Zabbix") + "\n" +
		"- " + l.T("`join 4712`, `part 4712`: which problems belong to it") + "\n" +
		"- " + l.T("`role lead`, `check 2`: or the buttons below") + "\n" +
		"- " + l.T("`incident`: how it stands · `review`: its timeline as a file · `conclude`: ends it")
}

// counted says how many problems the incident has.
func (f Facts) counted(l lang.Lang) string {
	open, all := len(f.OpenProblems()), len(f.Current())
	switch {
	case all == 1 || open == all && open > 0:
		return l.N(all, "%d problem", "%d problems")
	case open == 0:
		return l.T("%d problems, all resolved", all)
	}
	return l.T("%d problems, %d of them open", all, open)
}

// moment writes a time with its date and zone: people read it on later days, too.
func moment(in render.Room, t time.Time) string {
	return in.Lang.Time(t.In(cmp.Or(in.Location, time.UTC)), "2 Jan 15:04 MST")
}

func (f Facts) reminderMessage(s Settings, now time.Time) Message {
	l, who := s.lang(f.Incident), f.By
	for _, role := range s.Roles {
		if holder := f.Holder(role); holder != (store.Someone{}) {
			who = holder
			break
		}
	}
	return Message{
		Name: fmt.Sprintf("reminder %d", f.Reminded+1), Origin: !f.Reachable(),
		Text: l.T("⏰ %s: no update in %s for %s. Send `note` and a few words: they go into the timeline, and into Zabbix. I ask again in %s.",
			webex.Mention(who.Email, Label(who)), Number(f.ID), span(l, now.Sub(f.LastUpdate())), span(l, s.UpdateEvery)),
	}
}

func (f Facts) reviewMessage(s Settings, now time.Time) Message {
	l, begun := s.lang(f.Incident), f.Began()
	said := l.T("📄 %s is over: its review is attached.", f.named())
	if f.EndedAt.IsZero() {
		said += l.T(" Resolved after %s.", span(l, f.ResolvedAt().Sub(begun)))
	} else {
		said += l.T(" Ended by %s after %s.", webex.EscapeMarkdown(Label(f.Ended)), span(l, f.EndedAt.Sub(begun)))
	}
	if at, who := f.Acknowledged(); !at.IsZero() {
		said += l.T(" Acknowledged after %s by %s.", span(l, at.Sub(begun)), webex.EscapeMarkdown(cmp.Or(who, l.T("somebody in Zabbix"))))
	} else {
		said += l.T(" Nobody acknowledged it.")
	}
	leaves := s.Leave && f.Reachable()
	switch {
	case f.EndedAt.IsZero():
		until := moment(s.room(f.Incident), now.Add(s.CloseAfter))
		said += l.T(" If one of its problems comes back before %s, the incident continues here.", until)
		if leaves {
			said += l.T(" Then I leave this space; it stays yours.")
		}
	case leaves:
		said += l.T(" I leave this space now; it stays yours.")
	}
	return Message{
		Name: "review", Origin: !f.Reachable(), Text: said,
		File: &store.File{Name: fmt.Sprintf("%s-review.md", strings.ToLower(Number(f.ID))), Type: "text/markdown", Content: []byte(Review(f, s, now))},
	}
}

// About names a problem in a list: its id, name and severity.
func about(l lang.Lang, key alert.Key, p alert.Problem) string {
	if p.Revision == 0 {
		return "`" + webex.EscapeCode(key.String()) + "`"
	}
	return fmt.Sprintf("`%s` **%s** (%s)", webex.EscapeCode(key.String()), webex.EscapeMarkdown(nameOf(p)), render.Word(l, p.Severity))
}
