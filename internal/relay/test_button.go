package relay

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// testRooms are the rooms that the message of Zabbix's Test button goes to: those in {ALERT.SENDTO}, which the user may have filled
// in, and the default rooms.
func (r *Relay) testRooms(source, sendTo string, now time.Time) []string {
	var rooms []string
	for _, t := range r.live.targets(alert.Problem{Key: alert.Key{Source: source}}, sendTo, now) {
		rooms = append(rooms, t.Room)
	}
	return rooms
}

// testNotices are the messages of Zabbix's Test button, one for each room.
func (r *Relay) testNotices(source, sendTo string, now time.Time) []store.Notice {
	s := r.live.Load()
	var notices []store.Notice
	for _, name := range r.testRooms(source, sendTo, now) {
		room, ok := s.rooms(name, "")
		if !ok {
			continue
		}
		n := store.Notice{Kind: store.NoticeTest, Room: name, Bot: room.Bot, Markdown: s.renderer.Test(source, room.Room, now)}
		if room.Person != "" {
			n.Room, n.Person = "", room.Person
		}
		notices = append(notices, n)
	}
	return notices
}
