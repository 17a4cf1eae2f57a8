package graph

import (
	"fmt"
	"math"
	"strings"
	"time"

	"nms-alert-relay/internal/lang"
)

// tick is a mark on the axis of time.
type tick struct {
	at    time.Time
	label string
	day   string // shown below the label where the day changes
}

// clockSteps are the distances of ticks within a day, in minutes, and daySteps those of whole days.
var (
	clockSteps = []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720}
	daySteps   = []int{1, 2, 4, 7, 14, 28, 56, 91, 182}
)

// ticks are at most most marks on round local times. Where the clock goes forward the hour that doesn't exist has none, and where it goes
// back the repeated hour has one.
func ticks(l lang.Lang, from, to time.Time, zone *time.Location, most int) []tick {
	from, to = from.In(zone), to.In(zone)
	span := to.Sub(from)
	for _, step := range clockSteps {
		if span/time.Duration(step) <= time.Duration(most)*time.Minute {
			return clockTicks(l, from, to, step)
		}
	}
	step := daySteps[len(daySteps)-1]
	for _, s := range daySteps {
		if span/time.Duration(s) <= time.Duration(most)*24*time.Hour {
			step = s
			break
		}
	}
	var list []tick
	y, m, d := from.Date()
	d -= int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86400) % step
	for ; ; d += step {
		at := time.Date(y, m, d, 0, 0, 0, 0, zone)
		if at.After(to) {
			return list
		}
		if !at.Before(from) {
			list = append(list, tick{at: at, label: l.Time(at, "2 Jan")})
		}
	}
}

func clockTicks(l lang.Lang, from, to time.Time, step int) (list []tick) {
	y, m, d := from.Date()
	shown := -1
	for ; ; d++ {
		if time.Date(y, m, d, 0, 0, 0, 0, from.Location()).After(to) {
			return list
		}
		for minute := 0; minute < 24*60; minute += step {
			at := time.Date(y, m, d, 0, minute, 0, 0, from.Location())
			if at.Hour()*60+at.Minute() != minute || at.Before(from) || at.After(to) {
				continue
			}
			t := tick{at: at, label: at.Format("15:04")}
			if at.YearDay() != shown {
				t.day, shown = l.Time(at, "Mon 2 Jan"), at.YearDay()
			}
			list = append(list, t)
		}
	}
}

// grid is the axis of values.
type grid struct {
	low, top float64
	lines    []float64
	label    func(float64) string
}

// gridOf fits an axis to values from low to top, with about this many lines.
func gridOf(low, top float64, s Series, lines int, zone *time.Location) grid {
	if low >= 0 && low <= top/2 {
		low = 0
	}
	if top-low < 1e-12*math.Max(math.Abs(top), math.Abs(low)) || top == low {
		margin := math.Max(math.Abs(top)/10, 0.5)
		low, top = low-margin, top+margin
		if low < 0 && top-margin >= 0 {
			low = 0
		}
	}
	step := stepOf((top-low)/float64(lines), s.Units)
	g := grid{low: math.Floor(low/step+1e-9) * step, top: math.Ceil(top/step-1e-9) * step}
	for i := 0; i <= 4*lines+4; i++ {
		v := g.low + float64(i)*step
		if v > g.top+step/2 {
			break
		}
		if math.Abs(v) < step/1e6 {
			v = 0
		}
		g.lines = append(g.lines, v)
	}
	g.label = func(v float64) string { return axisLabel(v, step, g, s, zone) }
	return g
}

var secondSteps = []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 5 * 86400}

// stepOf is the next round step.
func stepOf(least float64, units string) float64 {
	switch bare, plain := unitsOf(units); {
	case (bare == "s" || bare == "uptime" || bare == "unixtime") && !plain && least > 1 && least <= secondSteps[len(secondSteps)-1]:
		for _, s := range secondSteps {
			if s >= least {
				return s
			}
		}
	case base(bare) == 1024 && !plain:
		unit := 1.0
		for least/unit > 512 {
			unit *= 1024
		}
		return unit * round125(least/unit)
	}
	return round125(least)
}

// round125 is the next 1, 2 or 5 times a power of ten.
func round125(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, f := range [...]float64{1, 2, 5} {
		if f*power >= least*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// axisLabel writes a value of the grid. All of its labels have the same prefix and as many decimals as tell them apart.
func axisLabel(v, step float64, g grid, s Series, zone *time.Location) string {
	if len(s.Values) > 0 {
		if v != math.Trunc(v) {
			return ""
		}
		if name, ok := s.Values[number(v)]; ok {
			return label(name, 14)
		}
	}
	bare, plain := unitsOf(s.Units)
	switch {
	case plain && bare != "":
	case bare == "s" || bare == "uptime":
		return strings.TrimSuffix(seconds(v), " 0s")
	case bare == "unixtime":
		if math.Abs(v) > 1e11 {
			return number(v)
		}
		return time.Unix(int64(v), 0).In(zone).Format("2 Jan 15:04")
	}
	most := math.Max(math.Abs(g.low), math.Abs(g.top))
	factor, prefix := 1.0, ""
	if !plain || bare == "" && most >= 1e5 {
		var scaled float64
		if scaled, prefix = scale(most, base(bare), len(prefixes)-1); scaled != 0 {
			factor = most / scaled
		}
	}
	decimals := max(0, min(9, -int(math.Floor(math.Log10(step/factor)+1e-9))))
	if most/factor >= 1e15 || step/factor < 1e-9 {
		return joined(number(v/factor), prefix+bare)
	}
	out := fmt.Sprintf("%.*f", decimals, v/factor)
	if v == 0 {
		out = "0"
	}
	return joined(out, prefix+bare)
}
