package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what a run measured.
type report struct {
	Machine machine `json:"machine"`
	Seconds float64 `json:"seconds"`
	Rows    []row   `json:"rows"`
}

type machine struct {
	CPUs       int    `json:"cpus"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	LoadBefore string `json:"load_before,omitempty"` // averages of 1, 5 and 15 minutes
	LoadAfter  string `json:"load_after,omitempty"`
}

// row is one figure beside its reference. Reference and Ratio are nil where
// there is nothing to compare with.
type row struct {
	Name      string    `json:"name"`
	Unit      string    `json:"unit"`
	Relay     float64   `json:"relay"`
	Reference *float64  `json:"reference,omitempty"`
	Ratio     *float64  `json:"ratio,omitempty"`
	Against   string    `json:"against,omitempty"` // what the reference is
	Rounds    []float64 `json:"rounds,omitempty"`  // the ratio of each round
}

// add adds a row whose ratio is that of its two figures.
func (r *report) add(name, unit string, relay, reference float64, against string) {
	ratio := relay / reference
	r.Rows = append(r.Rows, row{Name: name, Unit: unit, Relay: relay, Reference: &reference, Ratio: &ratio, Against: against})
}

// alone adds a row without a reference.
func (r *report) alone(name, unit string, relay float64) {
	r.Rows = append(r.Rows, row{Name: name, Unit: unit, Relay: relay})
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) text(w io.Writer) {
	fmt.Fprintf(w, "%d CPUs, %s, %s; load average %s before, %s after; %.0f s\n\n", r.Machine.CPUs, r.Machine.OS, r.Machine.Go,
		or(r.Machine.LoadBefore, "unknown"), or(r.Machine.LoadAfter, "unknown"), r.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tUNIT\tRELAY\tREFERENCE\tRATIO\tAGAINST")
	for _, row := range r.Rows {
		reference, ratio := "-", "-"
		if row.Reference != nil {
			reference, ratio = number(*row.Reference), fmt.Sprintf("%.2f", *row.Ratio)
		}
		if len(row.Rounds) > 0 {
			ratio += fmt.Sprintf(" (%.2f to %.2f)", slices.Min(row.Rounds), slices.Max(row.Rounds))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Name, row.Unit, number(row.Relay), reference, ratio, row.Against)
	}
	_ = t.Flush() // standard output: nobody to tell
}

// number writes a figure with three digits that count.
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

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// quantile is the value below which a part q of the values lies; 0 for none. It sorts them.
func quantile[T ~int64 | ~float64](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	i := int(q * float64(len(values)))
	return values[min(i, len(values)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// load is the load averages as Linux tells them; "" elsewhere.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 3 {
		return ""
	}
	return strings.Join(fields[:3], " ")
}
