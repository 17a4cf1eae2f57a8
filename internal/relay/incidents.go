package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/delivery"
	incidents "nms-alert-relay/internal/incident"
)

// incidentSettings are what the current configuration says about incidents.
func (l *live) incidentSettings() incidents.Settings {
	cfg := l.Load().cfg
	c := cfg.Incident
	return incidents.Settings{
		Roles: c.Roles, Checklist: c.Checklist, UpdateEvery: time.Duration(c.UpdateEvery), ReviewAfter: time.Duration(c.ReviewAfter),
		CloseAfter: time.Duration(c.CloseAfter), Leave: c.OnClose == "leave", Location: cfg.TimeZone.Location, Allowed: cfg.Allowed, Language: cfg.LanguageOf,
	}
}

// pacedWebex returns the client of a bot whose calls keep to the pauses that Webex asked delivery for; false if the bot isn't configured.
func (r *Relay) pacedWebex(d *delivery.Delivery, bot string) (incidents.Webex, bool) {
	c := (*r.rest.Load())[bot]
	if c == nil {
		return nil, false
	}
	return c.Through(func(ctx context.Context, op string, call func() error) error { return d.CallPaced(ctx, bot, op, call) }), true
}
