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

// flaps returns n openings, three minutes apart, each open for 40 s; with open the last one is still open.
func flaps(n int, open bool) render.Digest {
	d := render.Digest{Flap: true}
	for i := range n {
		item := stormItem(i, "Link <b>down</b> on uplink 1", alert.High, open && i == n-1)
		item.Hosts = []alert.Host{{Host: "sw1", Name: "Switch 1"}}
		item.OpenedAt = stormAt.Add(time.Duration(i) * 3 * time.Minute)
		item.Link = render.URL("https://zabbix.example.com/tr_events.php?triggerid=17&eventid=" + item.Key.EventID)
		if !item.Open {
			item.ResolvedAt = item.OpenedAt.Add(40 * time.Second)
		}
		d.Items = append(d.Items, item)
	}
	return d
}

func TestFlappingGolden(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc", Location: berlin(t)}
	acked, left, account := flaps(4, true), flaps(3, true), flaps(2, true)
	acked.Items[3].Acked, acked.Items[3].AckedBy = true, "Alice *Example* (via Webex)"
	owned, both := flaps(4, true), flaps(4, true)
	owned.Items[3].Owner = "Alice *Example*"
	both.Items[3].Acked, both.Items[3].AckedBy, both.Items[3].Owner = true, "Bob Baker", "Alice *Example*"
	left.Items, left.Left = left.Items[1:], 1
	account.Account, account.Gone = true, flaps(3, true).Items[2:]
	for name, d := range map[string]render.Digest{
		"first": flaps(1, true), "still open": flaps(4, true), "resolved": flaps(4, false), "many openings": flaps(40, true),
		"acknowledged": acked, "owned": owned, "acknowledged and owned": both, "one removed": left, "account": account, "empty": {Flap: true, Left: 2},
	} {
		markdown, complete := r.Digest(d, room)
		require.True(t, complete, name)
		golden(t, "flapping/"+name+".txt", fmt.Sprintf("%s\n--- when a severe one opens again ---\n%s", markdown, r.FlapLine(d, room)))
	}
	markdown, _ := r.Digest(render.Digest{Items: storm(14, 3, all).Items[3:], Left: 3, Account: true, Gone: storm(14, 3, all).Items[:3]}, room)
	golden(t, "digest/account.txt", markdown)
	last := storm(14, 3, all)
	last.Last = true
	markdown, _ = r.Digest(last, room)
	golden(t, "digest/last edit.txt", markdown)
}

// An item has the owner of a problem as long as it is open.
func TestOwnerOfADigestItem(t *testing.T) {
	r := newRenderer(t)
	p := alert.Problem{Key: alert.ParseKey("main/4711"), State: alert.StateOpen, Owner: alert.Owner{Email: "alice@example.com"}}
	require.Equal(t, "alice@example.com", r.DigestItem(p, render.Room{}).Owner)
	p.State = alert.StateResolved
	require.Empty(t, r.DigestItem(p, render.Room{}).Owner)
}

// If several openings are open, the message and its notification are about the newest one.
func TestFlappingShowsTheNewestOpening(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	d := flaps(4, true)
	d.Items[1].Open, d.Items[1].ResolvedAt, d.Items[1].Severity = true, time.Time{}, alert.Warning
	markdown, _ := r.Digest(d, room)
	require.Contains(t, markdown, "2 open")
	for _, text := range []string{strings.SplitN(markdown, "\n", 2)[0], r.FlapLine(d, room)} {
		require.Contains(t, text, "High")
		require.NotContains(t, text, "Warning")
	}
}

// With any number of openings and any names, the count is right, every event id is named or a list is announced, and only
// resolved openings say so.
func TestFlappingAccountsForAll(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	for _, n := range []int{1, 2, 8, 9, 100, 3000} {
		for _, open := range []bool{true, false} {
			d := flaps(n, open)
			d.Left = 2
			for i := range d.Items {
				d.Items[i].Hosts = append(d.Items[i].Hosts, alert.Host{Host: strings.Repeat("x", n%7)})
			}
			markdown, complete := r.Digest(d, room)
			require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
			require.Contains(t, markdown, fmt.Sprintf("opened again **%s times**", comma(n+2)))
			require.Equal(t, !open, strings.Contains(strings.SplitN(markdown, "\n", 2)[0], "now resolved"))
			require.Equal(t, n <= 100, complete)
			require.Equal(t, !complete, strings.Contains(markdown, "list attached in this thread"))
			named := 0
			for _, i := range d.Items {
				if strings.Contains(markdown, i.Key.EventID) {
					named++
				}
			}
			if complete {
				require.Equal(t, n, named)
			} else {
				require.Contains(t, markdown, fmt.Sprintf(", … and %s more", comma(n-named)))
			}
			require.Equal(t, n, strings.Count(string(r.DigestFile(d, room, stormAt)), "Link <b>down"))
		}
	}
}

func comma(n int) string {
	if n >= 1000 {
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return fmt.Sprint(n)
}

// With host names of any length, problems that left a digest are named at least by event id; of many hundreds the rest is
// counted.
func TestProblemsThatLeftADigestAreNamed(t *testing.T) {
	r, room := newRenderer(t), render.Room{Name: "noc"}
	gone := storm(400, 400, all).Items
	for n := range gone {
		gone[n].Hosts = []alert.Host{{Host: strings.Repeat("long-", 50) + "name"}}
	}
	of := func(n int) string {
		markdown, _ := r.Digest(render.Digest{Items: storm(14, 3, all).Items, Left: n, Account: true, Gone: gone[:n]}, room)
		require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes)
		_, line, _ := strings.Cut(markdown, "Now in messages of their own")
		line, _, _ = strings.Cut(line, "\n")
		return line
	}
	for _, i := range gone[:40] {
		require.Contains(t, of(40), i.Key.EventID)
	}
	require.NotContains(t, of(40), " more")
	require.Contains(t, of(400), " more")
}
