package chat

import (
	"sync"

	"nms-alert-relay/internal/webexid"
)

// maxStrange bounds how many rooms that aren't configured are remembered.
const maxStrange = 1000

// strangeRooms remembers the rooms that aren't configured in which a bot was mentioned, so that
// each is told about once.
type strangeRooms struct {
	mu    sync.Mutex
	known map[string]bool
}

// first says whether the room is seen for the first time. Beyond the bound none is.
func (s *strangeRooms) first(bot, roomID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := bot + " " + webexid.Key(roomID)
	if roomID == "" || s.known[key] || len(s.known) >= maxStrange {
		return false
	}
	if s.known == nil {
		s.known = make(map[string]bool)
	}
	s.known[key] = true
	return true
}
