package tryout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// States of a listed room.
const (
	RoomConfigured = "configured" // configured, and the bot is in it
	RoomUnused     = "unused"     // the bot is in it, but it isn't configured
	RoomMissing    = "missing"    // configured, but the bot isn't in it
)

// ListedRoom is one row of the list.
type ListedRoom struct {
	Name  string `json:"name,omitempty"` // in the configuration
	Bot   string `json:"bot"`
	State string `json:"state"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
	ID    string `json:"id"`
}

// JustBot is a configuration with nothing but one bot, for use before there is a real one.
func JustBot(apiURL, token string) *config.Config {
	return &config.Config{Webex: config.Webex{
		APIURL: apiURL, Bots: []config.Bot{{Name: "bot", Token: config.NewSecret(token)}},
		HTTP: config.HTTPClient{Timeout: config.Duration(30 * time.Second)},
	}}
}

// Rooms asks Webex which rooms each configured bot is in. The error joins the failures; the rooms of the other bots are returned all
// the same.
func Rooms(ctx context.Context, cfg *config.Config) ([]ListedRoom, error) {
	transport, err := httpclient.New(httpclient.Options{ProxyURL: cfg.Webex.HTTP.ProxyURL.Reveal(), CAFile: cfg.Webex.HTTP.CAFile, CA: cfg.Webex.HTTP.CA, Key: "webex.api_url"})
	if err != nil {
		return nil, fmt.Errorf("webex: %w", err)
	}
	list := []ListedRoom{}
	var faults []error
	for i, b := range cfg.Webex.Bots {
		if !b.Token.IsSet() {
			faults = append(faults, fmt.Errorf("bot %q: missing token%s", b.Name, cfg.WhyMissing(fmt.Sprintf("webex.bots[%d].token", i))))
			continue
		}
		client := webex.New(webex.Options{BaseURL: cfg.Webex.APIURL, Token: b.Token.Reveal(), Transport: transport, Timeout: time.Duration(cfg.Webex.HTTP.Timeout)})
		rooms, err := client.Rooms(ctx)
		if err != nil {
			faults = append(faults, fmt.Errorf("bot %q: %w", b.Name, err))
			continue
		}
		list = append(list, listRooms(cfg, b.Name, rooms)...)
	}
	return list, errors.Join(faults...)
}

// listRooms compares the rooms that a bot is in with those configured for it.
func listRooms(cfg *config.Config, bot string, rooms []webex.Room) []ListedRoom {
	var list []ListedRoom
	in := map[string]bool{}
	for _, r := range rooms {
		in[webexid.Key(r.ID)] = true
		l := ListedRoom{Bot: bot, State: RoomUnused, Type: r.Type, Title: r.Title, ID: r.ID}
		if c, ok := cfg.RoomByID(r.ID); ok && cfg.BotOf(c.Name) == bot {
			l.Name, l.State = c.Name, RoomConfigured
		}
		list = append(list, l)
	}
	for _, c := range cfg.Rooms {
		if cfg.BotOf(c.Name) == bot && !in[webexid.Key(c.ID)] {
			list = append(list, ListedRoom{Name: c.Name, Bot: bot, State: RoomMissing, ID: c.ID})
		}
	}
	order := map[string]int{RoomMissing: 0, RoomConfigured: 1, RoomUnused: 2}
	slices.SortStableFunc(list, func(a, b ListedRoom) int {
		return cmp.Or(cmp.Compare(order[a.State], order[b.State]), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Title, b.Title))
	})
	return list
}
