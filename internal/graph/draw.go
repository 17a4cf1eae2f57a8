package graph

import (
	"cmp"
	"image"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-analyze/charts"
)

// A picture is drawn at twice its size, for sharp screens: all lengths here are pixels of the picture.
const (
	width       = 2000
	height      = 840
	panelHeight = 380 // of each further panel

	margin     = 36
	leftSpace  = 190 // for the labels of the values
	rightSpace = 270 // for the last values
	titleSpace = 128
	axisSpace  = 112 // below the last panel
	nameSpace  = 70  // above each panel: the items' names
	noteSpace  = 50  // above the first panel: when the problem began and ended
	panelGap   = 30

	titleSize, textSize, smallSize = 46, 34, 31
)

var (
	paper     = charts.ColorRGB(255, 255, 255)
	ink       = charts.ColorRGB(31, 35, 40)
	pale      = charts.ColorRGB(87, 96, 106)
	lines     = charts.ColorRGB(225, 228, 232)
	frame     = charts.ColorRGB(175, 184, 193)
	alarm     = charts.ColorRGB(190, 24, 40)
	alarmed   = charts.Color{R: 207, G: 34, B: 46, A: 30}
	threshold = charts.ColorRGB(190, 24, 40)
	colours   = [MaxSeries]charts.Color{charts.ColorRGB(9, 105, 218), charts.ColorRGB(188, 76, 0), charts.ColorRGB(17, 99, 41), charts.ColorRGB(130, 80, 223)}
)

// replacement stands for characters that the font doesn't have.
const replacement = '□'

var font = charts.GetFont(charts.FontFamilyNotoSans)

func drawable(r rune) bool { return font.Index(r) != 0 }

// canvas draws text by the size of its letters, in pixels.
type canvas struct {
	*charts.Painter
	words []image.Rectangle // where text was drawn
}

func style(size float64, colour charts.Color) charts.FontStyle {
	return charts.FontStyle{FontSize: size * 72 / 92, FontColor: colour, Font: font} // the painter has 92 dots per inch
}

func (c *canvas) widthOf(s string, size float64) int {
	return c.MeasureText(s, 0, style(size, ink)).Width()
}

// text writes s with its left end at x and its baseline at y.
func (c *canvas) text(s string, x, y int, size float64, colour charts.Color) {
	if s == "" {
		return
	}
	c.Text(s, x, y, 0, style(size, colour))
	c.words = append(c.words, image.Rect(x, y-int(size*3/4), x+c.widthOf(s, size), y))
}

// fit shortens s until it is at most this wide.
func (c *canvas) fit(s string, size float64, most int) string {
	if c.widthOf(s, size) <= most {
		return s
	}
	list := []rune(s)
	for n := len(list) - 1; n > 0; n-- {
		if cut := strings.TrimSpace(string(list[:n])) + "…"; c.widthOf(cut, size) <= most {
			return cut
		}
	}
	return ""
}

func (c *canvas) line(x1, y1, x2, y2 int, colour charts.Color, thick float64) {
	c.LineStroke([]charts.Point{{X: x1, Y: y1}, {X: x2, Y: y2}}, colour, thick)
}

// panel is one plot: series with the same units.
type panel struct {
	series  []Series
	colours []charts.Color
	samples [][]sample
	grid    grid
	shown   []Threshold
	top     int
	bottom  int
}

// picture is a chart that is being drawn.
type picture struct {
	canvas
	chart  Chart
	zone   *time.Location
	panels []*panel
	ticks  []tick
	left   int
	right  int
	height int
}

// PNG draws a chart. It fails only if encoding does.
func PNG(c Chart) ([]byte, error) { return compose(c).Bytes() }

func compose(c Chart) *picture {
	p := &picture{chart: c, zone: cmp.Or(c.Zone, time.UTC), left: leftSpace, right: width - rightSpace}
	if !c.To.After(c.From) {
		p.chart.To = c.From.Add(minWindow)
	}
	p.ticks = ticks(p.chart.Lang, p.chart.From, p.chart.To, p.zone, 9)
	p.group()
	p.height = height + (len(p.panels)-1)*panelHeight
	p.canvas = canvas{Painter: charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: width, Height: p.height, Font: font})}
	p.FilledRect(0, 0, width, p.height, paper, paper, 0)
	p.arrange()
	p.header()
	for i, one := range p.panels {
		p.plot(one, i == 0)
	}
	p.timeAxis()
	p.FilledRect(1, 1, width-1, p.height-1, charts.Color{}, frame, 2)
	return p
}

