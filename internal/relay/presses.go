package relay

import (
	"strconv"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// missedPresses asks people to press again what they pressed between two times, while the bot didn't hear.
func (r *Relay) missedPresses(in chat.CardPlace, from, to time.Time) []store.Notice {
	key := "missed-presses/" + strconv.FormatInt(from.Unix(), 10)
	said := func(at render.Room) string {
		return at.Lang.T("Buttons pressed between %s and %s didn't reach me. Press again, please.",
			at.Moment(from, to), at.Moment(to, to))
	}
	if in.Email != "" && !r.live.Load().cfg.Allowed(in.Email) {
		return nil
	}
	if in.RoomID != "" {
		return []store.Notice{{Kind: store.NoticeSystem, RoomID: in.RoomID, Person: in.Email, Bot: in.Bot, Dedup: key, Markdown: said(render.Room{Lang: r.live.Load().cfg.Language, Location: r.live.Load().cfg.TimeZone.Location})}}
	}
	return r.live.notice(in.Room, key, said)
}
