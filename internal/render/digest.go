package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/webex"
)

// DigestItem is what a digest tells of one problem: no more than that is held of
// each, since there may be thousands.
type DigestItem struct {
	Key         alert.Key
	Title       string
	Hosts       []alert.Host
	Severity    alert.Severity
	HasSeverity bool
	Open        bool
	Acked       bool
	AckedBy     string // "" where nobody told
	OpenedAt    time.Time
	ResolvedAt  time.Time
	Link        URL // to the problem in Zabbix
}

// Digest is what one message tells of many problems.
type Digest struct {
	Items []DigestItem
	Left  int  // how many were in it and are told by themselves now
	Flap  bool // they are openings of one trigger
	Last  bool // the message can't be edited any more before all are resolved
	// Account is not the message but what its thread says instead, since it can't be
	// edited any more: how it is now, and who left since the message was written (Gone).
	Account bool
	Gone    []DigestItem
}

// DigestItem makes one of a problem. It holds copies: a problem's texts are parts of
// its whole document, which thousands of items mustn't hold.
func (r *Renderer) DigestItem(p alert.Problem) DigestItem {
	title := p.Name
	if title == "" || p.Origin != alert.OriginTrigger {
		title = string(r.builder(&p, Room{}, 1).view(Room{}, time.Time{}).Title)
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
		i.AckedBy = string(r.builder(&p, Room{}, 1).actor(by.Actor))
	}
	return i
}

const (
	// maxGroupName is the longest that a digest shows of a group's name, in runes.
	maxGroupName = 100
	// A digest is read on a phone: up to wholeItems problems are all named; else at
	// most maxGroups groups, and of them all about allItems problems, at least leastItems and at most mostItems each.
	wholeItems = 25
	maxGroups  = 15
	allItems   = 60
	leastItems = 3
	mostItems  = 10
)

const (
	accountHead = "**The message above can't be edited any more.** How it is now:"
	lastEdit    = "This message can't be edited again before all are resolved: what changes is told in this thread."
)

// Digest is the message that stands for many problems: counts, then a line for each trigger name with hosts and event ids,
// the worst first. Of more than wholeItems problems a line names about ten, and names that differ only in host names,
// numbers and the like share a line. complete says that the message names every host and event id. It gives no ages, since
// it is edited only when something changes.
func (r *Renderer) Digest(d Digest, room Room) (markdown string, complete bool) {
	if d.Flap {
		return r.flapping(d, room)
	}
	if len(d.Items) <= wholeItems {
		if out, fits := r.digest(d, groupsOf(d.Items, false), len(d.Items), webex.MaxMessageBytes); fits {
			return out, true
		}
	}
	groups := groupsOf(d.Items, true) // the list in the thread has the names as they are
	items := min(max(allItems/max(len(groups), 1), leastItems), mostItems)
	// However long names are, each group has its place.
	limit := max(6000/max(min(len(groups), maxGroups), 1), 180)
	out, _ := r.digest(d, groups, items, limit)
	return out, false
}

// digest renders with so many problems and bytes for each group; whole says that nothing is left out.
func (r *Renderer) digest(d Digest, groups []*group, items, limit int) (out string, whole bool) {
	whole = true
	head, foot := r.heading(d)+"\n", "\n\n"+r.footOf(d, true)
	var body strings.Builder
	shown := 0
	for i, g := range groups {
		line, all := r.groupLine(g, items, limit)
		if i == maxGroups && len(d.Items) > wholeItems ||
			len(head)+body.Len()+len(line)+len(foot)+200 > webex.MaxMessageBytes { // and room for "… and so many more"
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
		fmt.Fprintf(&body, "\n… and %s more with %s", count(problems, "problem"), count(len(rest), "other name"))
		if open < problems {
			fmt.Fprintf(&body, ", %s open", number(open))
		}
	}
	if whole {
		foot = "\n\n" + r.footOf(d, false)
	}
	out, fits := finish(head + body.String() + foot)
	return out, whole && fits
}

// heading is the counts.
func (r *Renderer) heading(d Digest) string {
	open, acked, left := 0, 0, ""
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
	left = before("\n", leftOf(d.Left))
	over := len(d.Items) - open
	var b strings.Builder
	if d.Account {
		line, _ := r.DigestLine(d)
		b.WriteString(accountHead + " " + line + "\n" + r.goneOf(d.Gone))
	}
	if len(d.Items) == 0 {
		return b.String() + "☑️ **Nothing is left of this digest**" + left
	}
	if open == 0 {
		return b.String() + fmt.Sprintf("✅ **%s at once, all resolved**%s", count(over, "problem"), left)
	}
	fmt.Fprintf(&b, "🌩️ **%s at once** · %s open", count(len(d.Items), "problem"), number(open))
	if over > 0 {
		fmt.Fprintf(&b, ", %s resolved", number(over))
	}
	if acked > 0 {
		fmt.Fprintf(&b, ", %s acknowledged", number(acked))
	}
	b.WriteString("\n")
	var parts []string
	for _, s := range slices.Backward(alert.Severities[:]) {
		if n := bySeverity[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s %s", emojiOf(s), number(n), wordOf(s)))
		}
	}
	if other > 0 {
		parts = append(parts, number(other)+" other")
	}
	b.WriteString(strings.Join(parts, " · "))
	b.WriteString(left)
	return b.String()
}

// leftOf says how many have messages of their own; "" for none.
func leftOf(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 more has a message of its own"
	}
	return number(n) + " more have messages of their own"
}

