package render

import (
	"cmp"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

const maxRemark = 160 // in the memory of a root

// Memory is what is remembered of a problem's trigger as templates see it.
type Memory struct {
	Again  bool   // the trigger had a problem before
	Times  string // "7th time in 30 days", "First time seen here"
	Lasted string // "usually 12m", "last time 12m"; "" if unknown
	By     Text   // who last wrote something about an earlier problem; "" if nobody did
	On     string // when: "3 Nov"
	Said   Text

	lang lang.Lang
}

// String returns all of it in one line, escaped.
func (m *Memory) String() string {
	line := m.Times
	if m.Lasted != "" {
		line += " · " + m.Lasted
	}
	if m.Said != "" {
		line += m.lang.T(" · last: %s, %s: “%s”", m.By, m.On, m.Said)
	}
	return line
}

// memory returns the memory of a problem, as far as the room may read it; nil if nobody looked for it.
func (b *builder) memory(room Room) *Memory {
	m := b.p.Memory
	if m == nil {
		return nil
	}
	l := b.lang
	out := &Memory{Again: m.Known, Times: timesOf(l, *m), lang: l}
	var zero time.Time
	switch {
	case m.Usual > 0:
		out.Lasted = l.T("usually %s", formatDuration(l, zero.Add(1), zero.Add(1+m.Usual)))
	case m.Latest > 0:
		out.Lasted = l.T("last time %s", formatDuration(l, zero.Add(1), zero.Add(1+m.Latest)))
	}
	if last := m.Last(room.mayRead); last != nil {
		out.By, out.On, out.Said = b.remark(*last, b.p.OpenedAt)
	}
	return out
}

// remark returns who wrote it, on which day, and the text. The year is left out if it is that of today.
func (b *builder) remark(r alert.Remark, today time.Time) (by Text, on string, said Text) {
	name := r.By
	if name == alert.HiddenAuthor {
		name = ""
	}
	at := r.At.In(b.loc)
	layout := "2 Jan"
	if at.Year() != today.In(b.loc).Year() {
		layout = "2 Jan 2006"
	}
	return cmp.Or(limited(name, b.limit(maxActor)), Text(b.lang.T("Somebody"))), formatBy(b.lang, layout, at), limited(r.Text, b.limit(maxRemark))
}

func timesOf(l lang.Lang, m alert.Memory) string {
	days := int(alert.MemoryWindow / (24 * time.Hour))
	switch {
	case !m.Known:
		return l.T("First time seen here")
	case m.AtLeast:
		return l.T("more than %d times in %d days", m.Times-1, days)
	case m.Times == 1:
		return l.T("First time in %d days", days)
	}
	return l.T("%s time in %d days", l.Ordinal(m.Times), days)
}
