package render

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
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
type change struct {
	kind, emoji string
	words       lang.Key
}

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
		{a.Close, change{TellClosed, "🔒", lang.Key("closed it")}},
		{a.Ack, change{TellAcknowledged, "✋", lang.Key("acknowledged")}},
		{a.Unack, change{TellAcknowledged, "↩️", lang.Key("unacknowledged")}},
		{a.Severity != nil, change{TellSeverity, severity, ""}},
		{a.Suppress, change{TellSuppressed, "🔕", ""}},
		{a.Unsuppress, change{TellSuppressed, "🔔", lang.Key("unsuppressed it")}},
		{a.ToCause, change{TellRanked, "🔗", lang.Key("made it a cause")}},
		{a.ToSymptom, change{TellRanked, "🔗", ""}},
		{u.Owner != nil, change{TellTaken, "👤", ""}},
		{(a.Comment || u.Text() != "") && (u.Owner == nil || u.Text() != ""), change{TellCommented, "💬", lang.Key("commented")}},
		{a.Other != "", change{TellOther, "✏️", ""}},
	} {
		if c.did {
			list = append(list, c.change)
		}
	}
	if len(list) == 0 {
		list = []change{{TellOther, "✏️", lang.Key("updated it")}}
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
	l := b.lang
	out := Entry{Kinds: kindsOf(e), At: e.At.In(b.loc)}
	out.When = stamp(l, out.At, today, clockShort)
	switch e.Kind {
	case alert.EntryOpened:
		out.Emoji, out.Did = "🆕", Text(l.T("opened"))
	case alert.EntryOccurred:
		out.Emoji, out.Did = "🆕", Text(l.T("occurred"))
	case alert.EntryResolved:
		out.Emoji, out.Did = "✅", Text(l.T("resolved"))
		if b.p.Gone {
			out.Emoji, out.Did = "☑️", Text(l.T("gone from Zabbix, considered resolved"))
			break
		}
		if d := formatDuration(l, b.p.OpenedAt, e.At); d != "" {
			out.Did = Text(l.T("resolved after %s", d))
		}
		if b.p.RecoveredOpData != "" {
			if value := once(b.p.Name, limited(b.p.RecoveredOpData, b.limit(maxOpData))); value != "" {
				out.Did += Text(l.T(", now %s", string(value)))
			}
		}
	case alert.EntryCancelled:
		out.Emoji, out.Did = "🚫", Text(l.T("Zabbix cancelled the escalation"))
		if b.p.Cancelled && b.p.Open() {
			out.Did = Text(l.T("Zabbix cancelled the escalation and won't report the recovery"))
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
		out.Did += Text(", " + l.Of(foundWords))
	}
	return out
}

// foundWords mark what Zabbix's own messages missed.
const foundWords = lang.Key("found by reconciliation: Zabbix's message about it never came")

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
		return Text(b.lang.T("Somebody")) // Zabbix hides the name
	case a.Email != "":
		return Text(b.lang.T("%s (via Webex)", string(by)))
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
			words = append(words, b.changeWords(c.kind, u, somebody))
			continue
		}
		words = append(words, b.lang.Of(c.words))
	}
	return Text(b.lang.And(words))
}

// changeWords describes a change that has no fixed words.
func (b *builder) changeWords(kind string, u alert.Update, somebody bool) string {
	l, a := b.lang, u.Actions
	switch kind {
	case TellTaken:
		switch owner := u.Owner; {
		case owner.Email == "":
			return l.T("released it")
		case strings.EqualFold(owner.Email, u.Actor.Email):
			return l.T("took it")
		}
		return l.T("assigned it to %s", string(limited(u.Owner.Label(), b.limit(maxActor))))
	case TellSeverity:
		from, to := wordOf(l, a.Severity.Old), wordOf(l, a.Severity.New)
		switch unknown := a.Severity.Old == alert.UnknownSeverity; {
		case somebody && unknown:
			return l.T("changed the severity to %s", to)
		case somebody:
			return l.T("changed the severity from %s to %s", from, to)
		case unknown:
			return l.T("severity changed to %s", to)
		}
		return l.T("severity changed from %s to %s", from, to)
	case TellSuppressed:
		if a.SuppressUntil.IsZero() {
			return l.T("suppressed it indefinitely")
		}
		return l.T("suppressed it until %s", stamp(l, a.SuppressUntil.In(b.loc), time.Time{}, clockZone))
	case TellRanked:
		return b.madeSymptom()
	}
	return string(limited(a.Other, b.limit(maxOther)))
}

// madeSymptom names the cause: "of X (17)", or "of event 17" if its name is unknown.
func (b *builder) madeSymptom() string {
	var v View
	b.cause(&v)
	switch {
	case v.Cause == "":
		return b.lang.T("made it a symptom")
	case v.CauseName == "":
		return b.lang.T("made it a symptom of event %s", string(v.Cause))
	}
	return b.lang.T("made it a symptom of %s (%s)", string(v.CauseName), string(v.Cause))
}
