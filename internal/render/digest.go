package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/webex"
)

// DigestItem is the part of a problem that a digest shows and keeps in memory: there may be thousands.
type DigestItem struct {
	Key         alert.Key
	Title       string
	Hosts       []alert.Host
	Severity    alert.Severity
	HasSeverity bool
	Open        bool
	Acked       bool
	AckedBy     string // "" if unknown
	Owner       string // "" for nobody
	OpenedAt    time.Time
	ResolvedAt  time.Time
	Link        URL // to the problem in Zabbix
}

// Digest is the content of one message about many problems.
type Digest struct {
	Items []DigestItem
	Left  int  // the number that left it for messages of their own
	Flap  bool // they are openings of one trigger
	// Symptoms: they are symptoms of one cause, in whose thread the message is.
	Symptoms bool
	Last     bool // the message can't be edited any more before all are resolved
	// Account: this is a reply in the thread of a message that can't be edited any more, with the current state and the problems
	// that left since the message was written (Gone).
	Account bool
	Gone    []DigestItem
}

// DigestItem returns the item of a problem in a room. It copies the texts, so that thousands of items don't keep whole problems in memory.
func (r *Renderer) DigestItem(p alert.Problem, room Room) DigestItem {
	title := p.Name
	if title == "" || p.Origin != alert.OriginTrigger {
		title = string(r.builder(&p, Room{Lang: room.Lang}, 1).view(Room{Lang: room.Lang}, time.Time{}).Title)
	}
	hosts := make([]alert.Host, 0, len(p.Hosts))
	for _, h := range p.Hosts {
		hosts = append(hosts, alert.Host{Host: strings.Clone(h.Host), Name: strings.Clone(h.Name)})
	}
	i := DigestItem{
		Key: p.Key, Title: strings.Clone(title), Hosts: hosts, Severity: p.Severity, HasSeverity: hasSeverity(&p), Open: p.Open(),
		Acked: p.Acknowledged && p.Open(), OpenedAt: p.OpenedAt, ResolvedAt: p.ResolvedAt, Link: r.problemURL(&p),
	}
	if by := p.AcknowledgedBy(); by != nil && i.Acked {
		i.AckedBy = string(r.builder(&p, Room{Lang: room.Lang}, 1).actor(by.Actor))
	}
	if i.Open {
		i.Owner = strings.Clone(p.Owner.Label())
	}
	return i
}

const (
	// maxGroupName is the longest group name, in runes.
	maxGroupName = 100
	// A digest is read on a phone: up to wholeItems problems are all named. Otherwise it has at most maxGroups groups, which
	// name about allItems problems together, each between leastItems and mostItems.
	wholeItems = 25
	maxGroups  = 15
	allItems   = 60
	leastItems = 3
	mostItems  = 10
)

const (
	accountHead = lang.Key("**The message above can't be edited any more.** Current state:")
	inFile      = lang.Key("📎 Every host and event id is in the list attached in this thread.")
	oneResolved = lang.Key("One of them: `show ID`.")
	oneOfThem   = lang.Key("One of them: `show ID`, `ack ID`.")
	allOfThem   = lang.Key("One of them: `show ID`, `ack ID`. All of them: `ack all` in this thread.")
	lastEdit    = lang.Key("This message can't be edited again until all are resolved. Until then changes are posted in this thread.")
)

// Digest returns the message of many problems: counts, then a line per trigger name with hosts and event ids, the worst first.
// With more than wholeItems problems a line names about ten, and names that differ only in host names, numbers and the like share
// a line. complete reports that the message names every host and event id. It shows no ages, since it is edited only when
// something changes.
func (r *Renderer) Digest(d Digest, room Room) (markdown string, complete bool) {
	if d.Flap {
		return r.flapping(d, room)
	}
	if len(d.Items) <= wholeItems {
		if out, fits := r.digest(room.Lang, d, groupsOf(d.Items, false), len(d.Items), webex.MaxMessageBytes); fits {
			return out, true
		}
	}
	groups := groupsOf(d.Items, true) // the list in the thread has the names as they are
	items := min(max(allItems/max(len(groups), 1), leastItems), mostItems)
	// Long names don't push other groups out.
	limit := max(6000/max(min(len(groups), maxGroups), 1), 180)
	out, _ := r.digest(room.Lang, d, groups, items, limit)
	return out, false
}

