package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// Moment is one thing that happened. Its texts are plain: whoever shows them escapes them.
type Moment struct {
	At    time.Time `json:"at"`
	Who   string    `json:"who,omitempty"` // name, or address
	Email string    `json:"email,omitempty"`
	What  string    `json:"what"`
	Key   alert.Key `json:"-"` // of the problem that it is about; zero for the incident
	Name  string    `json:"about,omitempty"`
}

// Timeline returns what happened to the incident and to its problems, in order, in the language and the time zone of a room. It is
// derived each time, so it can't differ from them.
func (f Facts) Timeline(in render.Room) (all []Moment) {
	l := in.Lang
	marks := map[string]bool{} // of notes: Zabbix has each as a comment on every problem
	for _, e := range f.Entries {
		if e.Kind == store.IncidentNote && e.Subject != "" {
			marks[e.Subject] = true
		}
	}
	all = append(all, Moment{At: f.Incident.Opened, Who: Label(f.By), Email: f.By.Email, What: l.T("opened %s", Number(f.ID))})
	for _, e := range f.Entries {
		if m, ok := f.entry(l, e); ok {
			all = append(all, m)
		}
	}
	for _, one := range f.Problems {
		p, known := f.Known[one.Key]
		if !known {
			continue
		}
		for _, e := range p.Timeline {
			if e.Update != nil && marks[markIn(e.Update.Message)] {
				continue
			}
			if !one.Parted.IsZero() && e.At.After(one.Parted) {
				continue
			}
			if m, ok := happened(in, p, e); ok {
				all = append(all, m)
			}
		}
	}
	if !f.EndedAt.IsZero() {
		what := l.T("ended %s", Number(f.ID))
		if f.endedEarly() {
			what = l.T("ended %s before all of its problems were resolved", Number(f.ID))
		}
		all = append(all, Moment{At: f.EndedAt, Who: Label(f.Ended), Email: f.Ended.Email, What: what})
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key.String(), b.Key.String())) })
	return all
}

// markIn returns the mark of the command that a message in Zabbix is from.
func markIn(message string) string {
	for _, prefix := range []string{alert.MarkPrefix, alert.OwnMarkPrefix} {
		if _, after, ok := strings.Cut(message, prefix); ok {
			mark, _, _ := strings.Cut(after, ")")
			return mark
		}
	}
	return ""
}

// entry describes an entry; false for one that people needn't see.
func (f Facts) entry(l lang.Lang, e store.IncidentEntry) (Moment, bool) {
	m := Moment{At: e.At, Who: Label(e.By), Email: e.By.Email}
	switch e.Kind {
	case store.IncidentNote:
		m.What = l.T("noted: %s", text.Line(e.Text))
	case store.IncidentRole:
		switch role := text.Line(e.Subject); {
		case e.Who == store.Someone{}:
			m.What = l.T("left the role %s", role)
		case Same(e.Who, e.By):
			m.What = l.T("took the role %s", role)
		default:
			m.What = l.T("gave the role %s to %s", role, Label(e.Who))
		}
	case store.IncidentCheck:
		m.What = l.T("ticked: %s", text.Line(e.Subject))
	case store.IncidentUncheck:
		m.What = l.T("unticked: %s", text.Line(e.Subject))
	case store.IncidentJoin:
		m.Key, m.Name = alert.ParseKey(e.Subject), text.Line(e.Text)
		m.What = l.T("added a problem to %s", Number(f.ID))
		if e.By == (store.Someone{}) {
			m.What = l.T("came again, and joined %s", Number(f.ID))
		}
	case store.IncidentPart:
		m.Key, m.Name = alert.ParseKey(e.Subject), text.Line(e.Text)
		m.What = l.T("took a problem out of %s", Number(f.ID))
	default:
		return m, false
	}
	return m, true
}

