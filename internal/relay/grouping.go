package relay

import (
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
)

// groupingOf returns, for each room, when its problems share messages.
func groupingOf(cfg *config.Config) func(room string) ledger.Grouping {
	of := func(s config.Storm, f config.Flapping) ledger.Grouping {
		return ledger.Grouping{
			Threshold: s.Threshold, Window: time.Duration(s.Window), Individual: s.Individual,
			FlapCount: int(f.Count), FlapWindow: time.Duration(f.Window),
		}
	}
	rooms := make(map[string]ledger.Grouping, len(cfg.Rooms))
	for _, r := range cfg.Rooms {
		storm, flapping := cfg.Storm, cfg.Flapping
		if r.Storm != nil {
			storm = *r.Storm
		}
		if r.Flapping != nil {
			flapping = *r.Flapping
		}
		rooms[r.Name] = of(storm, flapping)
	}
	general := of(cfg.Storm, cfg.Flapping)
	return func(room string) ledger.Grouping {
		if g, ok := rooms[room]; ok {
			return g
		}
		return general // a direct chat, or a room that is no longer configured
	}
}
