package relay

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/watch"
	"nms-alert-relay/internal/zabbix"
)

func shows(c *zabbix.Client) watch.Zabbix { return c }

// watchInterval is how often sources are asked whether they still report.
func watchInterval(cfg *config.Config) time.Duration { return time.Duration(cfg.Reconcile.Interval) }

// foundSoFar is how many problems and recoveries only reconciliation has found in a source.
func (r *Relay) foundSoFar(source string) int64 {
	return r.metrics.ledger.FoundSoFar(source, alert.FoundProblem) + r.metrics.ledger.FoundSoFar(source, alert.FoundRecovery)
}

// troubleNotices is the message about a source that doesn't report everything, in the default room.
func (r *Relay) troubleNotices(source, key string, kind watch.Kind, c watch.Condition) []store.Notice {
	s := r.live.Load()
	if len(s.cfg.DefaultRooms) == 0 {
		return nil
	}
	return r.live.notice(s.cfg.DefaultRooms[0], key, func(room render.Room) string {
		return s.renderer.SourceTrouble(render.SourceTrouble{Source: source, Kind: string(kind), Since: c.Since, Until: c.Until, Removed: c.Removed, Count: c.Count, Detail: c.Detail, Ended: c.Ended}, room)
	})
}

func heartbeatsOf(cfg *config.Config) (list []watch.Heartbeat) {
	for _, h := range cfg.Heartbeats {
		list = append(list, watch.Heartbeat{Name: h.Name, Interval: time.Duration(h.Interval), Grace: time.Duration(h.Grace), Rooms: h.Rooms})
	}
	return list
}

// heartbeatNotices are the messages about a heartbeat that is missing or is back, one for each of its rooms.
func (r *Relay) heartbeatNotices(h watch.Heartbeat, key string, b watch.Beat) (notices []store.Notice) {
	s := r.live.Load()
	for _, room := range h.Rooms {
		notices = append(notices, r.live.notice(room, key, func(room render.Room) string {
			return s.renderer.HeartbeatMissing(render.MissingHeartbeat{Name: h.Name, Interval: h.Interval, Known: b.Known, Last: b.Last, Since: b.Silent.Since, Until: b.Silent.Until, Removed: b.Silent.Removed, Times: b.Silent.Count, Missed: b.Missed, Stays: b.Stays}, room)
		})...)
	}
	return notices
}
