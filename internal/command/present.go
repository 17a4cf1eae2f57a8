package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// presentWithin bounds how long an answer waits for Zabbix to say how a problem is.
const presentWithin = 3 * time.Second

// present brings targets up to date with what Zabbix shows at this moment: it tells nobody that a maintenance
// began, that a trigger was deleted, or that a problem ended after a cancelled escalation. What Zabbix
// doesn't say in time stays as the relay knows it. gone are the open ones that Zabbix doesn't show.
// Nothing is stored here: the rooms learn of a change from the look that Changed plans.
func (e *Executor) present(ctx context.Context, targets []target) (gone map[alert.Key]bool) {
	ctx, cancel := context.WithTimeout(ctx, presentWithin)
	defer cancel()
	ids := map[string][]string{}
	for _, t := range targets {
		if e.o.Sources[t.Key.Source] != nil && t.Problem.Open() && !t.Problem.Superseded() && (t.Problem.Origin == "" || t.Problem.Origin == alert.OriginTrigger) {
			ids[t.Key.Source] = append(ids[t.Key.Source], t.Key.EventID)
		}
	}
	gone = map[alert.Key]bool{}
	for source, asked := range ids {
		found, err := e.o.Sources[source].Observe(ctx, asked)
		if err != nil {
			e.o.Log.Info("Zabbix doesn't say how problems are: the answer is what the relay knows", "source", source, "events", asked, "error", err)
			continue
		}
		for i := range targets {
			t := &targets[i]
			o, known := found[t.Key.EventID]
			switch {
			case t.Key.Source != source || !known || !t.Problem.Open():
			case o.Gone:
				gone[t.Key] = true
			default:
				event := o.Event(t.Key, time.Now())
				if t.Problem.Relation(event) != alert.Same {
					continue
				}
				now, _ := alert.Apply(t.Problem, event)
				if was := t.Problem; now.State != was.State || now.Severity != was.Severity || now.Suppressed != was.Suppressed || now.Acknowledged != was.Acknowledged {
					e.o.Changed(t.Key, 0)
				}
				t.Problem = now
			}
		}
	}
	return gone
}
