package render

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// The kinds of changes that Room.Tell and a route's "tell" can name.
const (
	// TellOpened is the root message itself: it is always posted, and isn't a line of the thread.
	TellOpened       = "opened"
	TellAcknowledged = "acknowledged" // and unacknowledged
	TellCommented    = "commented"
	TellSeverity     = "severity"
	TellSuppressed   = "suppressed" // and unsuppressed
	TellClosed       = "closed"     // by hand
	TellTaken        = "taken"      // or assigned, or released
	TellRanked       = "ranked"     // made a cause or a symptom
	TellOther        = "other"      // an action that the relay doesn't know, in Zabbix's words
	TellResolved     = "resolved"
	TellCancelled    = "cancelled" // Zabbix cancelled the escalation
)

// TellKinds is all of them.
var TellKinds = []string{TellOpened, TellAcknowledged, TellCommented, TellSeverity, TellSuppressed, TellClosed,
	TellTaken, TellRanked, TellOther, TellResolved, TellCancelled}

// Entry is one line of the timeline as templates see it.
type Entry struct {
	Kinds    []string // of TellKinds: one update may do several things
	Emoji    string
	By       Text // who did it: "Alice Example (via Webex)"; "" for nobody
	Did      Text // what happened: "acknowledged" after By, "Resolved after 5m" without
	Comment  Text // perhaps of several lines; "" for none
	At       time.Time
	When     string // At, without its date if that is today
	ViaWebex bool   // done by the relay for somebody in a room
	// Mention mentions the people that an escalation is for; only in lines.md.tmpl.
	Mention Markdown
}

func kindsOf(e alert.Entry) []string {
	switch e.Kind {
	case alert.EntryOpened, alert.EntryOccurred:
		return []string{TellOpened}
	case alert.EntryResolved:
		return []string{TellResolved}
	case alert.EntryCancelled:
		return []string{TellCancelled}
	case alert.EntryEscalated:
		return []string{TellEscalated}
	case alert.EntryReminded:
		return []string{TellReminded}
	case alert.EntryAsked:
		return []string{TellAsked}
	}
	if e.Update == nil {
		return nil
	}
	var kinds []string
	for _, c := range changesOf(*e.Update) {
		kinds = append(kinds, c.kind)
	}
	return slices.Compact(kinds)
}

// change is one action of an update. words are "" for those whose description depends on more than the action.
type change struct{ kind, emoji, words string }

// changesOf lists the actions of an update, at least one, in the order in which an entry describes them.
func changesOf(u alert.Update) (list []change) {
	a := u.Actions
	severity := "⬆️"
	if s := a.Severity; s != nil && s.Old == alert.UnknownSeverity {
		severity = "↕️"
	} else if s != nil && s.New < s.Old {
		severity = "⬇️"
	}
	for _, c := range [...]struct {
		did bool
		change
	}{
		{a.Close, change{TellClosed, "🔒", "closed it"}},
		{a.Ack, change{TellAcknowledged, "✋", "acknowledged"}},
		{a.Unack, change{TellAcknowledged, "↩️", "unacknowledged"}},
		{a.Severity != nil, change{TellSeverity, severity, ""}},
		{a.Suppress, change{TellSuppressed, "🔕", ""}},
		{a.Unsuppress, change{TellSuppressed, "🔔", "unsuppressed it"}},
		{a.ToCause, change{TellRanked, "🔗", "made it a cause"}},
		{a.ToSymptom, change{TellRanked, "🔗", ""}},
		{u.Owner != nil, change{TellTaken, "👤", ""}},
		{(a.Comment || u.Text() != "") && (u.Owner == nil || u.Text() != ""), change{TellCommented, "💬", "commented"}},
		{a.Other != "", change{TellOther, "✏️", ""}},
	} {
		if c.did {
			list = append(list, c.change)
		}
	}
	if len(list) == 0 {
		list = []change{{TellOther, "✏️", "updated it"}}
	}
	return list
}

// wants reports whether a room gets an entry in its thread.
func (room Room) wants(kinds []string) bool {
	if len(room.Tell) == 0 {
		return true
	}
	return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(room.Tell, k) })
}

// LeftOut counts the entries that a room doesn't get in its thread (Room.Tell).
func (room Room) LeftOut(timeline []alert.Entry) (n int) {
	for _, e := range timeline {
		if e.Kind != alert.EntryOpened && e.Kind != alert.EntryOccurred && e.Nudge == nil && !room.wants(kindsOf(e)) {
			n++
		}
	}
	return n
}