// digest renders with at most items problems and limit bytes per group. whole reports that nothing is left out.
func (r *Renderer) digest(l lang.Lang, d Digest, groups []*group, items, limit int) (out string, whole bool) {
	whole = true
	head, foot := r.heading(l, d)+"\n", "\n\n"+r.footOf(l, d, true)
	var body strings.Builder
	shown := 0
	for i, g := range groups {
		line, all := r.groupLine(l, g, items, limit)
		if i == maxGroups && len(d.Items) > wholeItems ||
			len(head)+body.Len()+len(line)+len(foot)+200 > webex.MaxMessageBytes { // leaves space for "… and N more"
			whole = false
			break
		}
		whole = whole && all
		body.WriteString("\n" + line)
		shown++
	}
	if rest := groups[shown:]; len(rest) > 0 {
		problems, open := 0, 0
		for _, g := range rest {
			problems += g.n
			open += g.open
		}
		body.WriteString("\n" + l.T("… and %s with %s", l.N(problems, "%d more problem", "%d more problems"), l.N(len(rest), "%d other name", "%d other names")))
		if open < problems {
			body.WriteString(l.T(", %d open", open))
		}
	}
	if whole {
		foot = "\n\n" + r.footOf(l, d, false)
	}
	out, fits := finish(head + body.String() + foot)
	return out, whole && fits
}

// heading gives the counts.
func (r *Renderer) heading(l lang.Lang, d Digest) string {
	open, acked := 0, 0
	bySeverity := map[alert.Severity]int{}
	other := 0
	for _, i := range d.Items {
		if !i.Open {
			continue
		}
		open++
		if i.Acked {
			acked++
		}
		if i.HasSeverity {
			bySeverity[i.Severity]++
		} else {
			other++
		}
	}
	left := before("\n", leftOf(l, d.Left))
	over := len(d.Items) - open
	var b strings.Builder
	if d.Account {
		b.WriteString(l.Of(accountHead) + " " + resolvedOf(l, d.Items) + "\n" + r.goneOf(l, d.Gone))
	}
	if len(d.Items) == 0 {
		if d.Symptoms {
			return b.String() + l.T("☑️ **No symptoms any more**") + left
		}
		return b.String() + l.T("☑️ **This digest is empty now**") + left
	}
	if open == 0 && d.Symptoms {
		return b.String() + l.N(over, "✅ **%d symptom of this problem, all resolved**", "✅ **%d symptoms of this problem, all resolved**") + left
	}
	if open == 0 {
		return b.String() + l.N(over, "✅ **%d problem at once, all resolved**", "✅ **%d problems at once, all resolved**") + left
	}
	if d.Symptoms {
		b.WriteString(l.N(len(d.Items), "↳ **%d symptom of this problem** · %d open", "↳ **%d symptoms of this problem** · %d open", open))
	} else {
		b.WriteString(l.N(len(d.Items), "🌩️ **%d problem at once** · %d open", "🌩️ **%d problems at once** · %d open", open))
	}
	if over > 0 {
		b.WriteString(l.T(", %d resolved", over))
	}
	if acked > 0 {
		b.WriteString(l.T(", %d acknowledged", acked))
	}
	b.WriteString("\n")
	var parts []string
	for _, s := range slices.Backward(alert.Severities[:]) {
		if n := bySeverity[s]; n > 0 {
			parts = append(parts, emojiOf(s)+" "+l.Number(n)+" "+wordOf(l, s))
		}
	}
	if other > 0 {
		parts = append(parts, l.T("%d other", other))
	}
	return b.String() + strings.Join(parts, " · ") + left
}

// leftOf describes the number of problems that have messages of their own now; "" for none.
func leftOf(l lang.Lang, n int) string {
	if n == 0 {
		return ""
	}
	return l.N(n, "1 more has a message of its own", "%d more have messages of their own")
}

const (
	goneMost = 2000 // bytes of the problems that left, with their hosts
	idsMost  = 2800 // bytes with event ids alone after that
)

