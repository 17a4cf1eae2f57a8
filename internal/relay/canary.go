package relay

import (
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/watch"
)

func canaryOf(cfg *config.Config) watch.CanarySettings {
	return watch.CanarySettings{Interval: time.Duration(cfg.Canary.Interval), Room: cfg.Canary.Room}
}

// canaryNotices is the message of a canary.
func (r *Relay) canaryNotices(c ledger.Canary, _ time.Time) []store.Notice {
	s := r.live.Load()
	notices := r.live.notice(c.Room, c.Name, func(room render.Room) string { return s.renderer.Canary(c.Name, room) })
	for i := range notices {
		notices[i].Kind = store.NoticeCanary
	}
	return notices
}

// canaryStep is the step of a canary that a step of delivery belongs to.
func canaryStep(op step.Op) watch.CanaryStep {
	switch op {
	case step.OpCanary:
		return watch.CanaryPost
	case step.OpCanaryRead:
		return watch.CanaryRead
	case step.OpCanaryDelete:
		return watch.CanaryDelete
	}
	return ""
}
