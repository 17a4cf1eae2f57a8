package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// DigestFile is the complete list, a line for each problem, as plain text: what
// strangers wrote is shown as it is, without line breaks and control characters.
func (r *Renderer) DigestFile(d Digest, room Room, now time.Time) []byte {
	loc := room.Location
	if loc == nil {
		loc = time.UTC
	}
	items := make([]*DigestItem, len(d.Items))
	for n := range d.Items {
		items[n] = &d.Items[n]
	}
	slices.SortFunc(items, func(a, b *DigestItem) int {
		if c := cmp.Or(cmp.Compare(boolInt(b.Open), boolInt(a.Open)), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Title, b.Title)); c != 0 {
			return c
		}
		return worstFirst(a, b)
	})
	open := 0
	for _, i := range items {
		open += boolInt(i.Open)
	}
	var b strings.Builder
	b.Grow(128 * (len(items) + 2))
	fmt.Fprintf(&b, "%s in room %s, %s open, as of %s\r\n\r\n", count(len(items), "problem"), plainLine(room.Name), number(open), now.In(loc).Format("2006-01-02 15:04:05 MST"))
	for _, i := range items {
		state := "open"
		switch {
		case !i.Open:
			state = "resolved"
		case i.Acked:
			state = "acknowledged"
		}
		severity := "-"
		if i.HasSeverity {
			severity = wordOf(i.Severity)
		}
		opened := "-"
		if !i.OpenedAt.IsZero() {
			opened = i.OpenedAt.In(loc).Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(&b, "%-12s  %-14s  %-19s  %s  %s  %s\r\n", state, severity, opened, plainLine(i.Key.String()), cmp.Or(fileHosts(i.Hosts), "-"), plainLine(i.Title))
	}
	return []byte(b.String())
}

// fileHosts names each host in both ways where they differ.
func fileHosts(hosts []alert.Host) string {
	var all []string
	for _, h := range hosts {
		label := plainLine(h.Label())
		if h.Name != "" && h.Host != "" && h.Host != h.Name {
			label += " [" + plainLine(h.Host) + "]"
		}
		if label != "" {
			all = append(all, label)
		}
	}
	return strings.Join(all, ", ")
}

// plainLine keeps a stranger's text in its line: no control characters, none
// that turn the direction of writing.
func plainLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case r == '\u200C' || r == '\u200D': // emoji and several scripts need them
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
