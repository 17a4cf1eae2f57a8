package relay

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// testRooms is where the Test button's message goes: where {ALERT.SENDTO} says
// (somebody may have typed it), and the default rooms.
func testRooms(router *route.Router, source, sendTo string, now time.Time) []string {
	var rooms []string
	for _, t := range router.Rooms(alert.Problem{Key: alert.Key{Source: source}}, sendTo, now) {
		rooms = append(rooms, t.Room)
	}
	return rooms
}

// testNotices are the messages that the Test button makes.
func (r *Relay) testNotices(router *route.Router, renderer *render.Renderer) func(source, sendTo string, now time.Time) []store.Notice {
	settings := delivery.RoomsOf(r.cfg)
	return func(source, sendTo string, now time.Time) []store.Notice {
		var notices []store.Notice
		for _, name := range testRooms(router, source, sendTo, now) {
			room, ok := settings(name, "")
			if !ok {
				continue
			}
			n := store.Notice{Kind: store.NoticeTest, Room: name, Bot: room.Bot, Markdown: renderer.Test(source, room.Room, now)}
			if room.Person != "" {
				n.Room, n.Person = "", room.Person
			}
			notices = append(notices, n)
		}
		return notices
	}
}
