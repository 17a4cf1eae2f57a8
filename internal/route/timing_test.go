package route

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// A route's timing is for its own rooms. Rooms that got the problem by escalation, default_rooms or {ALERT.SENDTO} have only
// quiet hours.
func TestTiming(t *testing.T) {
	r := router(t, `routes:
  - {rooms: [db], match: {hosts: db7}, delay: 5m, continue: true}
  - name: all
    rooms: [db, night]
    remind: 1h
    escalate: [{after: 15m, rooms: [noc], mention: [all]}, {after: 30m, rooms: [Lab]}]
`)
	steps := []config.Escalation{{After: config.Duration(15 * time.Minute), Rooms: []string{"noc"}, Mention: []string{"all"}}, {After: config.Duration(30 * time.Minute), Rooms: []string{"Lab"}}}
	require.Equal(t, Timing{Own: true, Delay: 5 * time.Minute}, r.Timing("db", "route 1"))
	require.Equal(t, Timing{Own: true, Remind: time.Hour, Escalate: steps}, r.Timing("db", "all"))
	require.Equal(t, Timing{Own: true, Remind: time.Hour, Escalate: steps}, r.Timing("night", "all"))
	require.Zero(t, r.Timing("noc", "all"), "its post is from the escalation")
	require.Zero(t, r.Timing("db", ""))
	require.Zero(t, r.Timing("db", SendTo))
	require.Zero(t, r.Timing("db", "a route that is gone"))
	require.Equal(t, "escalates after 15m to noc mentioning all, escalates after 30m to Lab, reminds every 1h",
		r.When(Target{Room: "night", Route: "all"}, problem(), noon))
	require.Empty(t, r.When(Target{Room: "noc", Route: "all"}, problem(), noon))
}

// A route's schedule of duty counts, or else that of the room.
func TestTimingOnDuty(t *testing.T) {
	cfg := load(t, "routes: [{rooms: [db, night], continue: true}, {name: own, rooms: [db]}]\n")
	cfg.Routes[1].Duty = "second"
	for i := range cfg.Rooms {
		if cfg.Rooms[i].Name == "db" {
			cfg.Rooms[i].Duty = "first"
		}
	}
	r, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, "first", r.Timing("db", "route 1").Duty)
	require.Empty(t, r.Timing("night", "route 1").Duty)
	require.Equal(t, "second", r.Timing("db", "own").Duty)
}

// A room's quiet hours apply to every problem, after its delay.
func TestTimingInQuietHours(t *testing.T) {
	hours, err := config.ParseHours("22:00-07:00")
	require.NoError(t, err)
	cfg := load(t, "routes: [{rooms: [db], delay: 5m}]\n")
	for i := range cfg.Rooms {
		cfg.Rooms[i].Quiet = &config.Quiet{When: []config.When{{Hours: hours}}, Below: alert.High}
	}
	r, err := New(cfg)
	require.NoError(t, err)
	p := problem()
	p.Severity = alert.Average
	evening := time.Date(2026, 11, 24, 21, 56, 0, 0, time.UTC)
	require.Equal(t, "delay 5m, quiet until Wed 07:00 UTC", r.When(Target{Room: "db", Route: "route 1"}, p, evening))
	require.Empty(t, r.When(Target{Room: "noc"}, p, evening))
	require.Equal(t, "quiet until Wed 07:00 UTC", r.When(Target{Room: "noc"}, p, evening.Add(10*time.Minute)))
	p.Severity = alert.High
	require.Empty(t, r.When(Target{Room: "noc"}, p, evening.Add(10*time.Minute)))
}
