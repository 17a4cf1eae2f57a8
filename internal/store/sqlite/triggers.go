package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	fastjson "github.com/go-json-experiment/json/v1"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// triggerRow is the encoded statistics of a trigger.
type triggerRow struct {
	alert.TriggerKey
	doc []byte
}

func triggerRows(all []alert.TriggerStats) ([]triggerRow, error) {
	rows := make([]triggerRow, 0, len(all))
	for i := range all {
		doc, err := fastjson.Marshal(&all[i])
		if err != nil {
			return nil, fmt.Errorf("%w: statistics of trigger %s: %w", store.ErrRejected, all[i].Trigger.TriggerID, err)
		}
		rows = append(rows, triggerRow{all[i].Trigger, doc})
	}
	return rows, nil
}

func (t *tx) putTriggers(rows []triggerRow, now int64) error {
	for _, r := range rows {
		if _, err := t.exec(`INSERT INTO trigger_stats (trigger_id, host, source, written_at, doc) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (trigger_id, host, source) DO UPDATE SET written_at = excluded.written_at, doc = excluded.doc`,
			r.TriggerID, r.Host, r.Source, now, r.doc); err != nil {
			return err
		}
	}
	return nil
}

const triggersByKey = `SELECT t.source, t.trigger_id, t.host, t.doc
	FROM (SELECT DISTINCT value ->> 0 AS trigger_id, value ->> 1 AS host, value ->> 2 AS source FROM json_each(?)) k
	CROSS JOIN trigger_stats t ON t.trigger_id = k.trigger_id AND t.host = k.host AND t.source = k.source`

// TriggerStats implements store.Store.
func (s *Store) TriggerStats(ctx context.Context, triggers []alert.TriggerKey) (map[alert.TriggerKey]alert.TriggerStats, error) {
	keys := make([][3]string, len(triggers))
	for i, k := range triggers {
		keys[i] = [3]string{k.TriggerID, k.Host, k.Source}
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	found, err := query(ctx, s, "read statistics of triggers", func(rows *sql.Rows) (t alert.TriggerStats, err error) {
		var doc sql.RawBytes
		if err := rows.Scan(&t.Trigger.Source, &t.Trigger.TriggerID, &t.Trigger.Host, &doc); err != nil {
			return t, err
		}
		if fastjson.Unmarshal(doc, &t) != nil {
			return t, errSkip // forgotten: the trigger's statistics begin anew
		}
		return t, nil
	}, triggersByKey, string(list))
	byKey := make(map[alert.TriggerKey]alert.TriggerStats, len(found))
	for _, t := range found {
		byKey[t.Trigger] = t
	}
	return byKey, err
}