// happened describes an entry of a problem's timeline.
func happened(in render.Room, p alert.Problem, e alert.Entry) (Moment, bool) {
	l := in.Lang
	m := Moment{At: e.At, Key: p.Key, Name: nameOf(p)}
	switch e.Kind {
	case alert.EntryOpened, alert.EntryOccurred:
		m.What = l.T("opened")
	case alert.EntryResolved:
		m.What = l.T("resolved")
	case alert.EntryCancelled:
		m.What = l.T("its escalation in Zabbix was cancelled")
	case alert.EntryEscalated:
		m.What = l.T("escalated: nobody had acknowledged it")
	case alert.EntryReminded:
		m.What = l.T("still open, and nobody has acknowledged it")
	case alert.EntryAsked:
		m.What = l.T("asked whether somebody is still on it")
	case alert.EntryUpdate:
		if e.Update == nil {
			return m, false
		}
		m.At = cmp.Or(e.Update.At, e.At)
		m.Who, m.Email = text.Line(cmp.Or(e.Update.Actor.Name, e.Update.Actor.Email)), e.Update.Actor.Email
		m.What = did(in, *e.Update)
	default:
		return m, false
	}
	return m, true
}

// did says what an update did.
func did(in render.Room, u alert.Update) string {
	l := in.Lang
	var parts []string
	add := func(does bool, what string) {
		if does {
			parts = append(parts, what)
		}
	}
	a := u.Actions
	if u.Owner != nil {
		switch {
		case u.Owner.Email == "":
			parts = append(parts, l.T("released it"))
		case strings.EqualFold(u.Owner.Email, u.Actor.Email):
			parts = append(parts, l.T("took it"))
		default:
			parts = append(parts, l.T("gave it to %s", text.Line(u.Owner.Label())))
		}
	}
	add(a.Ack, l.T("acknowledged it"))
	add(a.Unack, l.T("unacknowledged it"))
	add(a.Close, l.T("closed it"))
	if s := a.Severity; s != nil {
		parts = append(parts, l.T("changed the severity from %s to %s", render.Word(l, s.Old), render.Word(l, s.New)))
	}
	add(a.Suppress && a.SuppressUntil.IsZero(), l.T("suppressed it"))
	if a.Suppress && !a.SuppressUntil.IsZero() {
		parts = append(parts, l.T("suppressed it until %s", l.Time(a.SuppressUntil.In(cmp.Or(in.Location, time.UTC)), "2 Jan 2006 15:04 MST")))
	}
	add(a.Unsuppress, l.T("unsuppressed it"))
	add(a.ToCause, l.T("ranked it as a cause"))
	add(a.ToSymptom, l.T("ranked it as a symptom"))
	add(len(parts) == 0 && a.Other != "", text.Line(a.Other))
	said := text.Line(u.Text())
	switch {
	case len(parts) == 0 && said == "":
		return l.T("updated it")
	case len(parts) == 0:
		return l.T("commented: %s", said)
	case said != "":
		return l.And(parts) + ": " + said
	}
	return l.And(parts)
}

// Acknowledged returns when and by whom a problem of the incident was first acknowledged.
func (f Facts) Acknowledged() (at time.Time, who string) {
	for _, key := range f.Current() {
		if t, by := acknowledged(f.Known[key]); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, who = t, by
		}
	}
	return at, who
}

func acknowledged(p alert.Problem) (at time.Time, who string) {
	for _, e := range p.Timeline {
		if u := e.Update; u != nil && u.Actions.Ack && (at.IsZero() || u.At.Before(at)) {
			at, who = u.At, text.Line(cmp.Or(u.Actor.Name, u.Actor.Email))
		}
	}
	return at, who
}

// Began returns when the first of its problems opened.
func (f Facts) Began() (at time.Time) {
	for _, key := range f.Current() {
		if p, known := f.Known[key]; known && !p.OpenedAt.IsZero() && (at.IsZero() || p.OpenedAt.Before(at)) {
			at = p.OpenedAt
		}
	}
	return cmp.Or(at, f.Incident.Opened)
}

// span writes a length in words.
func span(l lang.Lang, d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return l.T("%d s", int(d.Seconds()))
	case d < time.Hour:
		return l.T("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return l.T("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return l.T("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}
