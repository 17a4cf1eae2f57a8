package delivery

import (
	"strings"
	"time"

	"nms-alert-relay/internal/config"
)

// webexRoom names a task's room as package pace does: by its Webex id, or by the person of a direct chat
// whose id isn't known yet.
func (b *bot) webexRoom(room string) string {
	id, person, direct := strings.Cut(room, config.PersonRoom)
	if !direct {
		s, ok := b.Rooms(room, "")
		if !ok {
			return room
		}
		id, person = s.ID, s.Person
	}
	if id != "" {
		return id
	}
	if known, ok := b.direct.Load(person); ok {
		return known.(string)
	}
	return config.PersonRoom + person
}

// opens is when the queue may return a task of a room.
func (b *bot) opens(room string, now time.Time) time.Time {
	return b.rate.OpensAt(b.webexRoom(room), now)
}
