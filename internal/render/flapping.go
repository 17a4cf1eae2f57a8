package render

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/lang"
)

const (
	flapsShown = 8  // the newest openings, which are shown with their times; earlier ones are ids
	flapHosts  = 20 // hosts that are named

	lastFlapEdit = lang.Key("This message can't be edited again until nothing is open. Until then changes are posted in this thread.")
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
	out, _ := finish(room.Lang.T("🔁 **Flapping**") + "\n" + room.Lang.Of(inFile))
	return out, false
}

// flaps renders with at most ids event ids.
func (r *Renderer) flaps(d Digest, items []DigestItem, room Room, ids int) (out string, whole bool) {
	l := room.Lang
	var b strings.Builder
	if d.Account {
		b.WriteString(l.Of(accountHead) + "\n" + r.goneOf(l, d.Gone))
	}
	if len(items) == 0 {
		return b.String() + l.N(d.Left, "🔁 **Flapping** · the opening that was here has a message of its own now",
			"🔁 **Flapping** · the %d openings that were here have messages of their own now"), true
	}
	newest, open := current(items)
	what := boldName(l, newest.Title)
	if newest.HasSeverity {
		what = wordOf(l, newest.Severity) + " · " + what
		if open > 0 {
			what = emojiOf(newest.Severity) + " " + what
		}
	}
	if open > 0 {
		b.WriteString(l.T("🔁 **Flapping** · %s", what))
	} else {
		b.WriteString(l.T("✅ **Flapping, now resolved** · %s", what))
	}
	hosts, all := flapHostsOf(l, items)
	if hosts != "" {
		b.WriteString("\n" + hosts)
	}
	at := clockIn(l, room.Location, newest.OpenedAt)
	b.WriteString("\n" + howOften(l, d, items))
	id, _ := link(r.idOf(newest.Key), newest.Link)
	switch {
	case open > 1:
		b.WriteString(l.T(" · %d open", open))
	case open == 1 && newest.OpenedAt.IsZero():
		b.WriteString(l.T(" · open (%s)", id))
	case open == 1:
		b.WriteString(l.T(" · open since %s (%s)", at(newest.OpenedAt), id))
	case newest.ResolvedAt.IsZero():
		b.WriteString(l.T(" · resolved (%s)", id))
	default:
		b.WriteString(l.T(" · resolved at %s (%s)", at(newest.ResolvedAt), id))
	}
	if d.Left > 0 {
		b.WriteString("\n" + leftOf(l, d.Left))
	}
	b.WriteString("\n")
	for _, i := range items[:min(flapsShown, len(items))] {
		b.WriteString("\n" + r.flapLine(l, i, at))
	}
	if rest := items[min(flapsShown, len(items)):]; len(rest) > 0 {
		earlier := make([]string, len(rest))
		for n, i := range rest {
			earlier[n] = r.idOf(i.Key).String()
		}
		shown, whole := firstOf(l, max(ids-flapsShown, 0), earlier)
		b.WriteString("\n" + l.T("Earlier: %s", shown))
		all = all && whole
	}
	b.WriteString("\n")
	if !all {
		b.WriteString("\n" + l.Of(inFile))
	}
	if d.Last {
		b.WriteString("\n" + l.Of(lastFlapEdit))
	}
	switch open {
	case 0:
		b.WriteString("\n" + l.Of(oneResolved))
	case 1:
		b.WriteString("\n" + l.T("The open one: `ack` in this thread. Another: `show ID`."))
	default:
		b.WriteString("\n" + l.Of(allOfThem))
	}
	return b.String(), all
}

// howOften returns "opened again 6 times in 14m": the number of openings, and the time from the first to the last.
func howOften(l lang.Lang, d Digest, items []DigestItem) string {
	n := len(items) + d.Left
	if n == 1 {
		return l.T("opened again")
	}
	span := formatDuration(l, items[len(items)-1].OpenedAt, items[0].OpenedAt)
	if span == "" {
		return l.T("opened again **%d times**", n)
	}
	return l.T("opened again **%d times** in %s", n, span)
}

func before(words, text string) string {
	if text == "" {
		return ""
	}
	return words + text
}

// flapLine returns the line of one opening. It never says "resolved": people read that as the state of the trigger.
func (r *Renderer) flapLine(l lang.Lang, i DigestItem, at func(time.Time) string) string {
	id, _ := link(r.idOf(i.Key), i.Link)
	line := "- " + at(i.OpenedAt) + " " + string(id)
	switch lasted := formatDuration(l, i.OpenedAt, i.ResolvedAt); {
	case !i.Open && !i.ResolvedAt.IsZero() && i.ResolvedAt.Sub(i.OpenedAt) < time.Second:
		return line + l.T(" · over at once")
	case !i.Open && lasted == "":
		return line + l.T(" · over")
	case !i.Open:
		return line + l.T(" · lasted %s", lasted)
	case i.Acked:
		line += " · " + ackedBy(l, i)
	default:
		line += l.T(" · open")
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
func flapHostsOf(l lang.Lang, items []DigestItem) (hosts string, all bool) {
	var labels []string
	for _, i := range items {
		for _, label := range hostLabels(i) {
			if !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return firstOf(l, flapHosts, labels)
}

// FlapLine returns the notification in a flapping trigger's thread that it is open again and stays open.
func (r *Renderer) FlapLine(d Digest, room Room) string {
	items := newestFirst(d.Items)
	if len(items) == 0 {
		return ""
	}
	l := room.Lang
	newest, _ := current(items)
	again := ""
	if n := len(items) + d.Left; n > 1 {
		again = l.T(" · %s time", l.Ordinal(n))
		if span := formatDuration(l, items[len(items)-1].OpenedAt, newest.OpenedAt); span != "" {
			again = l.T(" · %s time in %s", l.Ordinal(n), span)
		}
	}
	what := emojiOf(newest.Severity) + " **" + wordOf(l, newest.Severity) + "** · "
	if since := clockIn(l, room.Location, newest.OpenedAt)(newest.OpenedAt); since != "" {
		what += l.T("%s is open again since %s (%s)", boldName(l, newest.Title), since, r.idOf(newest.Key))
	} else {
		what += l.T("%s is open again (%s)", boldName(l, newest.Title), r.idOf(newest.Key))
	}
	out, _ := finish(what + again)
	return out
}
