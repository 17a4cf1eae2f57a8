package render_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

var stormAt = time.Date(2026, 11, 24, 13, 51, 51, 0, time.UTC)

func stormItem(n int, name string, s alert.Severity, open bool) render.DigestItem {
	return render.DigestItem{
		Key: alert.Key{Source: "main", EventID: fmt.Sprint(4700 + n)}, Title: name, Severity: s, HasSeverity: true, Open: open,
		Hosts: []alert.Host{{Host: fmt.Sprintf("sw%04d", n)}}, OpenedAt: stormAt.Add(time.Duration(n) * time.Second),
	}
}

func storm(n int, names int, open func(int) bool) render.Digest {
	var d render.Digest
	for i := range n {
		d.Items = append(d.Items, stormItem(i, fmt.Sprintf("Link down on uplink %d", i%names), alert.Severity(1+i%names%4), open(i)))
	}
	return d
}

// numbered returns a storm of links on a hundred hosts, in which each problem's name contains its host and port.
func numbered(n int) render.Digest {
	var d render.Digest
	for i := range n {
		item := stormItem(i, "", alert.High, i%9 != 0)
		item.Hosts[0].Host = fmt.Sprintf("sw%03d", i%100)
		item.Title = fmt.Sprintf("%s: link down on port %d", item.Hosts[0].Host, i/100+1)
		d.Items = append(d.Items, item)
	}
	return d
}

func all(int) bool  { return true }
func none(int) bool { return false }

func TestDigestGolden(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc", Location: berlin(t)}
	small := storm(14, 3, func(i int) bool { return i%5 != 0 })
	small.Items[1].Acked, small.Left = true, 2
	small.Items = append(small.Items,
		render.DigestItem{Key: alert.Key{Source: "main", EventID: "9001"}, Title: "Item not supported", Open: true},
		render.DigestItem{Key: alert.Key{Source: "main", EventID: "9002"}, Title: "Two hosts", Severity: alert.High, HasSeverity: true, Open: true,
			Hosts: []alert.Host{{Host: "db1", Name: "Database 1"}, {Host: "db2"}}})
	for name, d := range map[string]render.Digest{
		"small": small, "large": storm(5000, 4, all), "many names": storm(5000, 400, all), "hosts and numbers in names": numbered(2973), "all resolved": storm(5000, 4, none),
	} {
		markdown, complete := r.Digest(d, room)
		require.Equal(t, name == "small", complete, name)
		file := string(r.DigestFile(d, room, stormAt))
		lines := strings.SplitAfter(file, "\r\n")
		golden(t, "digest/"+name+".txt", fmt.Sprintf("%s\n--- file, its first lines ---\n%s", markdown,
			strings.ReplaceAll(strings.Join(lines[:min(20, len(lines))], ""), "\r\n", "\n")))
	}
}

// A message about symptoms is in the thread of their cause, whose commands aren't theirs.
func TestSymptoms(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	some, left := storm(4, 2, func(i int) bool { return i != 1 }), storm(4, 2, all)
	left.Left = 2
	empty := render.Digest{Left: 3}
	over := storm(2, 2, none)
	for name, d := range map[string]render.Digest{"open": some, "left": left, "empty": empty, "all resolved": over} {
		d.Symptoms = true
		markdown, _ := r.Digest(d, room)
		golden(t, "symptoms/"+name+".txt", markdown)
	}
}

// A digest that says it is complete names every problem, and the list always does, one per line.
func TestDigestAccountsForAll(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	for _, n := range []int{1, 2, 11, 60, 500, 5000} {
		for _, names := range []int{1, 3, 50, n} {
			d := storm(n, names, func(i int) bool { return i%3 != 0 })
			markdown, complete := r.Digest(d, room)
			require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
			file := string(r.DigestFile(d, room, stormAt))
			require.Equal(t, n+2, strings.Count(file, "\r\n"))
			named := map[string]bool{}
			for line := range strings.SplitSeq(file, "\r\n") {
				named[strings.Join(strings.Fields(line)[min(4, len(strings.Fields(line))):min(6, len(strings.Fields(line)))], " ")] = true
			}
			for _, i := range d.Items {
				require.True(t, named[i.Key.String()+" "+i.Hosts[0].Host], i.Key)
				if complete {
					require.Contains(t, markdown, i.Hosts[0].Host+" ("+i.Key.EventID+")")
				}
			}
			if !complete {
				require.Contains(t, markdown, "attached in this thread")
				require.Greater(t, n, 25, "a short digest names all")
			}
		}
	}
}

// With names of any length, a digest says how many problems it omits, and keeps its last line.
func TestDigestCountsWhatItOmits(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	left := 0
	for width := 30; width <= 98; width++ {
		for _, hosts := range []int{1, 7, 19} { // so that every remainder of the space comes up
			d := storm(25, 25, all)
			for i := range d.Items {
				d.Items[i].Title = fmt.Sprintf("%02d", i) + strings.Repeat("&", width)
				d.Items[i].Hosts = []alert.Host{{Host: strings.Repeat("h", hosts)}}
			}
			markdown, complete := r.Digest(d, room)
			require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
			if complete {
				continue
			}
			left++
			named := strings.Count(markdown, "**") / 2
			var more, names int
			_, rest, ok := strings.Cut(markdown, "\n… and ")
			require.True(t, ok, "%d: %s", width, markdown[len(markdown)-200:])
			_, err := fmt.Sscanf(rest, "%d more problems with %d other names", &more, &names)
			if err != nil {
				_, err = fmt.Sscanf(rest, "%d more problem with %d other name", &more, &names)
			}
			require.NoError(t, err, rest)
			require.Equal(t, 25, named-1+more, "the heading is bold, too")
			require.Contains(t, rest, "attached in this thread")
			require.Contains(t, rest, "All of them: `ack all` in this thread.")
		}
	}
	require.Greater(t, left, 50)
}

