package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report is the result of a run.
type report struct {
	Machine machine `json:"machine"`
	Seconds float64 `json:"seconds"`
	Rows    []row   `json:"rows"`
}

type machine struct {
	CPUs         int    `json:"cpus"`
	Go           string `json:"go"`
	OS           string `json:"os"`
	Alertmanager string `json:"alertmanager"`          // its version
	LoadBefore   string `json:"load_before,omitempty"` // averages of 1, 5 and 15 minutes
	LoadAfter    string `json:"load_after,omitempty"`
}

// row is a figure beside its reference. Reference and Ratio are nil if there is none.
type row struct {
	Name      string    `json:"name"`
	Unit      string    `json:"unit"`
	Relay     float64   `json:"relay"`
	Reference *float64  `json:"reference,omitempty"`
	Ratio     *float64  `json:"ratio,omitempty"`
	Against   string    `json:"against,omitempty"` // what the reference is
	Note      string    `json:"note,omitempty"`    // why there is no reference
	Rounds    []float64 `json:"rounds,omitempty"`  // the ratio of each round
	Target    *target   `json:"target,omitempty"`
}

// target is what a figure should reach.
type target struct {
	Limit float64 `json:"limit"`
	Of    string  `json:"of"` // "relay" or "ratio"
	Least bool    `json:"least,omitempty"`
	Met   bool    `json:"met"`
}

func (t *target) String() string {
	out := "≤ "
	if t.Least {
		out = "≥ "
	}
	if out += strconv.FormatFloat(t.Limit, 'g', -1, 64); t.Of == "ratio" {
		out = "ratio " + out
	}
	if t.Met {
		return out + ": met"
	}
	return out + ": MISSED"
}

// atMost sets the target of a figure.
func (r *row) atMost(limit float64) {
	r.Target = &target{Limit: limit, Of: "relay", Met: r.Relay <= limit}
}

// ratioAtMost and ratioAtLeast set the target of a ratio.
func (r *row) ratioAtMost(limit float64) {
	r.Target = &target{Limit: limit, Of: "ratio", Met: *r.Ratio <= limit}
}

func (r *row) ratioAtLeast(limit float64) {
	r.Target = &target{Limit: limit, Of: "ratio", Least: true, Met: *r.Ratio >= limit}
}

// add adds a row. Its reference and its target are set on the result.
func (r *report) add(name, unit string, relay float64) *row {
	r.Rows = append(r.Rows, row{Name: name, Unit: unit, Relay: relay})
	return &r.Rows[len(r.Rows)-1]
}

// beside sets the reference of a row.
func (r *row) beside(reference float64, against string) *row {
	r.Reference, r.Against = &reference, against
	if reference != 0 {
		ratio := r.Relay / reference
		r.Ratio = &ratio
	}
	return r
}

// missing says why a row has no reference.
func (r *row) missing(note, against string) *row {
	r.Note, r.Against = note, against
	return r
}

// turns adds a row with the median ratio of rounds in turns.
func (r *report) turns(name, unit string, relay, reference []float64, against string) *row {
	row := r.add(name, unit, median(relay)).beside(median(reference), against)
	for i := range relay {
		row.Rounds = append(row.Rounds, relay[i]/reference[i])
	}
	ratio := median(row.Rounds)
	row.Ratio = &ratio
	return row
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// cells are the columns of a row.
func (row row) cells() []string {
	reference, ratio, aim := cmp.Or(row.Note, "-"), "-", "-"
	if row.Reference != nil {
		reference = number(*row.Reference)
	}
	if row.Ratio != nil {
		ratio = fmt.Sprintf("%.2f", *row.Ratio)
	}
	if len(row.Rounds) > 0 {
		ratio += fmt.Sprintf(" (%.2f to %.2f)", slices.Min(row.Rounds), slices.Max(row.Rounds))
	}
	if row.Target != nil {
		aim = row.Target.String()
	}
	return []string{row.Name, row.Unit, number(row.Relay), reference, ratio, aim, row.Against}
}

var columns = []string{"what", "unit", "relay", "reference", "ratio", "target", "against"}

func (r *report) heading() string {
	return fmt.Sprintf("%d CPUs, %s, %s; Alertmanager: %s; load average %s before, %s after; %.0f s", r.Machine.CPUs, r.Machine.OS, r.Machine.Go,
		r.Machine.Alertmanager, cmp.Or(r.Machine.LoadBefore, "unknown"), cmp.Or(r.Machine.LoadAfter, "unknown"), r.Seconds)
}

func (r *report) text(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.heading())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(strings.Join(columns, "\t")))
	for _, row := range r.Rows {
		fmt.Fprintln(t, strings.Join(row.cells(), "\t"))
	}
	_ = t.Flush() // standard output: nothing to do
}

// markdown writes the table for docs/performance.md.
func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n| %s |\n|%s\n", r.heading(), strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, row := range r.Rows {
		cells := row.cells()
		if name, part := strings.CutPrefix(cells[0], "  "); part {
			cells[0] = "… " + name
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
}

// number formats a figure with three significant digits.
func number(v float64) string {
	switch {
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// quantile returns the value below which the fraction q of the values lies; 0 for none.
func quantile[T ~int64 | ~float64](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	i := int(q * float64(len(values)))
	return slices.Sorted(slices.Values(values))[min(i, len(values)-1)]
}

func median[T ~int64 | ~float64](values []T) T { return quantile(values, .5) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// loadAverage returns the load averages of Linux; "" elsewhere.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 3 {
		return ""
	}
	return strings.Join(fields[:3], " ")
}
