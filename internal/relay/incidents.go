package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/graph"
	"nms-alert-relay/internal/history"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
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

// incidentGraph draws a problem's history around an incident. source is nil if the problem's source has no API.
func (l *live) incidentGraph(ctx context.Context, source history.Source, metrics *history.Metrics, f incidents.Facts, p alert.Problem) (incidents.Graph, error) {
	if source == nil {
		return incidents.Graph{}, nil
	}
	room, _ := l.Load().rooms(f.Room, "")
	begun := time.Now()
	picture, err := history.Of(ctx, source, history.Request{
		Problem: p, Around: graph.Span{From: f.Began(), To: f.ResolvedAt()}, Zone: room.Location, Lang: room.Lang, Now: begun,
	})
	metrics.Count(history.ForReview, picture, err, time.Since(begun))
	if err != nil || picture.PNG == nil {
		return incidents.Graph{}, err
	}
	return incidents.Graph{Words: picture.Words, File: &store.File{Name: picture.Name, Type: "image/png", Content: picture.PNG}}, nil
}

// pacedWebex returns the client of a bot whose calls keep to the pauses that Webex asked delivery for; false if the bot isn't configured.
func (r *Relay) pacedWebex(d *delivery.Delivery, bot string) (incidents.Webex, bool) {
	c := (*r.rest.Load())[bot]
	if c == nil {
		return nil, false
	}
	return c.Through(func(ctx context.Context, op string, call func() error) error { return d.CallPaced(ctx, bot, op, call) }), true
}