// group puts series with the same units into one panel.
func (p *picture) group() {
	series := p.chart.Series
	p.chart.More += max(0, len(series)-MaxSeries)
	for i, s := range series[:min(len(series), MaxSeries)] {
		at := slices.IndexFunc(p.panels, func(o *panel) bool { return o.series[0].Units == s.Units && o.series[0].step() == s.step() })
		if at < 0 {
			p.panels, at = append(p.panels, &panel{}), len(p.panels)
		}
		o := p.panels[at]
		o.series, o.colours = append(o.series, s), append(o.colours, colours[i])
		o.samples = append(o.samples, s.samples(p.chart.From, p.chart.To))
	}
	if len(p.panels) == 0 {
		p.panels = []*panel{{series: []Series{{}}, samples: make([][]sample, 1), colours: colours[:1]}}
	}
}

// arrange places the panels and fits their axes.
func (p *picture) arrange() {
	n := len(p.panels)
	room := p.height - titleSpace - noteSpace - axisSpace - n*nameSpace - (n-1)*panelGap
	top := titleSpace + noteSpace
	for _, o := range p.panels {
		o.top = top + nameSpace
		o.bottom = o.top + room/n
		top = o.bottom + panelGap
		o.fit(room/n, p.zone)
	}
}

// maxStretch is how much the thresholds may stretch the axis of the values.
const maxStretch = 4

func (o *panel) fit(room int, zone *time.Location) {
	low, top := math.Inf(1), math.Inf(-1)
	for _, list := range o.samples {
		for _, v := range list {
			low, top = math.Min(low, v.low), math.Max(top, v.top)
		}
	}
	if low > top {
		low, top = 0, 1
	}
	reach := maxStretch * math.Max(top-low, math.Max(math.Abs(top), math.Abs(low))/maxStretch)
	for _, s := range o.series {
		for _, t := range s.Thresholds {
			known := slices.ContainsFunc(o.shown, func(k Threshold) bool { return k.Value == t.Value })
			if finite(t.Value) && !known && math.Max(top, t.Value)-math.Min(low, t.Value) <= reach {
				o.shown = append(o.shown, t)
			}
		}
	}
	for _, t := range o.shown {
		low, top = math.Min(low, t.Value), math.Max(top, t.Value)
	}
	s := o.series[0]
	if bare, _ := unitsOf(s.Units); bare == "unixtime" {
		o.grid = gridOf(low, top, s, 3, zone)
		return
	}
	if len(s.Values) > 0 && top-low <= 8 {
		low, top = math.Floor(low)-0.5, math.Ceil(top)+0.5
		o.grid = grid{low: low, top: top}
		for v := math.Ceil(low); v <= top; v++ {
			o.grid.lines = append(o.grid.lines, v)
		}
		o.grid.label = func(v float64) string { return axisLabel(v, 1, o.grid, s, zone) }
		return
	}
	o.grid = gridOf(low, top, s, max(2, min(5, room/90)), zone)
}

func (p *picture) x(at time.Time) int {
	part := float64(at.Sub(p.chart.From)) / float64(p.chart.To.Sub(p.chart.From))
	return p.left + int(math.Round(math.Max(0, math.Min(1, part))*float64(p.right-p.left)))
}

func (o *panel) y(v float64) int {
	part := (v - o.grid.low) / (o.grid.top - o.grid.low)
	return o.bottom - int(math.Round(math.Max(0, math.Min(1, part))*float64(o.bottom-o.top)))
}

func (p *picture) header() {
	room := width - 2*margin
	p.text(p.fit(label(p.chart.Title, maxTitle), titleSize, room), margin, 62, titleSize, ink)
	sub := label(p.chart.Subtitle, maxTitle)
	if n := p.chart.More; n > 0 {
		more := p.chart.Lang.N(n, "and %d more item", "and %d more items")
		w := p.widthOf(more, textSize)
		p.text(more, width-margin-w, 112, textSize, pale)
		room -= w + margin
	}
	p.text(p.fit(sub, textSize, room), margin, 112, textSize, pale)
}