// entry returns a timeline entry for templates; today is zero in a message that is edited in place.
func (b *builder) entry(e alert.Entry, today time.Time) Entry {
	out := Entry{Kinds: kindsOf(e), At: e.At.In(b.loc)}
	out.When = stamp(out.At, today, clockShort)
	switch e.Kind {
	case alert.EntryOpened:
		out.Emoji, out.Did = "🆕", "opened"
	case alert.EntryOccurred:
		out.Emoji, out.Did = "🆕", "occurred"
	case alert.EntryResolved:
		out.Emoji, out.Did = "✅", "resolved"
		if b.p.Gone {
			out.Emoji, out.Did = "☑️", "gone from Zabbix, considered resolved"
			break
		}
		if d := formatDuration(b.p.OpenedAt, e.At); d != "" {
			out.Did += Text(" after " + d)
		}
		if b.p.RecoveredOpData != "" {
			if value := once(b.p.Name, limited(b.p.RecoveredOpData, b.limit(maxOpData))); value != "" {
				out.Did += ", now " + value
			}
		}
	case alert.EntryCancelled:
		out.Emoji, out.Did = "🚫", "Zabbix cancelled the escalation"
		if b.p.Cancelled && b.p.Open() {
			out.Did += " and won't report the recovery"
		}
	default:
		switch {
		case e.Update != nil:
			b.update(&out, *e.Update)
		case e.Nudge != nil:
			b.nudge(&out, *e.Nudge)
		}
	}
	if out.By == "" {
		out.Did = capital(out.Did)
	}
	if e.Found {
		out.Did += ", " + foundWords
	}
	return out
}

// foundWords mark what Zabbix's own messages missed.
const foundWords = "found by reconciliation: Zabbix's message about it never came"

// capital begins a line that has no author before it.
func capital(t Text) Text {
	r, size := utf8.DecodeRuneInString(string(t))
	return Text(unicode.ToUpper(r)) + t[size:]
}

// newest makes entries of the last maxTimeline, and counts the earlier ones.
func (b *builder) newest(list []alert.Entry, today time.Time) (entries []Entry, earlier int) {
	earlier = max(0, len(list)-maxTimeline)
	for _, e := range list[earlier:] {
		entries = append(entries, b.entry(e, today))
	}
	return entries, earlier
}

func (b *builder) update(out *Entry, u alert.Update) {
	out.ViaWebex = u.Actor.Email != "" // only the relay's own actions have an address
	out.Comment = limited(strings.TrimSpace(u.Text()), b.limit(b.comment))
	out.By = b.actor(u.Actor)
	changes := changesOf(u)
	out.Emoji = changes[0].emoji
	out.Did = b.did(changes, u, out.By != "")
}

func (b *builder) actor(a alert.Actor) Text {
	name := a.Name
	if name == "" || name == alert.HiddenAuthor {
		name = a.Email
	}
	by := limited(name, b.limit(maxActor))
	switch {
	case by == "" && b.p.Origin == alert.OriginService:
		return "" // changed by its children
	case by == "":
		return "Somebody" // Zabbix hides the name
	case a.Email != "":
		return by + " (via Webex)"
	}
	return by
}

// did describes the changes of an update. A comment among others isn't mentioned, since its text follows.
func (b *builder) did(changes []change, u alert.Update, somebody bool) Text {
	var words []string
	for _, c := range changes {
		if c.kind == TellCommented && len(changes) > 1 {
			continue
		}
		if c.words == "" {
			c.words = b.changeWords(c.kind, u, somebody)
		}
		words = append(words, c.words)
	}
	if n := len(words); n > 1 {
		return Text(strings.Join(words[:n-1], ", ") + " and " + words[n-1])
	}
	return Text(words[0])
}

// changeWords describes a change that has no fixed words.
func (b *builder) changeWords(kind string, u alert.Update, somebody bool) string {
	a := u.Actions
	switch kind {
	case TellTaken:
		switch owner := u.Owner; {
		case owner.Email == "":
			return "released it"
		case strings.EqualFold(owner.Email, u.Actor.Email):
			return "took it"
		}
		return "assigned it to " + string(limited(u.Owner.Label(), b.limit(maxActor)))
	case TellSeverity:
		change := "changed the severity"
		if !somebody {
			change = "severity changed"
		}
		if a.Severity.Old != alert.UnknownSeverity {
			change += " from " + wordOf(a.Severity.Old)
		}
		return change + " to " + wordOf(a.Severity.New)
	case TellSuppressed:
		if a.SuppressUntil.IsZero() {
			return "suppressed it indefinitely"
		}
		return "suppressed it until " + stamp(a.SuppressUntil.In(b.loc), time.Time{}, clockZone)
	case TellRanked:
		return "made it a symptom" + b.symptomOf()
	}
	return string(limited(a.Other, b.limit(maxOther)))
}

// symptomOf names the cause: " of X (17)", or " of event 17" if its name is unknown.
func (b *builder) symptomOf() string {
	var v View
	b.cause(&v)
	switch {
	case v.Cause == "":
		return ""
	case v.CauseName == "":
		return " of event " + string(v.Cause)
	}
	return " of " + string(v.CauseName) + " (" + string(v.Cause) + ")"
}
