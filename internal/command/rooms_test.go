package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// People see the routes of the rooms in which they have a role, and of no others.
func TestRooms(t *testing.T) {
	cfg, err := config.Parse("relay.yaml", []byte(`
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: S}]
webex: {bots: [{name: bot, token_env: X}]}
rooms:
  - {name: noc, id: ROOM1, time_zone: Europe/Berlin}
  - {name: db, id: ROOM2}
  - {name: boss, id: ROOM3}
  - {name: quiet, id: ROOM4}
default_rooms: noc
routes:
  - {name: dbs, match: {hosts: ["db*"], severity: ">=high", tags: ["service=db"]}, rooms: db, continue: true, escalate: [{after: 15m, rooms: [noc]}, {after: 30m, rooms: [boss]}]}
  - {name: secret, match: {trigger: "salar.*"}, rooms: boss}
people:
  - {email: alice@example.com, role: viewer, rooms: [noc, db, quiet]}
`), config.Options{Env: func(string) string { return "0123456789abcdef0123456789abcdef" }})
	require.NoError(t, err)
	s := scope{Input{Room: "noc", Person: alice}, View{Directory: cfg, Rooms: cfg.Rooms, Routes: cfg.Routes, Defaults: cfg.DefaultRooms}}
	said := plain(s.roomList(func(string) string { return "" }))
	require.Contains(t, said, "noc (here) · Europe/Berlin")
	require.Contains(t, said, "- route dbs: host db*, severity >=high, tag service=db")
	require.Contains(t, said, "(by escalation only)")
	require.Contains(t, said, "continues")
	require.Contains(t, said, "what no route matches")
	require.Contains(t, said, "only what Zabbix sends there")
	require.NotContains(t, said, "boss")
	require.NotContains(t, said, "secret")
	require.Contains(t, said, "Other rooms aren't shown")
}