const (
	goneMost = 2000 // bytes of those who left, with their hosts; from there on
	idsMost  = 2800 // their event ids alone, up to here
)

// goneOf names who left, a line; "" for nobody.
func (r *Renderer) goneOf(gone []DigestItem) string {
	if len(gone) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("No longer told here, but by their own: ")
	for n, i := range gone {
		label := r.itemLabel(i, 1)
		if b.Len()+len(label) > goneMost {
			label = r.idOf(i.Key).String()
		}
		if b.Len()+len(label) > idsMost {
			fmt.Fprintf(&b, ", … and %s more", number(len(gone)-n))
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(label)
	}
	return b.String() + "\n"
}

func ackedBy(i DigestItem) string {
	if i.AckedBy != "" {
		return "acknowledged by " + Text(i.AckedBy).String()
	}
	return "acknowledged"
}

func (r *Renderer) footOf(d Digest, cut bool) string {
	var b strings.Builder
	if cut {
		b.WriteString("📎 Every host and event id is in the list attached in this thread.\n")
	}
	open := slices.ContainsFunc(d.Items, func(i DigestItem) bool { return i.Open })
	if len(d.Items) == 0 {
		return ""
	}
	if d.Last && open {
		b.WriteString(lastEdit + "\n")
	}
	if open {
		b.WriteString("One of them: `show ID`, `ack ID`. All of them: `ack all` in this thread.")
	} else {
		b.WriteString("One of them: `show ID`.")
	}
	for _, link := range r.zabbixesOf(d.Items) {
		b.WriteString(" · " + string(link))
	}
	return b.String()
}

// zabbixesOf are links to the problems' page of each Zabbix that these are from.
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

// group is the problems of one name, or of names that are shown as one.
type group struct {
	title string
	worst alert.Severity // of the open ones; of all where none is open
	known bool           // worst means anything
	n     int
	open  int
	hosts int
	items []groupItem // worst first; no more than are named
}

// groupItem is one problem, or several on the same hosts.
type groupItem struct {
	*DigestItem     // the worst
	n           int // all of them
}

// groupsOf groups problems by name; the worst group comes first, resolved ones last. merged says that names which differ only
// in host names, numbers and the like are one group, and problems on the same hosts one item.
func groupsOf(items []DigestItem, merged bool) []*group {
	byTitle := map[string]*group{}
	worst := map[string]*DigestItem{}
	for n := range items {
		i := &items[n]
		if byTitle[i.Title] == nil {
			byTitle[i.Title] = &group{title: i.Title}
		}
		if w := worst[i.Title]; w == nil || worstFirst(i, w) < 0 {
			worst[i.Title] = i
		}
	}
	if merged {
		mergeNames(byTitle, worst)
	}
	type place struct {
		group *group
		hosts string
		n     int // of an item that isn't merged
	}
	found := map[place]*groupItem{}
	hosts := map[place]bool{}
	var groups []*group
	for n := range items {
		i := &items[n]
		g := byTitle[i.Title]
		if g.n++; g.n == 1 {
			groups = append(groups, g)
		}
		g.open += boolInt(i.Open)
		for _, h := range i.Hosts {
			if at := (place{group: g, hosts: h.Label()}); !hosts[at] {
				hosts[at] = true
				g.hosts++
			}
		}
		at := place{group: g, n: n}
		if merged {
			at = place{group: g, hosts: hostsOf(i)}
		}
		if known := found[at]; known == nil {
			found[at] = &groupItem{i, 1}
		} else {
			if known.n++; worstFirst(i, known.DigestItem) < 0 {
				known.DigestItem = i
			}
		}
	}
	for at, item := range found {
		at.group.add(*item)
	}
	for _, g := range groups {
		g.worst, g.known = g.items[0].Severity, g.items[0].HasSeverity
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(min(b.open, 1), min(a.open, 1)), cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.n, a.n), strings.Compare(a.title, b.title))
	})
	return groups
}

