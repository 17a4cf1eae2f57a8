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

// The states of a listed room.
const (
	RoomConfigured = "configured" // in the configuration, and the bot is in it
	RoomUnused     = "unused"     // the bot is in it, the configuration doesn't name it
	RoomMissing    = "missing"    // in the configuration, and the bot isn't in it
)

// ListedRoom is one room of `rooms`.
type ListedRoom struct {
	Name  string `json:"name,omitempty"` // configured
	Bot   string `json:"bot"`
	State string `json:"state"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
	ID    string `json:"id"`
}

// WebexAPI is Webex's own.
const WebexAPI = "https://webexapis.com/v1"

// JustBot is a configuration of one bot alone: for those who are about to write theirs.
func JustBot(apiURL, token string) *config.Config {
	return &config.Config{Webex: config.Webex{
		APIURL: apiURL, Bots: []config.Bot{{Name: "bot", Token: config.NewSecret(token)}},
		HTTP: config.HTTPClient{Timeout: config.Duration(30 * time.Second)},
	}}
}

// Rooms asks Webex for the rooms that each configured bot is in. What can't be
// asked is in the error; the other bots' rooms are listed all the same.
func Rooms(ctx context.Context, cfg *config.Config) ([]ListedRoom, error) {
	transport, err := httpclient.New(httpclient.Options{ProxyURL: cfg.Webex.HTTP.ProxyURL.Reveal(), CAFile: cfg.Webex.HTTP.CAFile, Key: "webex.api_url"})
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

// listRooms holds what a bot is in against what is configured for it.
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
