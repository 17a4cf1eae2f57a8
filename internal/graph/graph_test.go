package graph

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-analyze/charts"
	"github.com/stretchr/testify/require"

	"golang.org/x/image/draw"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/testrace"
)

var (
	update   = flag.Bool("update", false, "write the golden pictures anew")
	pictures = flag.String("pictures", "", "a directory for the pictures in their full size")
)

// now is when the charts of these tests end.
var now = time.Date(2026, 11, 24, 14, 20, 0, 0, time.UTC)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func wave(from time.Time, n int, every time.Duration, f func(i int) float64) (list []Point) {
	for i := range n {
		list = append(list, Point{from.Add(time.Duration(i) * every), f(i)})
	}
	return list
}

// week is a week of minutes.
func week() Chart {
	from := now.Add(-7 * 24 * time.Hour)
	rnd := rand.New(rand.NewPCG(1, 2))
	return Chart{Title: "High CPU utilisation on Core switch 1", Subtitle: "Core switch 1 · average", From: from, To: now, Span: Span{From: now.Add(-30 * time.Hour)},
		Series: []Series{{Name: "CPU utilisation", Units: "%", Points: wave(from, 7*24*60, time.Minute, func(i int) float64 {
			return 45 + 30*math.Sin(float64(i)/229) + 8*rnd.Float64()
		}), Thresholds: []Threshold{{90, "> 90 %"}}}}}
}

// samples are charts of every kind.
func samples(t testing.TB) map[string]Chart {
	zurich, from := zone(t, "Europe/Zurich"), now.Add(-4*time.Hour)
	rnd := rand.New(rand.NewPCG(3, 4))
	rise := func(i int) float64 { // quiet, then the problem
		if i < 150 {
			return 2 + rnd.Float64()
		}
		return 2 + math.Min(82, float64(i-150)*1.9) + 4*rnd.Float64()
	}
	lag := Chart{Title: "PostgreSQL: replication lag over 60 s", Subtitle: "Database 1 · high", From: from, To: now, Zone: zurich, Span: Span{From: now.Add(-55 * time.Minute)},
		Series: []Series{{Name: "Replication lag", Units: "s", Points: wave(from, 240, time.Minute, rise), Thresholds: []Threshold{{60, "> 1m"}}}}}
	gap := lag
	gap.Span.To = now.Add(-25 * time.Minute)
	gap.Series = []Series{{Name: "Replication lag", Units: "s", Points: append(wave(from, 60, time.Minute, rise), append(
		wave(from.Add(100*time.Minute), 1, time.Minute, rise), wave(from.Add(130*time.Minute), 110, time.Minute, rise)...)...)}}
	trends := Chart{Title: "Disk space low on /var/lib/postgresql", Subtitle: "Database 1 · warning", From: now.Add(-30 * 24 * time.Hour), To: now, Zone: zurich,
		Span: Span{From: now.Add(-9 * 24 * time.Hour), To: now.Add(-26 * time.Hour)}, Series: []Series{{Name: "Used space", Units: "B", Thresholds: []Threshold{{16e9, "> 14.9G"}}}}}
	for i := range 30 * 24 {
		v := 11e9 + 8e6*float64(i) + 1e9*math.Sin(float64(i)/24*2*math.Pi)
		trends.Series[0].Buckets = append(trends.Series[0].Buckets, Bucket{now.Truncate(time.Hour).Add(time.Duration(i-30*24) * time.Hour), v - 9e8, v, v + 7e8})
	}
	traffic := func(k float64) []Point {
		return wave(from, 240, time.Minute, func(i int) float64 { return k * (2e8 + 1e8*math.Sin(float64(i)/40+k) + 1e7*rnd.Float64()) })
	}
	several := Chart{Title: "Interface Gi1/0/24: high bandwidth usage", Subtitle: "Core switch 1 · warning", From: from, To: now, Zone: zurich, Span: Span{From: now.Add(-40 * time.Minute)},
		Series: []Series{{Name: "Bits received", Units: "bps", Points: traffic(1)}, {Name: "Bits sent", Units: "bps", Points: traffic(1.05)},
			{Name: "Bits received on the other end", Units: "bps", Points: traffic(1.1)}, {Name: "Bits sent on the other end, with a name that doesn't fit", Units: "bps", Points: traffic(1.15)}}}
	panels := several
	panels.More = 1
	panels.Series = []Series{several.Series[0], lag.Series[0], {Name: "Free memory", Units: "B", Points: wave(from, 240, time.Minute, func(i int) float64 { return 3.2e9 - 1e7*float64(i) })},
		{Name: "Requests", Points: wave(from, 240, time.Minute, func(i int) float64 { return float64(120000 + 700*i) })}, {Name: "A fifth"}, {Name: "A sixth"}}
	link := Chart{Title: "Interface Gi1/0/24: link down", Subtitle: "Core switch 1 · high", From: from, To: now, Zone: zone(t, "America/New_York"), Span: Span{From: now.Add(-62 * time.Minute), To: now.Add(-20 * time.Minute)},
		Series: []Series{{Name: "Interface Gi1/0/24: operational status", Values: map[string]string{"1": "up", "2": "down", "3": "testing"}, Points: wave(from, 240, time.Minute, func(i int) float64 {
			if i >= 178 && i < 220 {
				return 2
			}
			return 1
		}), Thresholds: []Threshold{{2, "= 2"}}}}}
	hostile := lag
	hostile.Title = "Ünïcödé \u202eesrever\u202c 🔥🔥 漢字 \x1b[31m " + strings.Repeat("very long ", 1000)
	hostile.Subtitle = strings.Repeat("W", 10_000)
	hostile.Series = []Series{{Name: strings.Repeat("🔥", 3000), Units: strings.Repeat("µ", 500), Points: []Point{{from.Add(time.Hour), -1e299}, {now.Add(-time.Hour), 1e299}, {now, math.NaN()}},
		Thresholds: []Threshold{{0, strings.Repeat("T", 500)}, {1e290, "hidden by the first"}}},
		{Name: "\x00\n\t", Units: "!\u202e", Points: []Point{{from.Add(time.Minute), math.Inf(1)}}}}
	empty := Chart{Title: "Backup took longer than usual", Subtitle: "Backup server · information", From: from, To: now, Span: Span{From: now.Add(-55 * time.Minute)}, Series: []Series{{Name: "Duration of the backup", Units: "s"}}}
	return map[string]Chart{"week": week(), "lag": lag, "gap": gap, "trends": trends, "several": several, "panels": panels, "link": link, "hostile": hostile, "empty": empty}
}

