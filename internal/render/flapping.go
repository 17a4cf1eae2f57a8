package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	flapsShown = 8  // the newest openings, which are shown with their times; earlier ones are ids
	flapHosts  = 20 // hosts that are named

	lastFlapEdit = "This message can't be edited again until nothing is open. Until then changes are posted in this thread."
)

// flapping returns the message of a trigger's openings: how often it opened, its present state, and every event id. complete
// reports that it names all of them, and every host.
func (r *Renderer) flapping(d Digest, room Room) (markdown string, complete bool) {
	items := newestFirst(d.Items)
	for _, ids := range []int{len(items), 100, 20} {
		out, whole := r.flaps(d, items, room, ids)
		if out, fits := finish(out); fits {
			return out, whole
		}
	}
	out, _ := finish("🔁 **Flapping**\n" + inFile)
	return out, false
}

// flaps renders with at most ids event ids.
func (r *Renderer) flaps(d Digest, items []DigestItem, room Room, ids int) (out string, whole bool) {
	var b strings.Builder
	if d.Account {
		b.WriteString(accountHead + "\n" + r.goneOf(d.Gone))
	}
	if len(items) == 0 {
		if d.Left == 1 {
			b.WriteString("🔁 **Flapping** · the opening that was here has a message of its own now")
		} else {
			fmt.Fprintf(&b, "🔁 **Flapping** · the %s openings that were here have messages of their own now", number(d.Left))
		}
		return b.String(), true
	}
	newest, open := current(items)
	what := boldName(newest.Title)
	if newest.HasSeverity {
		what = wordOf(newest.Severity) + " · " + what
		if open > 0 {
			what = emojiOf(newest.Severity) + " " + what
		}
	}
	if open > 0 {
		fmt.Fprintf(&b, "🔁 **Flapping** · %s", what)
	} else {
		fmt.Fprintf(&b, "✅ **Flapping, now resolved** · %s", what)
	}
	hosts, all := flapHostsOf(items)
	if hosts != "" {
		b.WriteString("\n" + hosts)
	}
	at := clockIn(room.Location, newest.OpenedAt)
	b.WriteString("\n" + howOften(d, items))
	id, _ := link(r.idOf(newest.Key), newest.Link)
	switch {
	case open > 1:
		fmt.Fprintf(&b, " · %s open", number(open))
	case open == 1:
		fmt.Fprintf(&b, " · open%s (%s)", before(" since ", at(newest.OpenedAt)), id)
	default:
		fmt.Fprintf(&b, " · resolved%s (%s)", before(" at ", at(newest.ResolvedAt)), id)
	}
	if d.Left > 0 {
		b.WriteString("\n" + leftOf(d.Left))
	}
	b.WriteString("\n")
	for _, i := range items[:min(flapsShown, len(items))] {
		b.WriteString("\n" + r.flapLine(i, at))
	}
	if rest := items[min(flapsShown, len(items)):]; len(rest) > 0 {
		earlier := make([]string, len(rest))
		for n, i := range rest {
			earlier[n] = r.idOf(i.Key).String()
		}
		shown, whole := firstOf(max(ids-flapsShown, 0), earlier)
		b.WriteString("\nEarlier: " + shown)
		all = all && whole
	}
	b.WriteString("\n")
	if !all {
		b.WriteString("\n" + inFile)
	}
	if d.Last {
		b.WriteString("\n" + lastFlapEdit)
	}
	switch open {
	case 0:
		b.WriteString("\n" + oneOfThem + ".")
	case 1:
		b.WriteString("\nThe open one: `ack` in this thread. Another: `show ID`.")
	default:
		b.WriteString("\n" + allOfThem)
	}
	return b.String(), all
}

// howOften returns "opened again 6 times in 14m": the number of openings, and the time from the first to the last.
func howOften(d Digest, items []DigestItem) string {
	n := len(items) + d.Left
	if n == 1 {
		return "opened again"
	}
	span := formatDuration(items[len(items)-1].OpenedAt, items[0].OpenedAt)
	return fmt.Sprintf("opened again **%s times**", number(n)) + before(" in ", span)
}

func before(words, text string) string {
	if text == "" {
		return ""
	}
	return words + text
}

// flapLine returns the line of one opening. It never says "resolved": people read that as the state of the trigger.
func (r *Renderer) flapLine(i DigestItem, at func(time.Time) string) string {
	id, _ := link(r.idOf(i.Key), i.Link)
	line := "- " + at(i.OpenedAt) + " " + string(id)
	switch lasted := formatDuration(i.OpenedAt, i.ResolvedAt); {
	case !i.Open && !i.ResolvedAt.IsZero() && i.ResolvedAt.Sub(i.OpenedAt) < time.Second:
		return line + " · over at once"
	case !i.Open && lasted == "":
		return line + " · over"
	case !i.Open:
		return line + " · lasted " + lasted
	case i.Acked:
		line += " · open, " + ackedBy(i)
	default:
		line += " · open"
	}
	return line + before(" · 👤 ", limited(i.Owner, maxActor).String())
}

// current returns the newest open opening, or the newest one, and how many are open.
func current(items []DigestItem) (now DigestItem, open int) {
	now = items[0]
	for _, i := range items {
		if i.Open {
			if open++; open == 1 {
				now = i
			}
		}
	}
	return now, open
}

// newestFirst sorts a copy by time, and by id: later events have higher ids.
func newestFirst(items []DigestItem) []DigestItem {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b DigestItem) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(len(b.Key.EventID), len(a.Key.EventID)), strings.Compare(b.Key.String(), a.Key.String()))
	})
	return items
}

// flapHostsOf returns the hosts of all openings, usually the same ones.
func flapHostsOf(items []DigestItem) (hosts string, all bool) {
	var labels []string
	for _, i := range items {
		for _, label := range hostLabels(i) {
			if !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return firstOf(flapHosts, labels)
}

// FlapLine returns the notification in a flapping trigger's thread that it is open again and stays open.
func (r *Renderer) FlapLine(d Digest, room Room) string {
	items := newestFirst(d.Items)
	if len(items) == 0 {
		return ""
	}
	newest, _ := current(items)
	again := ""
	if n := len(items) + d.Left; n > 1 {
		again = fmt.Sprintf(" · %s time", ordinal(n)) + before(" in ", formatDuration(items[len(items)-1].OpenedAt, newest.OpenedAt))
	}
	out, _ := finish(fmt.Sprintf("%s **%s** · %s is open again%s (%s)%s", emojiOf(newest.Severity), wordOf(newest.Severity), boldName(newest.Title),
		before(" since ", clockIn(room.Location, newest.OpenedAt)(newest.OpenedAt)), r.idOf(newest.Key), again))
	return out
}

// ordinal returns "1st", "2nd", "11th".
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return number(n) + suffix
}