func (p *picture) plot(o *panel, first bool) {
	for _, t := range p.ticks {
		p.line(p.x(t.at), o.top, p.x(t.at), o.bottom, lines, 2)
	}
	last := 1 << 30
	for _, v := range o.grid.lines {
		y := o.y(v)
		p.line(p.left, y, p.right, y, lines, 2)
		if s := o.grid.label(v); s != "" && last-y >= smallSize+6 {
			s = p.fit(s, smallSize, leftSpace-margin/2-16)
			p.text(s, p.left-16-p.widthOf(s, smallSize), y+11, smallSize, pale)
			last = y
		}
	}
	p.span(o)
	if first {
		p.notes(o)
	}
	p.names(o)
	for i := range o.series {
		p.draw(o, i)
	}
	p.line(p.left, o.bottom, p.right, o.bottom, frame, 3)
	p.thresholds(o)
	p.lastValues(o)
}

// span shades the time of the problem.
func (p *picture) span(o *panel) {
	s := p.chart.Span
	end := s.To
	if end.IsZero() {
		end = p.chart.To
	}
	if s.From.IsZero() || !end.After(p.chart.From) || !s.From.Before(p.chart.To) {
		return
	}
	x := p.x(s.From)
	p.FilledRect(x, o.top, max(p.x(end), x+2), o.bottom, alarmed, alarmed, 0)
	if p.shows(s.From) {
		p.line(x, o.top, x, o.bottom, alarm, 3)
	}
}

func (p *picture) shows(at time.Time) bool {
	return !at.IsZero() && !at.Before(p.chart.From) && !at.After(p.chart.To)
}

// notes says above the first panel when the problem began, with the value then, and when it ended.
func (p *picture) notes(o *panel) {
	const room, y = width - margin, titleSpace + noteSpace/2 + 8
	began, ended := "", ""
	if s := p.chart.Span; p.shows(s.From) {
		began = p.clock(s.From) + p.chart.Lang.T(" problem")
		if v, ok := o.valueAt(s.From); ok {
			began += ": " + o.series[0].Named(v, p.zone)
		}
	}
	if p.shows(p.chart.Span.To) {
		ended = p.clock(p.chart.Span.To) + p.chart.Lang.T(" resolved")
	}
	w := p.widthOf(ended, textSize)
	began = p.fit(began, textSize, room-2*margin-w)
	x := max(margin, min(p.x(p.chart.Span.From), room-w-margin-p.widthOf(began, textSize)))
	p.text(began, x, y, textSize, alarm)
	p.text(ended, max(x+p.widthOf(began, textSize)+margin, min(p.x(p.chart.Span.To), room-w)), y, textSize, colours[2])
}

// clock writes a time, with the date if the window has several days.
func (p *picture) clock(at time.Time) string {
	at = at.In(p.zone)
	if p.chart.From.In(p.zone).Format(time.DateOnly) != p.chart.To.In(p.zone).Format(time.DateOnly) {
		return p.chart.Lang.Time(at, "2 Jan 15:04")
	}
	return at.Format("15:04")
}

// valueAt is the value of the first series at a time: the newest one by then, or the first one after it.
func (o *panel) valueAt(at time.Time) (float64, bool) {
	for _, list := range o.samples[:1] {
		i, _ := slices.BinarySearchFunc(list, at.Add(time.Second), func(s sample, at time.Time) int { return s.at.Compare(at) })
		switch {
		case i > 0:
			return list[i-1].mid, true
		case len(list) > 0:
			return list[0].mid, true
		}
	}
	return 0, false
}

// names writes the names of a panel's items above it.
func (p *picture) names(o *panel) {
	room := (width - 2*margin) / len(o.series)
	x := margin
	for i, s := range o.series {
		name := label(s.Name, maxName)
		if len(s.Buckets) > 0 {
			name += p.chart.Lang.T(" (hourly)")
		}
		p.FilledRect(x, o.top-54, x+26, o.top-28, o.colours[i], o.colours[i], 0)
		name = p.fit(name, textSize, room-80)
		p.text(name, x+40, o.top-29, textSize, ink)
		x += min(room, 40+p.widthOf(name, textSize)+60)
	}
}