// The pictures are compared in a quarter of their size, by blocks: what a person wouldn't see makes no difference.
func TestPictures(t *testing.T) {
	for name, c := range samples(t) {
		t.Run(name, func(t *testing.T) {
			if name != "empty" {
				testrace.Skip(t)
			}
			raw, err := PNG(c)
			require.NoError(t, err)
			require.Less(t, len(raw), 400_000)
			if *pictures != "" {
				require.NoError(t, os.WriteFile(filepath.Join(*pictures, name+".png"), raw, 0o600))
			}
			got, err := png.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
			small := image.NewRGBA(image.Rect(0, 0, got.Bounds().Dx()/4, got.Bounds().Dy()/4))
			draw.ApproxBiLinear.Scale(small, small.Bounds(), got, got.Bounds(), draw.Src, nil)
			file := filepath.Join("testdata", name+".png")
			if *update {
				var b bytes.Buffer
				require.NoError(t, png.Encode(&b, small))
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
			}
			raw, err = os.ReadFile(file)
			require.NoError(t, err, "run with -update to write it")
			want, err := png.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
			require.Equal(t, want.Bounds(), small.Bounds())
			at, by := difference(want, small)
			require.LessOrEqual(t, by, 5.0, "the picture differs at %v of %v; look at it with -pictures DIR", at, small.Bounds())
		})
	}
}

