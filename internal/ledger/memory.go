package ledger

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// remember adds the draft's resolved problems to the statistics of their triggers, and gives the problems that opened their memory.
func (l *Ledger) remember(ctx context.Context, d *Draft, f *store.Fold) error {
	triggers := d.asked(*f)
	if len(triggers) == 0 {
		return nil
	}
	known, err := l.opts.Store.TriggerStats(ctx, triggers)
	if err != nil {
		return fmt.Errorf("reading statistics of triggers: %w", err)
	}
	f.Triggers = d.remember(f, known)
	return nil
}

// asked returns the triggers whose statistics the draft's problems need.
func (d *Draft) asked(f store.Fold) (triggers []alert.TriggerKey) {
	for p := range d.resolved() {
		if trigger, ok := p.Trigger(); ok {
			triggers = append(triggers, trigger)
		}
	}
	for i := range f.Problems {
		if trigger, ok := f.Problems[i].Trigger(); ok && forgetful(f, &f.Problems[i]) {
			triggers = append(triggers, trigger)
		}
	}
	return triggers
}

// resolved are the draft's resolved problems that changed, or that another room got.
func (d *Draft) resolved() iter.Seq[*draftProblem] {
	return func(yield func(*draftProblem) bool) {
		for _, key := range d.order {
			p := d.problems[key]
			changed := p.changed || slices.ContainsFunc(p.posts, func(post draftPost) bool { return post.touched })
			if p.State == alert.StateResolved && changed && !yield(p) {
				return
			}
		}
	}
}

// forgetful reports whether a problem opened, and the earlier ones of its trigger weren't counted yet. Its memory never changes, and
// comes with a change that a room sees, so that a message changes only with its problem.
func forgetful(f store.Fold, p *alert.Problem) bool {
	return p.Announced && p.Memory == nil && p.Revision > f.Read[p.Key]
}

// remember sets the memory of the fold's problems, and returns the statistics that they changed. Those that resolved are added first:
// the next problem of a trigger may be in the same batch.
func (d *Draft) remember(f *store.Fold, known map[alert.TriggerKey]alert.TriggerStats) (written []alert.TriggerStats) {
	at := map[alert.TriggerKey]int{} // in written
	for p := range d.resolved() {
		trigger, ok := p.Trigger()
		if !ok {
			continue
		}
		stats, changed := known[trigger].Add(p.Problem, p.rooms())
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
	for i := range f.Problems {
		p := &f.Problems[i]
		if trigger, ok := p.Trigger(); ok && forgetful(*f, p) {
			m := known[trigger].Before(*p)
			p.Memory = &m
		}
	}
	return written
}

// rooms are those that have a post of the problem.
func (p *draftProblem) rooms() []string {
	rooms := make([]string, len(p.posts))
	for i := range p.posts {
		rooms[i] = p.posts[i].Room
	}
	return rooms
}
