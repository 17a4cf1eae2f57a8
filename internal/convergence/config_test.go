package convergence

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
)

// settings is the configuration of every run: all presentations, two bots, overlapping routes, and a direct chat
// by {ALERT.SENDTO}.
var settings = sync.OnceValue(func() *config.Config {
	var ids strings.Builder
	for _, room := range []struct{ name, rest string }{
		{"noc", "bot: first"}, {"db", "bot: first, presentation: card"}, {"line", "bot: second, presentation: line"}, {"ops", "bot: second"},
	} {
		fmt.Fprintf(&ids, "  - {name: %s, id: %s, %s}\n", room.name, webexsim.RoomID(room.name), room.rest)
	}
	cfg, err := config.Parse("relay.yaml", []byte(`
webex:
  bots: [{name: first, token_env: FIRST}, {name: second, token_env: SECOND}]
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: SECRET, send_to: add}]
rooms:
`+ids.String()+`routes:
  - {match: {severity: ">=high"}, rooms: [ops], continue: true}
  - {match: {hosts: ["db*"]}, rooms: [db, line]}
  - {match: {hosts: ["line*"]}, rooms: [line]}
default_rooms: [noc, ops]
allowed_domains: [example.com]
`), config.Options{Env: func(name string) string { return strings.Repeat("not-a-secret-of-"+name, 2) }})
	if err != nil {
		panic(err)
	}
	return cfg
})

// config returns settings with the schedule's rules.
func (s schedule) config() *config.Config {
	cfg := *settings()
	cfg.Storm, cfg.Flapping = s.Storm, s.Rules.Flapping
	cfg.Rooms, cfg.Routes = slices.Clone(cfg.Rooms), slices.Clone(cfg.Routes)
	for i := range cfg.Rooms {
		room := &cfg.Rooms[i]
		room.Storm, room.Flapping = &cfg.Storm, &cfg.Flapping
		if s.Rules.Quiet > 0 && room.Name == "line" {
			hours, err := config.ParseHours("00:00-" + epoch.Add(s.Rules.Quiet).Format("15:04"))
			if err != nil {
				panic(err) // a schedule's minutes
			}
			room.Quiet = &config.Quiet{When: []config.When{{Hours: hours}}, Below: alert.High}
		}
	}
	for i := range cfg.Routes[1:] {
		route := &cfg.Routes[1+i]
		route.Delay, route.Remind, route.AckExpires = config.Duration(s.Rules.Delay), config.Duration(s.Rules.Remind), config.Duration(s.Rules.AckExpires)
		if s.Rules.Escalate > 0 {
			route.Escalate = []config.Escalation{{After: config.Duration(s.Rules.Escalate), Rooms: []string{"ops"}, Mention: []string{person}}}
		}
	}
	return &cfg
}
