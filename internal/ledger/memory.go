package ledger

import (
	"context"
	"fmt"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// remember adds the fold's resolved problems to the statistics of their triggers, and gives the problems that opened their memory.
func (l *Ledger) remember(ctx context.Context, f *store.Fold) error {
	triggers := asked(*f)
	if len(triggers) == 0 {
		return nil
	}
	known, err := l.opts.Store.TriggerStats(ctx, triggers)
	if err != nil {
		return fmt.Errorf("reading statistics of triggers: %w", err)
	}
	f.Triggers = remember(f, known)
	return nil
}

// asked returns the triggers whose statistics the fold's problems need.
func asked(f store.Fold) (triggers []alert.TriggerKey) {
	for i := range f.Problems {
		p := &f.Problems[i]
		if !resolved(p) && !forgetful(f, p) {
			continue
		}
		if trigger, ok := p.Trigger(); ok {
			triggers = append(triggers, trigger)
		}
	}
	return triggers
}

func resolved(p *alert.Problem) bool { return p.State == alert.StateResolved }

// forgetful reports whether a problem opened, and the earlier ones of its trigger weren't counted yet. Its memory never changes, and
// comes with a change that a room sees, so that a message changes only with its problem.
func forgetful(f store.Fold, p *alert.Problem) bool {
	return p.Announced && p.Memory == nil && p.Revision > f.Read[p.Key]
}

// remember sets the memory of the fold's problems, and returns the statistics that they changed. Those that resolved are added first:
// the next problem of a trigger may be in the same batch.
func remember(f *store.Fold, known map[alert.TriggerKey]alert.TriggerStats) (written []alert.TriggerStats) {
	at := map[alert.TriggerKey]int{} // in written
	problems := f.Problems
	for i := range problems {
		trigger, ok := problems[i].Trigger()
		if !ok || !resolved(&problems[i]) {
			continue
		}
		stats, changed := known[trigger].Add(problems[i])
		if !changed {
			continue
		}
		stats.Trigger = trigger
		if known[trigger] = stats; at[trigger] == 0 {
			written = append(written, stats)
			at[trigger] = len(written)
		} else {
			written[at[trigger]-1] = stats
		}
	}
	for i := range problems {
		if trigger, ok := problems[i].Trigger(); ok && forgetful(*f, &problems[i]) {
			m := known[trigger].Before(problems[i])
			problems[i].Memory = &m
		}
	}
	return written
}