// difference is the largest difference between blocks of two pictures, of 255 in a colour, and where it is.
func difference(a, b image.Image) (at image.Point, most float64) {
	const block = 10
	for y := 0; y < a.Bounds().Dy(); y += block {
		for x := 0; x < a.Bounds().Dx(); x += block {
			var sum [3]float64
			for dy := range block {
				for dx := range block {
					p, _ := color.RGBAModel.Convert(a.At(x+dx, y+dy)).(color.RGBA)
					q, _ := color.RGBAModel.Convert(b.At(x+dx, y+dy)).(color.RGBA)
					for i, d := range [3]float64{float64(p.R) - float64(q.R), float64(p.G) - float64(q.G), float64(p.B) - float64(q.B)} {
						sum[i] += d / block / block
					}
				}
			}
			for _, d := range sum {
				if math.Abs(d) > most {
					at, most = image.Pt(x, y), math.Abs(d)
				}
			}
		}
	}
	return at, most
}

// Webex shows a picture on a light or a dark page: no page shows through, and everything can be read.
func TestPicturesAreOpaqueAndReadable(t *testing.T) {
	testrace.Skip(t)
	raw, err := PNG(samples(t)["empty"])
	require.NoError(t, err)
	got, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	opaque, ok := got.(interface{ Opaque() bool })
	require.True(t, ok && opaque.Opaque())
	for _, c := range append([]charts.Color{ink, pale, alarm, threshold}, colours[:]...) {
		require.GreaterOrEqual(t, contrast(c, paper), 4.5, "%v", c)
	}
	require.GreaterOrEqual(t, contrast(alarm, charts.ColorRGB(250, 232, 234)), 4.5, "on the shaded span")
}

// contrast is WCAG's.
func contrast(a, b charts.Color) float64 {
	light := func(c charts.Color) float64 {
		l := func(v uint8) float64 {
			if s := float64(v) / 255; s > 0.04045 {
				return math.Pow((s+0.055)/1.055, 2.4)
			}
			return float64(v) / 255 / 12.92
		}
		return 0.2126*l(c.R) + 0.7152*l(c.G) + 0.0722*l(c.B) + 0.05
	}
	return math.Max(light(a)/light(b), light(b)/light(a))
}

func requireApart(t require.TestingT, name string, p *picture) {
	frame := image.Rect(0, 0, width, p.height)
	for i, a := range p.words {
		require.True(t, a.In(frame), "%s: text at %v is outside of the picture", name, a)
		for _, b := range p.words[:i] {
			require.False(t, a.Overlaps(b), "%s: texts at %v and %v overlap", name, a, b)
		}
	}
}

func TestTextsDontOverlap(t *testing.T) {
	testrace.Skip(t)
	for name, c := range samples(t) {
		if name == "week" || name == "trends" { // they take long to draw
			continue
		}
		requireApart(t, name, compose(c))
		for _, length := range []time.Duration{17 * time.Minute, 25 * time.Hour, 99 * 24 * time.Hour} {
			c.From = c.To.Add(-length)
			c.Series[0].Points = c.Series[0].Points[:min(20, len(c.Series[0].Points))]
			requireApart(t, name+" in "+length.String(), compose(c))
		}
	}
}

