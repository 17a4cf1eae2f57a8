package render

import (
	"cmp"
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
)

// group is the problems of one name, or of names that are shown as one.
type group struct {
	title string
	worst alert.Severity // of the open ones; of all if none is open
	known bool           // worst is valid
	n     int
	open  int
	hosts int
	items []groupItem // the worst first; only those that are named
}

// groupItem is one problem, or several on the same hosts.
type groupItem struct {
	*DigestItem     // the worst
	n           int // all of them
}

// groupsOf groups problems by name; the worst group comes first, resolved ones last. With merged, names that differ only in host
// names, numbers and the like are one group, and problems on the same hosts one item.
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
		if i.Open {
			g.open++
		}
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

func (i *DigestItem) rank() int {
	switch {
	case !i.Open:
		return -2
	case !i.HasSeverity:
		return -1
	}
	return int(i.Severity)
}

func worstFirst(a, b *DigestItem) int {
	if c := cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.Severity, a.Severity)); c != 0 {
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

// natural compares numbers in names by their value: "sw2" before "sw10".
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
