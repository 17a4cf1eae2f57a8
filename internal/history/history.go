// Package history reads the history of a problem's items from Zabbix and has it drawn, for the command graph and for routes that post
// graphs.
package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/graph"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// Source is the API of one Zabbix: zabbix.Client.
type Source interface {
	TriggerItems(ctx context.Context, triggerID string) ([]zabbix.Item, error)
	History(ctx context.Context, i zabbix.Item, from, to time.Time, limit int) ([]zabbix.Value, error)
	Trends(ctx context.Context, i zabbix.Item, from, to time.Time, limit int) ([]zabbix.Trend, error)
	Texts(ctx context.Context, i zabbix.Item, from, to time.Time, limit int) ([]zabbix.TextValue, error)
}

// MaxLength is the longest window that can be asked for.
const MaxLength = graph.MaxWindow

// Limits of what is read.
const (
	// maxPoints bounds the values of one graph.
	maxPoints = 20_000
	// trendsFrom is the length from which a window shows hourly summaries: more values than pixels say no more.
	trendsFrom = 48 * time.Hour
	// maxTexts is how many values of an item of text are shown, textItems of how many items.
	maxTexts, textItems = 5, 3
	// textReach is how long before the window the last texts may be.
	textReach = 30 * 24 * time.Hour
	// maxTextShown is how much of a text is shown, in bytes.
	maxTextShown = 300
)

// Picture is a graph, or what there is to say instead.
type Picture struct {
	Name  string // of the file
	PNG   []byte // nil if there is nothing to draw
	Words string // markdown: what the picture shows, and the values of items that can't be drawn
}

// Request says what is to be drawn.
type Request struct {
	Problem alert.Problem
	Asked   time.Duration // the length of the window that somebody asked for; 0: it follows the problem
	Around  graph.Span    // what the window follows instead, an incident; zero for none
	Zone    *time.Location
	Lang    lang.Lang // of the words
	Title   string    // markdown that names the problem; "" for its name
	Now     time.Time
}

// Of reads and draws the history of a problem's items. The error is Zabbix's.
func Of(ctx context.Context, s Source, r Request) (Picture, error) {
	c, out, err := collect(ctx, s, r)
	if err != nil || out.Name == "" {
		return out, err
	}
	if out.PNG, err = graph.PNG(c); err != nil { // the encoder writes to memory
		return Picture{}, fmt.Errorf("encoding a graph: %w", err)
	}
	return out, nil
}

// collect reads what the picture shows. It has no Name if there is nothing to draw.
func collect(ctx context.Context, s Source, r Request) (c graph.Chart, out Picture, err error) {
	p := r.Problem
	r.Zone, r.Title = cmp.Or(r.Zone, time.UTC), cmp.Or(r.Title, "**"+shown(p.Name, 80)+"**")
	items, err := s.TriggerItems(ctx, p.TriggerID)
	if err != nil {
		return c, out, err
	}
	var numeric, texts []zabbix.Item
	for _, i := range items {
		switch {
		case i.Numeric():
			numeric = append(numeric, i)
		case i.Textual():
			texts = append(texts, i)
		}
	}
	c = graph.Chart{Title: p.Name, Subtitle: subtitle(p, r.Lang), Zone: r.Zone, Lang: r.Lang, Span: graph.Span{From: p.OpenedAt, To: p.ResolvedAt}}
	around := c.Span
	if r.Around != (graph.Span{}) {
		around = r.Around
	}
	c.From, c.To = graph.Window(around.From, around.To, r.Now, r.Asked)
	drawn := numeric[:min(len(numeric), graph.MaxSeries)]
	c.More = len(numeric) - len(drawn)
	several := hosts(drawn) > 1
	for _, i := range drawn {
		series, err := read(ctx, s, i, c.From, c.To, r, maxPoints/len(drawn))
		if err != nil {
			return c, out, err
		}
		if several {
			series.Name = i.Host + ": " + series.Name
		}
		c.Series = append(c.Series, series)
	}
	var lines []string
	for _, i := range texts[:min(len(texts), textItems)] {
		line, err := lastTexts(ctx, s, i, c.From, c.To, r)
		if err != nil {
			return c, out, err
		}
		lines = append(lines, line)
	}
	if n := len(texts) - textItems; n > 0 {
		lines = append(lines, r.Lang.T("… and %d more items of text.", n))
	}
	texted := strings.Join(lines, "\n\n")
	switch {
	case len(drawn) == 0 && texted == "":
		out.Words = r.Lang.T("ℹ️ There is nothing to draw for %s: Zabbix shows the relay's user no item of its trigger.", r.Title)
		return c, out, nil
	case len(drawn) == 0:
		out.Words = "📄 " + r.Lang.T("%s, last values:", r.Title) + "\n\n" + texted
		return c, out, nil
	case slices.ContainsFunc(c.Series, func(s graph.Series) bool { return len(s.Points)+len(s.Buckets) > 0 }):
		out.Name, out.Words = "graph-"+fileID(p.Key.Original().EventID)+".png", caption(c, r)
	default:
		out.Words = r.Lang.T("ℹ️ There is nothing to draw for %s: Zabbix has no values of %s.", r.Title, window(c, r))
	}
	if texted != "" {
		out.Words += "\n\n" + texted
	}
	return c, out, nil
}

func fileID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, text.Cut(id, 30))
}

