package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
)

// answerShow shows whole problems, as many as fit into one message.
func answerShow(ctx context.Context, e *Executor, s scope, _ Request, targets []target, room render.Room) (reply, outcome string, err error) {
	room.MayRead = s.mayRead
	texts := make([]string, 0, len(targets))
	now := time.Now()
	for _, t := range targets {
		text := e.o.View().Renderer.Show(t.Problem, room, now)
		expires, err := e.ackExpires(ctx, s, t.Key)
		if err != nil {
			return "", "", err
		}
		if line := lapseWords(s.voice(), t.Problem, expires, now); line != "" {
			text += "\n\n" + line
		}
		if t.Problem.Superseded() || t.Reused {
			text += "\n\n" + room.Lang.T("ℹ️ This problem is gone from Zabbix, and its event id is another problem's now.")
		} else if t.Gone {
			text += "\n\n" + notShown(t.Key, s.voice())
		}
		texts = append(texts, text)
	}
	return joined(room.Lang, texts), "shown", nil
}

// presentTimeout bounds how long a command waits for the state of its problems in Zabbix.
const presentTimeout = 3 * time.Second

// present updates targets to their state in Zabbix: Zabbix doesn't report that a maintenance began, that a trigger
// was deleted, or that a problem resolved after a cancelled escalation. Without an answer in time they stay as they
// are. Nothing is stored here; Changed has the rooms updated.
func (e *Executor) present(ctx context.Context, targets []target) {
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	ids := map[string][]string{}
	for _, t := range targets {
		if t.Problem.Open() && !t.Problem.Superseded() && ofTrigger(t.Problem) {
			ids[t.Key.Source] = append(ids[t.Key.Source], t.Key.EventID)
		}
	}
	for source, asked := range ids {
		lane, ok := e.lanes.Get(source)
		if !ok {
			continue
		}
		found, err := lane.zabbix.Observe(ctx, asked)
		if err != nil {
			e.o.Log.Info("cannot read problems from Zabbix: using their stored state", "source", source, "events", asked, "error", err)
			continue
		}
		for i := range targets {
			t := &targets[i]
			o, known := found[t.Key.EventID]
			switch {
			case t.Key.Source != source || !known || !t.Problem.Open():
			case o.Gone:
				t.Gone = true
			default:
				event := o.Event(t.Key, time.Now())
				if t.Problem.Relation(event) != alert.Same {
					t.Reused = true
					e.o.Changed(t.Key, 0)
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
}
