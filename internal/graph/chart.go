// Package graph draws the history of a problem's items as a PNG. It is pure: the caller reads the history and says what to show.
package graph

import (
	"math"
	"slices"
	"time"

	"nms-alert-relay/internal/lang"
)

// MaxSeries is how many series a chart shows. Chart.More says how many there are besides.
const MaxSeries = 4

// Chart is what a picture shows.
type Chart struct {
	Title    string // the problem's name
	Subtitle string // its host and severity
	Series   []Series
	More     int // items that aren't drawn
	From, To time.Time
	Zone     *time.Location // nil: UTC
	Lang     lang.Lang
	Span     Span
}

// Span is when the problem was open. A zero To means that it still is.
type Span struct{ From, To time.Time }

// Series is the history of one item.
type Series struct {
	Name  string
	Units string // as in Zabbix: "bps", "!B", "%"
	// Points are values, or Buckets are summaries of one hour each. Both are by time.
	Points  []Point
	Buckets []Bucket
	// Values names values: the item's value map. A series with one is drawn as steps.
	Values     map[string]string
	Thresholds []Threshold
}

// Point is one value of an item.
type Point struct {
	At    time.Time
	Value float64
}

// Bucket summarises the values of an hour.
type Bucket struct {
	At            time.Time // its beginning
	Min, Avg, Max float64
}

// Threshold is a value at which the problem's trigger changes.
type Threshold struct {
	Value float64
	Label string // "> 90 %"
}

// bucketLength is the length of a Bucket: Zabbix's trends are hourly.
const bucketLength = time.Hour

// sample is a value to draw, with the range that it stands for.
type sample struct {
	at            time.Time
	low, mid, top float64
}

// samples returns what is drawn of a series: the finite values of the window, by time.
func (s Series) samples(from, to time.Time) []sample {
	list := make([]sample, 0, len(s.Points)+len(s.Buckets))
	for _, p := range s.Points {
		list = append(list, sample{p.At, p.Value, p.Value, p.Value})
	}
	for _, b := range s.Buckets {
		list = append(list, sample{b.At.Add(bucketLength / 2), b.Min, b.Avg, b.Max})
	}
	list = slices.DeleteFunc(list, func(v sample) bool {
		return v.at.Before(from) || v.at.After(to) || !finite(v.low) || !finite(v.mid) || !finite(v.top)
	})
	slices.SortStableFunc(list, func(a, b sample) int { return a.at.Compare(b.at) })
	return list
}

// maxValue bounds values, so that differences and sums of two stay finite.
const maxValue = 1e300

func finite(v float64) bool { return math.Abs(v) <= maxValue } // false for NaN

// step reports whether the value holds until the next one, rather than moving towards it.
func (s Series) step() bool { return len(s.Values) > 0 }

// gapFactor is how many usual distances without a value are a gap.
const gapFactor = 5

// runs splits samples where values are missing: at distances of more than gapFactor times the median.
func runs(list []sample) (parts [][]sample) {
	if len(list) == 0 {
		return nil
	}
	distances := make([]time.Duration, 0, len(list))
	for i := 1; i < len(list); i++ {
		distances = append(distances, list[i].at.Sub(list[i-1].at))
	}
	slices.Sort(distances)
	gap := time.Duration(math.MaxInt64)
	if n := len(distances); n > 1 {
		gap = gapFactor * max(distances[n/2], time.Second)
	}
	begin := 0
	for i := 1; i < len(list); i++ {
		if list[i].at.Sub(list[i-1].at) > gap {
			parts, begin = append(parts, list[begin:i]), i
		}
	}
	return append(parts, list[begin:])
}

// thin reduces a run to at most four samples for each column of the picture: the first, the lowest, the highest and the last. So no peak
// is lost.
func thin(run []sample, column func(time.Time) int) []sample {
	if len(run) < 5 {
		return run
	}
	out := make([]sample, 0, min(len(run), 4096))
	for i := 0; i < len(run); {
		at, j := column(run[i].at), i+1
		low, top := i, i
		for ; j < len(run) && column(run[j].at) == at; j++ {
			if run[j].low < run[low].low {
				low = j
			}
			if run[j].top > run[top].top {
				top = j
			}
		}
		last := -1
		for _, k := range slices.Sorted(slices.Values([]int{i, low, top, j - 1})) {
			if k != last {
				out = append(out, run[k])
			}
			last = k
		}
		i = j
	}
	return out
}
