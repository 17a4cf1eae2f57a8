package provision

import (
	"fmt"
	"io"
	"strings"

	"nms-alert-relay/internal/text"
)

// heads are how a step begins.
var heads = map[Action]string{Create: "create", Update: "update", Keep: "unchanged", Refuse: "conflict", Remove: "remove", Foreign: "left alone"}

// Write prints a plan so that a person can decide by it.
func (p Plan) Write(w io.Writer) {
	for _, s := range p.Steps {
		fmt.Fprintf(w, "%-10s  %s %s\n", heads[s.Action], s.Kind, shown(s.Name))
		routine := 0
		for _, c := range s.Changes {
			if c.routine && s.Action == Create {
				routine++
				continue
			}
			fmt.Fprintf(w, "              %s: %s\n", shown(c.Field), c.words())
		}
		if routine > 0 {
			fmt.Fprintf(w, "              and %s\n", properties(routine))
		}
		if s.Note != "" {
			fmt.Fprintf(w, "              (%s)\n", s.Note)
		}
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", shown(note))
	}
}

// properties is a number of properties that aren't shown one by one.
func properties(n int) string {
	if n == 1 {
		return "1 more property"
	}
	return fmt.Sprintf("%d more properties", n)
}

// words are what changes, without secrets.
func (c Change) words() string {
	switch {
	case c.Secret && c.new:
		return "[secret]"
	case c.Secret, c.From == c.To:
		return "changes"
	case c.From == "":
		return shown(c.To)
	case c.To == "":
		return shown(c.From) + " → removed"
	case strings.Contains(c.From+c.To, "\n"):
		return fmt.Sprintf("changes (%d lines → %d lines)", lines(c.From), lines(c.To))
	}
	return shown(c.From) + " → " + shown(c.To)
}

func lines(s string) int { return strings.Count(strings.TrimSpace(s), "\n") + 1 }

// shown is text from Zabbix for a terminal: one line without dangerous characters.
func shown(s string) string { return text.Shorten(text.Line(s), 300) }

// Summary counts the steps of a plan: "3 to create, 1 to update, 4 unchanged".
func (p Plan) Summary() string {
	var parts []string
	for _, c := range []struct {
		action Action
		words  string
	}{{Create, "to create"}, {Update, "to update"}, {Remove, "to remove"}, {Refuse, "in conflict"}, {Foreign, "left alone"}, {Keep, "unchanged"}} {
		n := 0
		for _, s := range p.Steps {
			if s.Action == c.action {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	return strings.Join(parts, ", ")
}
