package doctor

import (
	"fmt"
	"io"

	"nms-alert-relay/internal/text"
)

// Report is the result of all checks.
type Report struct {
	Verdict Verdict `json:"verdict"` // the worst
	Checks  []Check `json:"checks"`
}

// NewReport makes the report of checks.
func NewReport(checks []Check) Report { return Report{Verdict: Worst(checks), Checks: checks} }

// Write prints one line for each check, and then how many there are of each verdict.
func (r Report) Write(w io.Writer) {
	n := map[Verdict]int{}
	for _, c := range r.Checks {
		n[c.Verdict]++
		fmt.Fprintln(w, c.line())
	}
	fmt.Fprintf(w, "\nok: %d, warnings: %d, failures: %d\n", n[OK], n[Warning], n[Failure])
}

// line is a check as text: verdict, area and target, name, what was found, and what to do.
func (c Check) line() string {
	where := c.Area
	if c.Target != "" {
		where += " " + c.Target
	}
	line := fmt.Sprintf("%s: %s: %s", where, c.Name, c.Found)
	if c.Do != "" {
		line += " (" + c.Do + ")"
	}
	return fmt.Sprintf("%-7s  %s", c.Verdict, text.Line(line))
}
