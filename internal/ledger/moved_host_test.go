package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
)

// A host that is renamed, or moved to another group, while a problem is open has its new name and groups from the next answer of the API
// on, whatever a late payload says. Rooms that show the problem keep it, and a room that a route now names gets it.
func TestAHostIsRenamedAndMoved(t *testing.T) {
	w := newWorld(t)
	w.rules.Rooms = func(p alert.Problem, _ string, _ time.Time) []route.Target {
		if slices.Contains(p.Groups, "Databases") {
			return []route.Target{{Room: "db", Route: "databases"}}
		}
		return []route.Target{{Room: "noc"}}
	}
	at := func(host, group string) alert.Observation {
		return alert.Observation{Severity: alert.Average, Hosts: []alert.Host{{ID: "1", Host: host, Name: host}}, Groups: []string{group}}
	}
	e := opened()
	e.Facts.Hosts, e.Facts.Groups = []alert.Host{{ID: "1", Host: "web1", Name: "web1", IP: "10.0.0.1"}}, []string{"Web"}
	w.plan(e)
	w.plan(observed(time.Second, at("web1", "Web")))
	rooms := func() (names []string) {
		for _, post := range w.known.Posts[k4711] {
			names = append(names, post.Room)
		}
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"noc"}, rooms())
	shown := w.known.Posts[k4711][0].Desired

	w.plan(observed(time.Hour, at("db7", "Databases")))
	late := commented(2*time.Hour, "on it")
	late.Facts.Hosts, late.Facts.Groups = e.Facts.Hosts, e.Facts.Groups
	w.plan(late)
	p := w.known.Problems[k4711]
	require.Equal(t, []alert.Host{{ID: "1", Host: "db7", Name: "db7", IP: "10.0.0.1"}}, p.Hosts)
	require.Equal(t, []string{"Databases"}, p.Groups)
	require.Equal(t, []string{"db", "noc"}, rooms())
	require.Greater(t, w.known.Posts[k4711][0].Desired, shown, "its message changes")
}
