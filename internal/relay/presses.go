package relay

import (
	"fmt"
	"strconv"
	"time"

	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// missedPresses asks people in a room to press again what they pressed between two times, while the bot didn't hear.
func (r *Relay) missedPresses(room string, from, to time.Time) []store.Notice {
	return r.live.Load().notice(room, "missed-presses/"+strconv.FormatInt(from.Unix(), 10), func(at render.Room) string {
		return fmt.Sprintf("Buttons pressed between %s and %s didn't reach me. Press again, please.",
			render.Moment(from, to, at.Location), render.Moment(to, to, at.Location))
	})
}
