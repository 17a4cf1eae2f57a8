package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/webex"
)

// maxHistory is how many problems a history lists; it counts the others.
const maxHistory = 20

// History returns the reply to "history": the other resolved problems of a problem's trigger, newest first, with the last text that
// somebody wrote about each. Those that the room may not read are only counted.
func (r *Renderer) History(p alert.Problem, stats alert.TriggerStats, room Room, now time.Time) string {
	b := r.builder(&p, room, 1)
	m := stats.Before(p)
	p.Memory = &m
	room.HideMemory = false
	v := b.view(room, now)
	l := room.Lang
	var out strings.Builder
	fmt.Fprintf(&out, "%s **%s**", v.Emoji, v.Title)
	if len(v.Hosts) > 0 {
		hosts, _ := some(l, 3, v.Hosts)
		fmt.Fprintf(&out, " · %s", hosts)
	}
	fmt.Fprintf(&out, " · %s", v.ID)
	if _, ok := p.Trigger(); !ok {
		return out.String() + "\n" + l.T("Only the problems of a trigger have a history.")
	}
	out.WriteString("\n" + v.Memory.Times)
	if v.Memory.Lasted != "" {
		out.WriteString(" · " + v.Memory.Lasted)
	}
	all := slices.DeleteFunc(slices.Clone(stats.Occurrences), func(o alert.Occurrence) bool { return o.Of(p) })
	others := slices.DeleteFunc(slices.Clone(all), func(o alert.Occurrence) bool { return !room.mayRead(o.Rooms) })
	if len(all) == 0 {
		out.WriteString("\n" + l.T("No other resolved problem of this trigger on this host is known."))
	}
	const tail = 300 // for the last lines
	shown := 0
	for _, o := range slices.Backward(others) {
		line := "\n" + b.occurrence(p.Key.Source, o)
		if shown == maxHistory || out.Len()+len(line)+tail > webex.MaxMessageBytes {
			break
		}
		out.WriteString(line)
		shown++
	}
	if more := len(others) - shown; more > 0 {
		out.WriteString("\n\n" + l.T("… and %d earlier", more))
	}
	if hidden := len(all) - len(others); hidden > 0 {
		out.WriteString("\n\n" + l.N(hidden, "Not listed: %d problem that you can't see from here.", "Not listed: %d problems that you can't see from here."))
	}
	if !stats.Forgotten.IsZero() {
		out.WriteString("\n\n" + l.T("Older ones are forgotten."))
	}
	text, _ := finish(out.String())
	return text
}

// occurrence is a line of a history.
func (b *builder) occurrence(source string, o alert.Occurrence) string {
	opened := o.Opened.Time().In(b.loc)
	line := "✅ " + formatPeriod(b.lang, false, opened, o.Resolved.Time().In(b.loc))
	if o.Resolved == 0 {
		line = "☑️ " + formatTime(b.lang, opened) + b.lang.T(", gone from Zabbix")
	}
	line += " · " + b.r.idOf(alert.Key{Source: source, EventID: o.EventID}).String()
	if o.Remark != nil {
		by, on, said := b.remark(*o.Remark, opened)
		line += " · " + by.String() + ", " + on + ": " + b.lang.Said(said.String())
	}
	return line
}
