package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/graph"
	"nms-alert-relay/internal/history"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// incidentSettings are what the current configuration says about incidents.
func (l *live) incidentSettings() incidents.Settings {
	cfg := l.Load().cfg
	c := cfg.Incident
	return incidents.Settings{
		Roles: c.Roles, Checklist: c.Checklist, UpdateEvery: time.Duration(c.UpdateEvery), ReviewAfter: time.Duration(c.ReviewAfter),
		CloseAfter: time.Duration(c.CloseAfter), Leave: c.OnClose == "leave", Allowed: cfg.Allowed, Room: l.incidentRoom,
	}
}

// incidentRoom is how messages are written in the room where an incident was opened: by the defaults if it isn't configured any more.
func (l *live) incidentRoom(room string) render.Room {
	if settings, ok := l.settings(room, ""); ok {
		return settings.Room
	}
	cfg := l.Load().cfg
	return render.Room{Lang: cfg.Language, Location: cfg.TimeZone.Location}
}

// incidentGraph draws a problem's history around an incident. source is nil if the problem's source has no API.
func (l *live) incidentGraph(ctx context.Context, source history.Source, metrics *history.Metrics, f incidents.Facts, p alert.Problem) (incidents.Graph, error) {
	if source == nil {
		return incidents.Graph{}, nil
	}
	room := l.incidentRoom(f.Room)
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