// Values of all sizes have an axis with few lines, and labels that differ and fit.
func TestAxesOfAllSizes(t *testing.T) {
	for _, units := range []string{"", "%", "B", "bps", "s", "uptime", "unixtime", "!B", "ms"} {
		for _, size := range []float64{0, 1e-300, 3e-7, 0.02, 1, 255, 99_999, 4e6, 1.8e9, 7e14, 1e18, 1e299} {
			for _, base := range []float64{0, -1, 1} {
				g := gridOf(base*size, base*size+size, Series{Units: units}, 5, time.UTC)
				n := len(g.lines)
				require.True(t, n >= 2 && n <= 12, "%g %s: %d lines from %g to %g", size, units, n, g.low, g.top)
				require.LessOrEqual(t, g.low, base*size+size/1e6)
				require.GreaterOrEqual(t, g.top, (base*size+size)-size/1e6)
				for _, v := range g.lines {
					require.LessOrEqual(t, len(g.label(v)), 24, "%g %s", v, units)
				}
			}
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value float64
		units string
		want  string
	}{
		{881764, "bps", "881.76 Kbps"}, {1000, "bps", "1 Kbps"}, {999, "bps", "999 bps"}, {-2.5e9, "bps", "-2.5 Gbps"}, {0, "bps", "0 bps"}, {1e30, "bps", "1000000 Ybps"},
		{1, "B", "1 B"}, {1024, "B", "1 KB"}, {1536, "B", "1.5 KB"}, {1536, "Bps", "1.5 KBps"}, {1 << 40, "B", "1 TB"}, {1023, "B", "1023 B"},
		{1536, "!B", "1536 B"}, {1e6, "!", "1000000"}, {1e6, "", "1000000"}, {12.345, "", "12.35"}, {0.000123, "", "0.00012"}, {1e-9, "", "1e-09"}, {1e300, "", "1e+300"},
		{93.4567, "%", "93.46 %"}, {12000, "%", "12000 %"}, {12000, "ms", "12000 ms"}, {12000, "rpm", "12000 rpm"}, {2200, "Hz", "2.2 KHz"}, {-0.001, "%", "-0.001 %"},
		{881764, "s", "10d 4h 56m"}, {0.0003, "s", "< 1ms"}, {0.25, "s", "250ms"}, {75, "s", "1m 15s"}, {-75, "s", "-1m 15s"}, {0, "s", "0"}, {1e9, "s", "31y 8M 19d"}, {3600, "s", "1h"},
		{881764, "uptime", "10 days, 04:56:04"}, {90000, "uptime", "1 day, 01:00:00"}, {59, "uptime", "00:00:59"}, {-59, "uptime", "-00:00:59"},
		{1795528308, "unixtime", "2026-11-24 14:51:48"}, {1e20, "unixtime", "1e+20"},
		{5, "\x1b[31m\u202e\nx", "5 [31m x"}, {5, "🔥", "5 □"},
	} {
		require.Equal(t, c.want, Format(c.value, c.units, time.FixedZone("", 3600)), "%g %q", c.value, c.units)
	}
	s := Series{Units: "s", Values: map[string]string{"1": "up", "2": strings.Repeat("x", 500)}}
	require.Equal(t, "up (1)", s.Named(1, time.UTC))
	require.Len(t, []rune(s.Named(2, time.UTC)), maxName+4)
	require.Equal(t, "1m 10s", s.Named(69.994, time.UTC))
}

func TestWindow(t *testing.T) {
	at := func(hours float64) time.Time { return now.Add(time.Duration(hours * float64(time.Hour))) }
	for _, c := range []struct {
		name             string
		opened, resolved time.Time
		asked            time.Duration
		from, to         time.Time
	}{
		{"just opened", at(-0.1), time.Time{}, 0, at(-1.1), now},
		{"open for long", at(-10), time.Time{}, 0, at(-15), now},
		{"resolved long ago", at(-50), at(-48), 0, at(-51), at(-47.5)},
		{"resolved after a day", at(-50), at(-26), 0, at(-62), at(-25)},
		{"resolved just now", at(-1), at(-0.01), 0, at(-2), now},
		{"asked, open", at(-10), time.Time{}, 3 * time.Hour, at(-3), now},
		{"asked, resolved", at(-50), at(-48), 6 * time.Hour, at(-52), at(-46)},
		{"asked, resolved just now", at(-1), at(-0.5), 6 * time.Hour, at(-6), now},
		{"asked for too much", at(-1), time.Time{}, 9000 * time.Hour, at(-365 * 24), now},
		{"open for years", at(-20000), time.Time{}, 0, at(-365 * 24), now},
		{"unknown start", time.Time{}, time.Time{}, 0, at(-1), now},
		{"start in the future", at(3), time.Time{}, 0, at(-1), now},
		{"end before the start", at(-1), at(-2), 0, at(-2), now},
	} {
		from, to := Window(c.opened, c.resolved, now, c.asked)
		require.Equal(t, [2]string{c.from.String(), c.to.String()}, [2]string{from.String(), to.String()}, c.name)
	}
}

func TestTicks(t *testing.T) {
	zurich := zone(t, "Europe/Zurich")
	for _, c := range []struct{ name, from, to, want string }{
		{"minutes", "2026-11-24T14:02:10+01:00", "2026-11-24T14:33:00+01:00", "14:05 14:10 14:15 14:20 14:25 14:30"},
		{"over midnight", "2026-11-24T22:10:00+01:00", "2026-11-25T03:10:00+01:00", "23:00 00:00 01:00 02:00 03:00"},
		{"the hour that is left out", "2026-03-29T00:30:00+01:00", "2026-03-29T05:30:00+02:00", "01:00 03:00 04:00 05:00"},
		{"the hour that comes twice", "2026-10-25T00:30:00+02:00", "2026-10-25T05:30:00+01:00", "01:00 02:00 03:00 04:00 05:00"},
		{"three hours, though the day has 23", "2026-03-28T20:30:00+01:00", "2026-03-29T14:30:00+02:00", "21:00 00:00 03:00 06:00 09:00 12:00"},
		{"days", "2026-10-20T14:00:00+02:00", "2026-10-27T12:00:00+01:00", "21 Oct 22 Oct 23 Oct 24 Oct 25 Oct 26 Oct 27 Oct"},
		{"a year", "2025-11-24T12:00:00+01:00", "2026-11-24T12:00:00+01:00", "18 Dec 12 Feb 9 Apr 4 Jun 30 Jul 24 Sep 19 Nov"},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		require.NoError(t, err)
		to, err := time.Parse(time.RFC3339, c.to)
		require.NoError(t, err)
		var labels []string
		for _, k := range ticks(lang.English, from, to, zurich, 7) {
			labels = append(labels, k.label)
		}
		require.Equal(t, c.want, strings.Join(labels, " "), c.name)
	}
}

func TestRunsAndThin(t *testing.T) {
	at := func(minute int) time.Time { return now.Add(time.Duration(minute) * time.Minute) }
	run := func(minutes ...int) (list []sample) {
		for _, m := range minutes {
			list = append(list, sample{at: at(m)})
		}
		return list
	}
	require.Empty(t, runs(nil))
	require.Len(t, runs(run(0, 500)), 1, "two values are no gap")
	require.Len(t, runs(run(0, 1, 2, 6, 7, 8)), 1)
	require.Len(t, runs(run(0, 1, 2, 8, 9, 10)), 2)
	require.Len(t, runs(run(0, 0, 0, 0)), 1)
	peak := make([]sample, 1000)
	for i := range peak {
		peak[i] = sample{at: at(i), low: 1, mid: 1, top: 1}
	}
	peak[437] = sample{at: at(437), low: 9, mid: 9, top: 9}
	peak[438] = sample{at: at(438), low: -9, mid: -9, top: -9}
	thinned := thin(peak, func(at time.Time) int { return int(at.Sub(now) / (100 * time.Minute)) })
	require.LessOrEqual(t, len(thinned), 40)
	require.Contains(t, thinned, peak[437])
	require.Contains(t, thinned, peak[438])
	require.Equal(t, peak[999], thinned[len(thinned)-1])
}

func FuzzPNG(f *testing.F) {
	f.Add("title", "bps", "1", int64(0), int64(3600), 1.0, 2.0, 90.0, uint16(30), true)
	f.Add("\xff\u202e", "!", "", int64(-1<<40), int64(1<<40), math.NaN(), math.Inf(-1), math.MaxFloat64, uint16(0), false)
	f.Fuzz(func(t *testing.T, name, units, value string, from, length int64, a, b, line float64, n uint16, hourly bool) {
		begin := time.Unix(from%(1<<36), 0)
		s := Series{Name: name, Units: units, Values: map[string]string{value: name}, Thresholds: []Threshold{{line, name}, {a, units}}}
		for i := range int(n % 500) {
			at, v := begin.Add(time.Duration(i)*time.Minute), a+(b-a)*float64(i)/500
			if s.Points = append(s.Points, Point{at, v}); hourly {
				s.Buckets = append(s.Buckets, Bucket{at, a, v, b})
			}
		}
		s2 := s
		s2.Units, s2.Values = name, nil
		c := Chart{Title: name, Subtitle: value, Series: []Series{s, s2}, From: begin, To: begin.Add(time.Duration(length%(1<<25)) * time.Second), Span: Span{From: begin, To: begin.Add(time.Minute)}}
		requireApart(t, "fuzz", compose(c))
	})
}

func BenchmarkWeek(b *testing.B) {
	c := week()
	for b.Loop() {
		if _, err := PNG(c); err != nil {
			b.Fatal(err)
		}
	}
}
