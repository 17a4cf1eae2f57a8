package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// An incident and its entries stay until long after it closed. A repeated entry is none.
func testIncidents(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	all := func() []store.Incident { return must(s.Incidents(t.Context()))(t) }
	entries := func(id int64) []store.IncidentEntry { return must(s.IncidentEntries(t.Context(), id))(t) }
	add := func(e store.IncidentEntry) bool { return must(s.AddIncidentEntry(t.Context(), e))(t) }
	require.Empty(t, all())
	a := store.Incident{
		Command: "C1", Title: "db01: <@all> 100%' full", Room: "noc", Origin: "R1", Thread: "M1", Bot: "noc", By: store.Someone{ID: "P1", Email: "alice@example.com", Name: "Alice"},
		Opened: t0, Problems: []store.IncidentProblem{{Key: key("4711"), Joined: t0}},
	}
	b := store.Incident{Command: "C2", Room: "noc", Opened: t0, Problems: []store.IncidentProblem{{Key: key("4712"), Joined: t0}}}
	a.ID, b.ID = must(s.AddIncident(t.Context(), a))(t), must(s.AddIncident(t.Context(), b))(t)
	require.Equal(t, a.ID, must(s.AddIncident(t.Context(), a))(t), "of the same command")
	require.NotEqual(t, a.ID, b.ID)

	a.RoomID, a.Tries, a.NotBefore, a.Invite, a.Shown = "S1", 2, t0.Add(time.Second), []store.Someone{{Email: "bob@example.com"}}, map[string]string{"card": "x"}
	a.Problems = append(a.Problems, store.IncidentProblem{Key: key("4713"), Joined: t0.Add(time.Minute), Parted: t0.Add(time.Hour), Posted: true})
	require.NoError(t, s.SaveIncident(t.Context(), a))
	require.ErrorIs(t, s.SaveIncident(t.Context(), store.Incident{ID: 99}), store.ErrNotFound)

	role := store.IncidentEntry{
		Incident: a.ID, Key: "command:C3", Kind: store.IncidentRole, At: t0, By: store.Someone{ID: "P1", Email: "alice@example.com", Name: "Alice"},
		Who: store.Someone{Email: "bob@example.com"}, Subject: "lead", Text: "' <@all>",
	}
	require.True(t, add(role))
	require.False(t, add(role), "again, after a crash")
	require.True(t, add(store.IncidentEntry{Incident: b.ID, Key: role.Key, Kind: store.IncidentNote, At: t0}), "of another incident")
	require.True(t, add(store.IncidentEntry{Incident: a.ID, Key: "x", Kind: store.IncidentNote, At: t0.Add(-time.Hour)}))
	_, err := s.AddIncidentEntry(t.Context(), store.IncidentEntry{Incident: 99, Key: "x", At: t0})
	require.Error(t, err, "of no incident")
	require.NoError(t, s.Close())
	s = open(t, dir)
	same(t, []store.Incident{a, b}, all())
	found := entries(a.ID)
	require.Len(t, found, 2)
	role.ID = found[0].ID
	same(t, role, found[0])
	require.Equal(t, "x", found[1].Key, "in the order of arrival")

	a.Closed = t0.Add(time.Minute)
	require.NoError(t, s.SaveIncident(t.Context(), a))
	prune := func(audit time.Time) int { return must(s.Prune(t.Context(), t0, t0, audit, 10))(t) }
	require.Zero(t, prune(t0.Add(time.Minute)))
	require.Equal(t, 3, prune(t0.Add(time.Minute+time.Microsecond)))
	require.Zero(t, prune(t0.Add(1000*time.Hour)), "the other goes on")
	same(t, []store.Incident{b}, all())
	require.Len(t, entries(b.ID), 1)
	require.Greater(t, must(s.AddIncident(t.Context(), store.Incident{Command: "C4", Opened: t0}))(t), b.ID)
}
