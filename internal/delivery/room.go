package delivery

import (
	"cmp"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

// CardWait bounds how long a first card waits for the API's answer about its problem. It usually comes a second
// after the event.
const CardWait = 3 * time.Second

// RoomSettings are the settings of a room: where it is, which bot serves it, how it shows a problem.
type RoomSettings struct {
	render.Room
	ID       string        // the Webex room; or
	Person   string        // an e-mail address: a direct chat
	Bot      string        // the configured name
	Debounce time.Duration // changes this close together share one edit
	Graph    config.GraphFrom
	CardWait time.Duration // how long a first card waits for the API's answer about the problem
}

// step is the part that decisions need.
func (s RoomSettings) step() step.Room {
	return step.Room{
		Name: s.Name, Line: s.Presentation == config.PresentLine, AsCard: s.Presentation == config.PresentCard,
		Debounce: s.Debounce, CardWait: s.CardWait,
	}
}

// address begins a message to the room.
func (s RoomSettings) address() webex.NewMessage {
	if s.ID != "" {
		return webex.NewMessage{RoomID: s.ID}
	}
	return webex.NewMessage{ToPersonEmail: s.Person}
}

// Rooms returns the settings of a room for a route, by the room's configured name or config.PersonRoom and an
// address; false if it isn't configured.
type Rooms func(room, route string) (RoomSettings, bool)

// RoomsOf returns the Rooms of a configuration that config.Load returned.
func RoomsOf(cfg *config.Config) Rooms {
	rooms := make(map[string]config.Room, len(cfg.Rooms))
	for _, r := range cfg.Rooms {
		rooms[r.Name] = r
	}
	routes := make(map[string]config.Route, len(cfg.Routes))
	for _, r := range cfg.Routes {
		routes[r.Name] = r
	}
	firstBot := ""
	if len(cfg.Webex.Bots) > 0 {
		firstBot = cfg.Webex.Bots[0].Name
	}
	return func(name, route string) (RoomSettings, bool) {
		s := RoomSettings{
			Room:     render.Room{Name: name, Lang: cfg.Language, Location: cfg.TimeZone.Location, Presentation: config.PresentThread},
			Bot:      firstBot,
			Debounce: time.Duration(cfg.Delivery.Debounce),
		}
		if email, ok := strings.CutPrefix(name, config.PersonRoom); ok {
			s.Person, s.NoIncidents = email, true
		} else {
			room, ok := rooms[name]
			if !ok {
				return RoomSettings{}, false
			}
			s.ID = room.ID
			if room.Bot != "" {
				s.Bot = room.Bot
			}
			if room.TimeZone.Location != nil {
				s.Location = room.TimeZone.Location
			}
			s.Lang = cmp.Or(room.Language, s.Lang)
			if room.Presentation != "" {
				s.Presentation = room.Presentation
			}
		}
		if s.Location == nil {
			s.Location = time.UTC
		}
		if r, ok := routes[route]; ok {
			if r.Presentation != "" {
				s.Presentation = r.Presentation
			}
			s.Templates, s.Tell, s.HideMemory, s.Graph = r.Templates, r.Tell, r.HideMemory, r.Graph
		}
		return s, true
	}
}

// FallbackOf returns the room that gets what another room refuses: the first other default room of the configuration.
func FallbackOf(cfg *config.Config) func(room string) (string, bool) {
	return func(room string) (string, bool) {
		for _, d := range cfg.DefaultRooms {
			if d != room {
				return d, true
			}
		}
		return "", false
	}
}
