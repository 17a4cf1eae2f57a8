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
	if b.rate.Unlimited() {
		return time.Time{}
	}
	webexRoom := b.webexRoom(room)
	if b.rate.Yields(webexRoom) && b.busyBeside(webexRoom, now) {
		return now.Add(yieldFor)
	}
	return b.rate.OpensAt(webexRoom, now)
}

// yieldFor is when a room that yields is considered again; any answer does so earlier.
const yieldFor = time.Second

// busyBeside reports whether another room has something to send now.
func (b *bot) busyBeside(webexRoom string, now time.Time) bool {
	for room := range b.queue.ReadyRooms() {
		if other := b.webexRoom(room); other != webexRoom && !b.rate.OpensAt(other, now).After(now) {
			return true
		}
	}
	return false
}
