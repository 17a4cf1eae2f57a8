package provision

import (
	"context"
	"errors"
	"fmt"
)

// PlanRemoval is what has to be done to remove everything that carries our mark, in the order in which Zabbix allows it.
func (p *Setup) PlanRemoval(ctx context.Context) (Plan, error) {
	s, err := p.read(ctx)
	if err != nil {
		return Plan{}, err
	}
	return planRemoval(s), nil
}

func planRemoval(s *state) Plan {
	out := Plan{Version: s.version.Text, state: s}
	for _, k := range removal {
		for _, source := range append([]string{""}, ActionSources...) {
			found := s.found[slot{k, source}]
			if found == nil {
				continue
			}
			step := Step{Kind: k.word, Name: found.name, Action: Remove, want: object{kind: k}, id: found.id}
			if !found.marked {
				step.Action, step.Note = Foreign, "it wasn't made by alert-relay, and stays"
			}
			out.Steps = append(out.Steps, step)
		}
	}
	return out
}

// Remove carries out such a plan. A refusal doesn't stop it: what else can be removed is.
func (p *Setup) Remove(ctx context.Context, plan Plan, done func(Step)) error {
	var faults []error
	for _, s := range plan.Pending() {
		if err := p.call(ctx, s.want.kind.remove, []string{s.id}, nil); err != nil {
			if ctx.Err() != nil || hopeless(err) {
				return errors.Join(append(faults, err)...)
			}
			faults = append(faults, fmt.Errorf("%s %s: %w", s.Kind, s.Name, explain(err)))
			continue
		}
		done(s)
	}
	return errors.Join(faults...)
}
