package render

import (
	"cmp"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
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
}

// String returns all of it in one line, escaped.
func (m *Memory) String() string {
	line := m.Times
	if m.Lasted != "" {
		line += " · " + m.Lasted
	}
	if m.Said != "" {
		line += " · last: " + m.By.String() + ", " + m.On + ": “" + m.Said.String() + "”"
	}
	return line
}

// memory returns the memory of a problem, as far as the room may read it; nil if nobody looked for it.
func (b *builder) memory(room Room) *Memory {
	m := b.p.Memory
	if m == nil {
		return nil
	}
	out := &Memory{Again: m.Known, Times: timesOf(*m)}
	var zero time.Time
	switch {
	case m.Usual > 0:
		out.Lasted = "usually " + formatDuration(zero.Add(1), zero.Add(1+m.Usual))
	case m.Latest > 0:
		out.Lasted = "last time " + formatDuration(zero.Add(1), zero.Add(1+m.Latest))
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
	return cmp.Or(limited(name, b.limit(maxActor)), "Somebody"), formatBy(layout, at), limited(r.Text, b.limit(maxRemark))
}

func timesOf(m alert.Memory) string {
	window := "in " + strconv.Itoa(int(alert.MemoryWindow/(24*time.Hour))) + " days"
	switch {
	case !m.Known:
		return "First time seen here"
	case m.AtLeast:
		return "more than " + number(m.Times-1) + " times " + window
	case m.Times == 1:
		return "First time " + window
	}
	return ordinal(m.Times) + " time " + window
}
