package relay

import (
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
)

// flappingOf returns the flapping settings by room, and the longest window of all.
func flappingOf(cfg *config.Config) (rules func(room string) ledger.Flapping, longest time.Duration) {
	of := func(f config.Flapping) ledger.Flapping {
		return ledger.Flapping{Count: int(f.Count), Window: time.Duration(f.Window)}
	}
	general := of(cfg.Flapping)
	longest = general.Window
	rooms := make(map[string]ledger.Flapping, len(cfg.Rooms))
	for _, r := range cfg.Rooms {
		if r.Flapping != nil {
			rooms[r.Name] = of(*r.Flapping)
			longest = max(longest, rooms[r.Name].Window)
		}
	}
	return func(room string) ledger.Flapping {
		if f, ok := rooms[room]; ok {
			return f
		}
		return general // a direct chat, or a room that was removed from the configuration
	}, longest
}
