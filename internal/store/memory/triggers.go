package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func (d *data) putTriggers(all []alert.TriggerStats, now time.Time) error {
	for _, s := range all {
		doc, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("%w: statistics of trigger %s: %w", store.ErrRejected, s.Trigger.TriggerID, err)
		}
		d.triggers.put(s.Trigger, trigger{s.Trigger, doc, now})
	}
	return nil
}

// TriggerStats implements store.Store.
func (s *Store) TriggerStats(ctx context.Context, triggers []alert.TriggerKey) (map[alert.TriggerKey]alert.TriggerStats, error) {
	return call(ctx, s, func() (map[alert.TriggerKey]alert.TriggerStats, error) {
		found := map[alert.TriggerKey]alert.TriggerStats{}
		for _, key := range triggers {
			stats := alert.TriggerStats{Trigger: key}
			if row, ok := s.triggers.rows[key]; ok && json.Unmarshal(row.Doc, &stats) == nil {
				found[key] = stats
			}
		}
		return found, nil
	})
}
