package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// DigestFile returns the complete list as plain text: one problem per line, names without line breaks and control characters.
func (r *Renderer) DigestFile(d Digest, room Room, now time.Time) []byte {
	l, loc := room.Lang, orUTC(room.Location)
	items := make([]*DigestItem, len(d.Items))
	for n := range d.Items {
		items[n] = &d.Items[n]
	}
	slices.SortFunc(items, func(a, b *DigestItem) int {
		if c := cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Title, b.Title)); c != 0 {
			return c
		}
		return worstFirst(a, b)
	})
	var b strings.Builder
	b.Grow(128 * (len(items) + 2))
	b.WriteString(l.T("%s in room %s, %d open, as of %s", problems(l, len(items)), text.Line(room.Name), openOf(d.Items), now.In(loc).Format("2006-01-02 15:04:05 MST")) + "\r\n\r\n")
	for _, i := range items {
		state := l.T("open")
		switch {
		case !i.Open:
			state = l.T("resolved")
		case i.Acked:
			state = l.C("state", "acknowledged")
		}
		severity := "-"
		if i.HasSeverity {
			severity = wordOf(l, i.Severity)
		}
		opened := "-"
		if !i.OpenedAt.IsZero() {
			opened = i.OpenedAt.In(loc).Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(&b, "%-12s  %-*s  %-19s  %s  %s  %s\r\n", state, utf8.RuneCountInString(wordOf(l, alert.NotClassified)), severity, opened, text.Line(i.Key.String()), cmp.Or(fileHosts(i.Hosts), "-"), text.Line(i.Title))
	}
	return []byte(b.String())
}

// fileHosts lists hosts: the visible name, and the technical name if it differs.
func fileHosts(hosts []alert.Host) string {
	var all []string
	for _, h := range hosts {
		label := text.Line(h.Label())
		if h.Name != "" && h.Host != "" && h.Host != h.Name {
			label += " [" + text.Line(h.Host) + "]"
		}
		if label != "" {
			all = append(all, label)
		}
	}
	return strings.Join(all, ", ")
}