// mergeNames makes one group of those whose names differ only in host names, numbers and the like, and whose worst problems
// are of one severity: "Free space below 10 %" and "below 20 %" are two triggers if their severities say so.
func mergeNames(byTitle map[string]*group, worst map[string]*DigestItem) {
	type key struct {
		pattern  string
		severity alert.Severity
	}
	patterns := make(map[key]namePattern, len(byTitle))
	merged := map[key]*group{}
	for title, g := range byTitle {
		p := patternOf(title, worst[title].Hosts)
		k := key{p.key, worst[title].Severity}
		if merged[k] == nil {
			merged[k], patterns[k] = g, p
			continue
		}
		patterns[k].merge(p)
		byTitle[title] = merged[k]
	}
	for k, g := range merged {
		g.title = patterns[k].String()
	}
}

// add keeps the worst items in order. Of tens of thousands no more are kept than are named.
func (g *group) add(i groupItem) {
	compare := func(a, b groupItem) int { return worstFirst(a.DigestItem, b.DigestItem) }
	if n := len(g.items); n == wholeItems {
		if compare(i, g.items[n-1]) >= 0 {
			return
		}
		g.items = g.items[:n-1]
	}
	at, _ := slices.BinarySearchFunc(g.items, i, compare)
	g.items = slices.Insert(g.items, at, i)
}

func (g *group) rank() int {
	if !g.known {
		return -1
	}
	return int(g.worst)
}

func worstFirst(a, b *DigestItem) int {
	rank := func(i *DigestItem) int {
		switch {
		case !i.Open:
			return -2
		case !i.HasSeverity:
			return -1
		}
		return int(i.Severity)
	}
	if c := cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.Severity, a.Severity)); c != 0 {
		return c
	}
	return cmp.Or(natural(hostsOf(a), hostsOf(b)), cmp.Compare(len(a.Key.EventID), len(b.Key.EventID)),
		strings.Compare(a.Key.Source, b.Key.Source), strings.Compare(a.Key.EventID, b.Key.EventID))
}

func hostsOf(i *DigestItem) string {
	if len(i.Hosts) == 1 {
		return i.Hosts[0].Label()
	}
	labels := make([]string, 0, len(i.Hosts))
	for _, h := range i.Hosts {
		labels = append(labels, h.Label())
	}
	return strings.Join(labels, "+")
}

// natural compares names as people sort them: "sw2" before "sw10".
func natural(a, b string) int {
	if a == b {
		return 0
	}
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' }
	digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			n, m := digits(a), digits(b)
			x, y := strings.TrimLeft(a[:n], "0"), strings.TrimLeft(b[:m], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), cmp.Compare(n, m)); c != 0 {
				return c
			}
			a, b = a[n:], b[m:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// groupLine is one group with so many of its hosts at most, and as fit into limit
// bytes; whole says that all are there.
func (r *Renderer) groupLine(g *group, items, limit int) (line string, whole bool) {
	var b strings.Builder
	switch {
	case g.open == 0:
		b.WriteString("✅")
	case g.known:
		b.WriteString(emojiOf(g.worst))
	default:
		b.WriteString("⚙️")
	}
	title := limited(g.title, maxGroupName)
	if title == "" {
		title = "without a name"
	}
	fmt.Fprintf(&b, " **%s** · ", title)
	over := g.n - g.open
	switch {
	case g.open == 0:
		fmt.Fprintf(&b, "%s resolved", number(over))
	case over == 0:
		fmt.Fprintf(&b, "%s", number(g.open))
	default:
		fmt.Fprintf(&b, "%s open, %s resolved", number(g.open), number(over))
	}
	if g.n > items && g.hosts > 1 {
		fmt.Fprintf(&b, " on %s hosts", number(g.hosts))
	}
	b.WriteString(": ")
	const more = 24
	left := g.n
	for i, item := range g.items {
		piece := r.itemLabel(*item.DigestItem, item.n)
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
		fmt.Fprintf(&b, " and %s more", number(left))
	}
	return b.String(), left == 0
}

// itemLabel names n problems on the same hosts by the first, escaped and whole: "sw1 (4711)", "sw1 (4711 and 2 more)".
func (r *Renderer) itemLabel(i DigestItem, n int) string {
	ids := r.idOf(i.Key).String()
	if n > 1 {
		ids += " and " + number(n-1) + " more"
	}
	var hosts []string
	for _, h := range i.Hosts {
		if label := (Text(h.Label())).String(); label != "" {
			hosts = append(hosts, label)
		}
	}
	if len(hosts) == 0 {
		return ids
	}
	return strings.Join(hosts, " + ") + " (" + ids + ")"
}

// DigestLine tells in a digest's thread what can't be edited into it any more,
// and how many problems it says are resolved.
func (r *Renderer) DigestLine(d Digest) (markdown string, resolved int) {
	for _, i := range d.Items {
		if !i.Open {
			resolved++
		}
	}
	if resolved == len(d.Items) {
		return fmt.Sprintf("✅ all %s resolved", number(resolved)), resolved
	}
	return fmt.Sprintf("%s of %s resolved", number(resolved), number(len(d.Items))), resolved
}

// count is "1 problem", "5,000 problems".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return number(n) + " " + what
}

// number is a whole number as people read it: "5,000".
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