func subtitle(p alert.Problem, l lang.Lang) string {
	names := text.Names(p.Hosts, func(h alert.Host) string { return cmp.Or(h.Name, h.Host) })
	severity := render.Word(l, p.Severity)
	if len(names) == 0 {
		return severity
	}
	return l.Some(names, 3) + " · " + severity
}

func hosts(items []zabbix.Item) int {
	names := map[string]bool{}
	for _, i := range items {
		names[i.Host] = true
	}
	return len(names)
}

// useTrends reports whether a window of an item is shown by its hourly summaries.
func useTrends(i zabbix.Item, from, to, now time.Time, limit int) bool {
	switch {
	case i.Trends == 0:
		return false
	case i.History == 0 || to.Sub(from) > trendsFrom:
		return true
	case i.History > 0 && now.Sub(from) > i.History:
		return true
	}
	return i.Delay > 0 && to.Sub(from)/i.Delay > time.Duration(limit)
}

// read reads an item's values in a window: all of them, or hourly summaries if Zabbix doesn't keep them that long or they are too many.
func read(ctx context.Context, s Source, i zabbix.Item, from, to time.Time, r Request, limit int) (graph.Series, error) {
	out := graph.Series{Name: i.Name, Units: i.Units, Values: i.Values}
	for _, t := range i.Thresholds {
		out.Thresholds = append(out.Thresholds, graph.Threshold{Value: t.Value, Label: t.Operator + " " + out.Named(t.Value, r.Zone)})
	}
	trends := useTrends(i, from, to, r.Now, limit)
	if !trends {
		values, err := s.History(ctx, i, from, to, limit)
		if err != nil {
			return out, err
		}
		if trends = i.Trends != 0 && (len(values) == 0 || len(values) >= limit); !trends {
			out.Points = pointsOf(values)
			return out, nil
		}
	}
	// Trends have no order: a lower limit than the hours might lose the newest.
	hours, err := s.Trends(ctx, i, from.Truncate(time.Hour), to, int(to.Sub(from)/time.Hour)+2)
	if err != nil {
		return out, err
	}
	after := from.Truncate(time.Hour)
	for _, h := range hours {
		out.Buckets = append(out.Buckets, graph.Bucket(h))
		if end := h.At.Add(time.Hour); end.After(after) {
			after = end
		}
	}
	if i.History == 0 || !after.Before(to) || to.Sub(after) > trendsFrom {
		return out, nil
	}
	// The present hour isn't summarised yet.
	values, err := s.History(ctx, i, after, to, limit)
	if err != nil {
		return out, err
	}
	out.Buckets = append(out.Buckets, summarise(values)...)
	return out, nil
}

func pointsOf(values []zabbix.Value) []graph.Point {
	points := make([]graph.Point, 0, len(values))
	for _, v := range slices.Backward(values) {
		points = append(points, graph.Point{At: v.At, Value: v.Number})
	}
	return points
}

// summarise makes hourly summaries of values, by time.
func summarise(values []zabbix.Value) (list []graph.Bucket) {
	type sum struct {
		graph.Bucket
		n float64
	}
	hours := map[time.Time]*sum{}
	for _, v := range values {
		at := v.At.UTC().Truncate(time.Hour)
		b := hours[at]
		if b == nil {
			b = &sum{Bucket: graph.Bucket{At: at, Min: math.Inf(1), Max: math.Inf(-1)}}
			hours[at] = b
		}
		b.n++
		b.Min, b.Max, b.Avg = min(b.Min, v.Number), max(b.Max, v.Number), b.Avg+(v.Number-b.Avg)/b.n
	}
	for _, b := range hours {
		list = append(list, b.Bucket)
	}
	slices.SortFunc(list, func(a, b graph.Bucket) int { return a.At.Compare(b.At) })
	return list
}

// caption says what a picture shows, for those who don't see it.
func caption(c graph.Chart, r Request) string {
	words := "📈 " + r.Title + " · " + window(c, r)
	for _, s := range c.Series {
		if v, ok := last(s); ok {
			words += " · " + shown(s.Name, 60) + ": " + shown(s.Named(v, r.Zone), 60)
		}
	}
	return words
}

func window(c graph.Chart, r Request) string {
	room := render.Room{Lang: r.Lang, Location: r.Zone}
	return r.Lang.T("%s to %s", room.Moment(c.From, r.Now), room.Moment(c.To, r.Now))
}

// last is the newest value of a series.
func last(s graph.Series) (v float64, ok bool) {
	if n := len(s.Points); n > 0 {
		return s.Points[n-1].Value, true
	}
	if n := len(s.Buckets); n > 0 {
		return s.Buckets[n-1].Avg, true
	}
	return 0, false
}

func shown(s string, n int) string { return webex.EscapeMarkdown(text.Shorten(text.Line(s), n)) }

// lastTexts lists the newest values of an item of text.
func lastTexts(ctx context.Context, s Source, i zabbix.Item, from, to time.Time, r Request) (string, error) {
	values, err := s.Texts(ctx, i, from.Add(-textReach), to, maxTexts)
	if err != nil {
		return "", err
	}
	words := "**" + shown(i.Name, 80) + "**"
	if len(values) == 0 {
		return words + r.Lang.T(": no values"), nil
	}
	for _, v := range values {
		words += "\n- " + render.Room{Lang: r.Lang, Location: r.Zone}.Moment(v.At, r.Now) + ": `" + cmp.Or(webex.EscapeCode(text.ShortenBytes(text.Line(text.CutBytes(v.Text, 4*maxTextShown)), maxTextShown)), " ") + "`"
	}
	return words, nil
}