// A digest that names all its problems shows each name as it is; only a longer one, which has a list, merges names.
func TestShortDigestShowsEveryName(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	markdown, complete := r.Digest(numbered(25), room)
	require.True(t, complete)
	require.Contains(t, markdown, "**sw007: link down on port 1** · 1: sw007 (4707)")
	require.NotContains(t, markdown, "#")
	markdown, complete = r.Digest(numbered(26), room)
	require.False(t, complete)
	require.Contains(t, markdown, "**link down on port 1** · 23 open, 3 resolved on 26 hosts: ")
}

// Only a digest whose problems are all resolved says so.
func TestDigestResolved(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	over, _ := r.Digest(storm(5000, 4, none), room)
	require.Contains(t, over, "all resolved")
	open, _ := r.Digest(storm(5000, 4, func(i int) bool { return i == 0 }), room)
	require.NotContains(t, open, "all resolved")
	require.Contains(t, open, "1 open, 4,999 resolved")
}

// With any hosts, triggers and ids, a digest contains no markup of theirs and fits, and its list has a line per problem.
func FuzzDigest(f *testing.F) {
	f.Add("sw1", "Link down", "4711", 3)
	f.Add("<@all>", "**bold** [x](http://evil.example)\n# heading", "1\n2", 200)
	f.Add("`sw`\u202egnp", strings.Repeat("&", 400), "", 40)
	f.Add("a\r\nb", "- list\n- more\n\n> quote", "99999999999999999999", 2)
	f.Fuzz(func(t *testing.T, host, title, id string, n int) {
		r, room := newRenderer(t), render.Room{Name: "noc"}
		n = 1 + max(n, -n)%300
		if n < 0 {
			n = 1
		}
		var d render.Digest
		for i := range n {
			item := stormItem(i, title, alert.High, i%2 == 0)
			item.Hosts = []alert.Host{{Host: host + fmt.Sprint(i)}, {Host: title}}
			if i%3 == 0 {
				item.Title = fmt.Sprint(title, i)
				item.Key.EventID = id
			}
			d.Items = append(d.Items, item)
		}
		markdown, _ := r.Digest(d, room)
		harmless(t, "problems", markdown)
		d.Account, d.Gone = true, d.Items[:1]
		account, _ := r.Digest(d, room)
		harmless(t, "problems", account)
		file := string(r.DigestFile(d, room, stormAt))
		require.Equal(t, n+2, strings.Count(file, "\n"))
		require.Equal(t, n+2, strings.Count(file, "\r"))
	})
}

// The worst group comes first, and in it the worst open problem; resolved problems come last. Counts are by severity and by name.
func TestDigestOrderAndCounts(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	d := render.Digest{Left: 3, Items: []render.DigestItem{
		stormItem(1, "over", alert.High, false),
		stormItem(2, "mild", alert.Warning, true), stormItem(3, "mild", alert.Warning, false), stormItem(4, "mild", alert.Average, false),
		stormItem(5, "bad", alert.Warning, true), stormItem(6, "bad", alert.High, true), stormItem(7, "bad", alert.High, true),
		stormItem(8, "unknown", alert.NotClassified, true),
	}}
	d.Items[4].Acked, d.Items[7].HasSeverity = true, false
	markdown, complete := r.Digest(d, room)
	require.True(t, complete)
	lines := strings.Split(strings.ReplaceAll(markdown, "  \n", "\n"), "\n")
	require.Equal(t, []string{
		"🌩️ **8 problems at once** · 5 open, 3 resolved, 1 acknowledged",
		"🟧 2 High · 🟫 2 Warning · 1 other",
		"3 more have messages of their own",
		"",
		"🟧 **bad** · 3: sw0006 (4706), sw0007 (4707), sw0005 (4705)",
		"🟫 **mild** · 1 open, 2 resolved: sw0002 (4702), ✅ sw0004 (4704), ✅ sw0003 (4703)",
		"⚙️ **unknown** · 1: sw0008 (4708)",
		"✅ **over** · 1 resolved: sw0001 (4701)",
	}, lines[:8])

	// Hosts are sorted by the values of their numbers.
	numbered := storm(5, 1, all)
	for i, n := range []string{"10", "9", "2", "02", "1b"} {
		numbered.Items[i].Hosts[0].Host = "access " + n
	}
	markdown, _ = r.Digest(numbered, room)
	require.Contains(t, markdown, "access 1b (4704), access 2 (4702), access 02 (4703), access 9 (4701), access 10 (4700)")

	// The problems that are shown and those that are counted add up.
	big := storm(5000, 40, func(i int) bool { return i%4 != 0 })
	for i := range big.Items {
		letter := 'a' + rune(i%40)/2
		big.Items[i].Title = strings.Replace(big.Items[i].Title, "uplink", fmt.Sprintf("%c%c-side uplink", letter, letter+rune(i%2)), 1)
	}
	markdown, complete = r.Digest(big, room)
	require.False(t, complete)
	require.Contains(t, markdown, "**5,000 problems at once** · 3,750 open, 1,250 resolved")
	require.Contains(t, markdown, "more problems with 25 other names")
	require.Equal(t, 15, strings.Count(markdown, "**Link down"))
	require.Less(t, len(markdown), 3500, "it is read on a phone")
}