func (p *picture) draw(o *panel, i int) {
	colour := o.colours[i]
	shade := colour
	shade.A = 70
	if len(o.samples[i]) == 0 {
		words := p.chart.Lang.T("no values in this time")
		x := p.left + (p.right-p.left-p.widthOf(words, textSize))/2
		p.text(words, x, o.top+(o.bottom-o.top)*(i+1)/(len(o.series)+1), textSize, pale)
		return
	}
	for _, run := range runs(o.samples[i]) {
		run = thin(run, func(at time.Time) int { return p.x(at) / 2 })
		if len(o.series[i].Buckets) > 0 && len(run) > 1 {
			area := make([]charts.Point, 0, 2*len(run)+1)
			for _, v := range run {
				area = append(area, charts.Point{X: p.x(v.at), Y: o.y(v.top)})
			}
			for _, v := range slices.Backward(run) {
				area = append(area, charts.Point{X: p.x(v.at), Y: o.y(v.low)})
			}
			p.FillArea(append(area, area[0]), shade)
		}
		points := make([]charts.Point, 0, 2*len(run))
		for _, v := range run {
			at := charts.Point{X: p.x(v.at), Y: o.y(v.mid)}
			if n := len(points); n > 0 && o.series[i].step() {
				points = append(points, charts.Point{X: at.X, Y: points[n-1].Y})
			}
			points = append(points, at)
		}
		if len(run) == 1 {
			p.Circle(6, points[0].X, points[0].Y, colour, colour, 1)
			continue
		}
		p.LineStroke(points, colour, 4)
	}
}

// thresholds draws the lines at which the trigger changes. Their labels are at the left, and none covers another one.
func (p *picture) thresholds(o *panel) {
	var taken []int
	for _, t := range o.shown {
		y := o.y(t.Value)
		p.DashedLineStroke([]charts.Point{{X: p.left, Y: y}, {X: p.right, Y: y}}, threshold, 3, []float64{14, 10})
		at := y - 12
		if at-smallSize < o.top {
			at = y + smallSize + 4
		}
		if slices.ContainsFunc(taken, func(other int) bool { return abs(other-at) < smallSize+6 }) {
			continue
		}
		taken = append(taken, at)
		words := p.fit(label(t.Label, maxName), smallSize, (p.right-p.left)/3)
		w := p.widthOf(words, smallSize)
		back := paper
		back.A = 215
		p.FilledRect(p.left+6, at-smallSize+3, p.left+22+w, at+8, back, back, 0)
		p.text(words, p.left+14, at, smallSize, threshold)
	}
}

// lastValues labels each series with its newest value, at the right. Labels that would cover each other move apart.
func (p *picture) lastValues(o *panel) {
	const tall = smallSize + 18
	type chip struct {
		at     sample
		y      int
		words  string
		colour charts.Color
	}
	var list []chip
	for i, s := range o.samples {
		if len(s) > 0 {
			v := s[len(s)-1]
			list = append(list, chip{v, o.y(v.mid), o.series[i].Named(v.mid, p.zone), o.colours[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b chip) int { return cmp.Compare(a.y, b.y) })
	floor := o.top - tall/2
	for i := range list {
		list[i].y = max(list[i].y, floor+tall/2)
		floor = list[i].y + tall/2 + 4
	}
	ceiling := o.bottom + tall/2
	for i, c := range slices.Backward(list) {
		list[i].y = min(c.y, ceiling-tall/2)
		ceiling = list[i].y - tall/2 - 4
	}
	for _, c := range list {
		x, y := p.x(c.at.at), o.y(c.at.mid)
		p.Circle(8, x, y, c.colour, paper, 2)
		left := p.right + 18
		words := p.fit(c.words, textSize, rightSpace-18-24-margin/2)
		p.FilledRect(left, c.y-tall/2, left+24+p.widthOf(words, textSize), c.y+tall/2, c.colour, c.colour, 0)
		p.text(words, left+12, c.y+12, textSize, paper)
	}
}

// timeAxis writes the times and the zone below the last panel.
func (p *picture) timeAxis() {
	bottom := p.panels[len(p.panels)-1].bottom
	free, freeDay := 0, 0
	zone := p.zoneName()
	room := width - margin - p.widthOf(zone, smallSize)
	for _, t := range p.ticks {
		x := p.x(t.at)
		p.line(x, bottom, x, bottom+10, frame, 3)
		w := p.widthOf(t.label, smallSize)
		if left := x - w/2; left >= free {
			p.text(t.label, left, bottom+46, smallSize, ink)
			free = left + w + 24
		}
		w = p.widthOf(t.day, smallSize)
		if left := max(margin, x-w/2); t.day != "" && left >= freeDay && left+w+24 <= room {
			p.text(t.day, left, bottom+86, smallSize, pale)
			freeDay = left + w + 24
		}
	}
	p.text(zone, room, bottom+86, smallSize, pale)
}

// zoneName is the zone with its present abbreviation: "Europe/Zurich, CET".
func (p *picture) zoneName() string {
	short := p.chart.To.In(p.zone).Format("MST")
	if name := p.zone.String(); name != short && name != "Local" {
		return label(name+", "+short, maxName)
	}
	return label(short, maxName)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