// goneOf names the problems that left, in one line; "" for none.
func (r *Renderer) goneOf(l lang.Lang, gone []DigestItem) string {
	if len(gone) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(l.T("Now in messages of their own: "))
	for n, i := range gone {
		label := r.itemLabel(l, i, 1)
		if b.Len()+len(label) > goneMost {
			label = r.idOf(i.Key).String()
		}
		if b.Len()+len(label) > idsMost {
			b.WriteString(l.T(", … and %d more", len(gone)-n))
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(label)
	}
	return b.String() + "\n"
}

func ackedBy(l lang.Lang, i DigestItem) string {
	if i.AckedBy != "" {
		return l.T("open, acknowledged by %s", Text(i.AckedBy))
	}
	return l.T("open, acknowledged")
}

func (r *Renderer) footOf(l lang.Lang, d Digest, cut bool) string {
	var b strings.Builder
	if cut {
		b.WriteString(l.Of(inFile) + "\n")
	}
	if len(d.Items) == 0 {
		return ""
	}
	open := openOf(d.Items) > 0
	if d.Last && open {
		b.WriteString(l.Of(lastEdit) + "\n")
	}
	if open && d.Symptoms {
		b.WriteString(l.Of(oneOfThem))
	} else if open {
		b.WriteString(l.Of(allOfThem))
	} else {
		b.WriteString(l.Of(oneResolved))
	}
	for _, link := range r.zabbixesOf(d.Items) {
		b.WriteString(" · " + string(link))
	}
	return b.String()
}

// zabbixesOf links to the problems page of each Zabbix that the problems are from.
func (r *Renderer) zabbixesOf(items []DigestItem) (links []Markdown) {
	var sources []string
	for _, i := range items {
		if i.Key.Source != "" && !slices.Contains(sources, i.Key.Source) {
			sources = append(sources, i.Key.Source)
		}
	}
	slices.Sort(sources)
	for _, source := range sources {
		label := "Zabbix"
		if len(r.sources) > 1 {
			label += " " + source
		}
		if base := r.sources[source]; base != "" {
			to, _ := link(label, URL(base+"/zabbix.php?action=problem.view"))
			links = append(links, to)
		}
	}
	return links
}

// groupLine returns a group's line, with at most items of its hosts, in limit bytes. whole: it names all problems.
func (r *Renderer) groupLine(l lang.Lang, g *group, items, limit int) (line string, whole bool) {
	var b strings.Builder
	switch {
	case g.open == 0:
		b.WriteString("✅")
	case g.known:
		b.WriteString(emojiOf(g.worst))
	default:
		b.WriteString("⚙️")
	}
	fmt.Fprintf(&b, " %s · ", boldName(l, g.title))
	over := g.n - g.open
	switch {
	case g.open == 0:
		b.WriteString(l.T("%d resolved", over))
	case over == 0:
		b.WriteString(l.Number(g.open))
	default:
		b.WriteString(l.T("%d open, %d resolved", g.open, over))
	}
	if g.n > items && g.hosts > 1 {
		b.WriteString(l.T(" on %d hosts", g.hosts))
	}
	b.WriteString(": ")
	const more = 24
	left := g.n
	for i, item := range g.items {
		piece := r.itemLabel(l, *item.DigestItem, item.n)
		if !item.Open && g.open > 0 {
			piece = "✅ " + piece
		}
		if i > 0 {
			piece = ", " + piece
		}
		if i == items || b.Len()+len(piece)+more > limit {
			if i == 0 {
				return strings.TrimSuffix(b.String(), ": "), false
			}
			break
		}
		b.WriteString(piece)
		left -= item.n
	}
	if left > 0 {
		b.WriteString(l.T(" and %d more", left))
	}
	return b.String(), left == 0
}

// itemLabel names n problems on the same hosts by the first, escaped and whole: "sw1 (4711)", "sw1 (4711 and 2 more)".
func (r *Renderer) itemLabel(l lang.Lang, i DigestItem, n int) string {
	ids := r.idOf(i.Key).String()
	if n > 1 {
		ids += l.T(" and %d more", n-1)
	}
	hosts := hostLabels(i)
	if len(hosts) == 0 {
		return ids
	}
	return strings.Join(hosts, " + ") + " (" + ids + ")"
}

// hostLabels returns the names of a problem's hosts, escaped.
func hostLabels(i DigestItem) (labels []string) {
	for _, h := range i.Hosts {
		if label := Text(h.Label()).String(); label != "" {
			labels = append(labels, label)
		}
	}
	return labels
}

// openOf returns how many of the problems are open.
func openOf(items []DigestItem) (open int) {
	for _, i := range items {
		if i.Open {
			open++
		}
	}
	return open
}

// firstOf lists the first n with commas, and the number of the others. all reports that there are no others.
func firstOf(l lang.Lang, n int, list []string) (out string, all bool) {
	if more := len(list) - n; more > 0 {
		return strings.Join(list[:n], ", ") + l.T(", … and %d more", more), false
	}
	return strings.Join(list, ", "), true
}

// boldName returns a problem's name in bold, cut to a length that leaves room for others.
func boldName(l lang.Lang, name string) string {
	shown := limited(name, maxGroupName)
	if shown == "" {
		shown = Text(l.T("(no name)"))
	}
	return "**" + shown.String() + "**"
}

// resolvedOf returns how many of the problems are resolved.
func resolvedOf(l lang.Lang, items []DigestItem) string {
	resolved := len(items) - openOf(items)
	if resolved == len(items) {
		return l.T("✅ All %d resolved", resolved)
	}
	return l.T("%d of %d resolved", resolved, len(items))
}

// problems returns "1 problem", "5,000 problems".
func problems(l lang.Lang, n int) string { return l.N(n, "%d problem", "%d problems") }
