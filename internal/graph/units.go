package graph

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"nms-alert-relay/internal/text"
)

// unscaled are the units that Zabbix shows without a prefix.
var unscaled = map[string]bool{"": true, "%": true, "ms": true, "rpm": true, "RPM": true}

var prefixes = [...]string{"", "K", "M", "G", "T", "P", "E", "Z", "Y"}

// Format writes a value with its units as Zabbix's frontend does: 881764 bps is "881.76 Kbps", 1536 B "1.5 KB", 881764 s "10d 4h 56m". Units
// that begin with "!" aren't scaled. unixtime is in the zone.
func Format(v float64, units string, zone *time.Location) string {
	switch units {
	case "unixtime":
		return moment(v, zone)
	case "uptime":
		return uptime(v)
	case "s":
		return seconds(v)
	}
	units, plain := unitsOf(units)
	if plain {
		return joined(number(v), units)
	}
	scaled, prefix := scale(v, base(units), len(prefixes)-1)
	return joined(number(scaled), prefix+units)
}

// Named writes a value with its name in the value map, as Zabbix does: "up (1)".
func (s Series) Named(v float64, zone *time.Location) string {
	if name, ok := s.Values[number(v)]; ok {
		return label(name, maxName) + " (" + number(v) + ")"
	}
	if s.Units == "s" && math.Abs(v) >= 60 {
		v = math.Round(v) // a minute's milliseconds say nothing
	}
	return Format(v, s.Units, zone)
}

// unitsOf cleans units from Zabbix. plain: values aren't scaled.
func unitsOf(units string) (clean string, plain bool) {
	bare, plain := strings.CutPrefix(units, "!")
	return label(bare, maxUnits), plain || unscaled[bare]
}

func joined(value, units string) string {
	if units == "" {
		return value
	}
	return value + " " + units
}

// base is what Zabbix divides values of these units by.
func base(units string) float64 {
	if units == "B" || units == "Bps" {
		return 1024
	}
	return 1000
}

// scale divides a value by its base until it is below that, at most by prefixes[most].
func scale(v, base float64, most int) (scaled float64, prefix string) {
	power := 0
	for power < most && math.Abs(v) >= base {
		v, power = v/base, power+1
	}
	return v, prefixes[power]
}

// number writes a value with at most two decimals, or two significant digits if it is smaller.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1e15:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1 || a == 0:
		return trimmed(v, 2)
	case a >= 1e-4:
		return trimmed(v, 1-int(math.Floor(math.Log10(a))))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func trimmed(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.ContainsRune(s, '.') {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// seconds writes a length with its three major units, as Zabbix does.
func seconds(v float64) string {
	if v == 0 {
		return "0"
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v < 0.001 {
		return sign + "< 1ms"
	}
	if v >= 1e12 {
		return sign + number(v) + " s"
	}
	ms := int64(math.Round(v * 1000))
	var parts []string
	first := -1
	for i, u := range [...]struct {
		name string
		ms   int64
	}{{"y", 365 * 86_400_000}, {"M", 30 * 86_400_000}, {"d", 86_400_000}, {"h", 3_600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1}} {
		n := ms / u.ms
		ms -= n * u.ms
		if n == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		if i-first < 3 {
			parts = append(parts, strconv.FormatInt(n, 10)+u.name)
		}
	}
	return sign + strings.Join(parts, " ")
}

func uptime(v float64) string {
	if math.Abs(v) >= 1e12 {
		return number(v) + " s"
	}
	sign, total := "", int64(math.Round(math.Abs(v)))
	if v < 0 && total != 0 {
		sign = "-"
	}
	days, rest := total/86400, total%86400
	clock := fmt.Sprintf("%02d:%02d:%02d", rest/3600, rest/60%60, rest%60)
	switch days {
	case 0:
		return sign + clock
	case 1:
		return sign + "1 day, " + clock
	}
	return fmt.Sprintf("%s%d days, %s", sign, days, clock)
}

func moment(v float64, zone *time.Location) string {
	if math.Abs(v) > 1e11 {
		return number(v)
	}
	return time.Unix(int64(v), 0).In(zone).Format("2006-01-02 15:04:05")
}

// The most characters of untrusted words in a picture.
const (
	maxTitle = 200
	maxName  = 80
	maxUnits = 12
)

// label makes untrusted text drawable: one line, cut, with only characters that the font has.
func label(s string, most int) string {
	var b strings.Builder
	unknown := false
	for _, r := range text.Shorten(text.Line(text.CutBytes(s, 4096)), most) {
		switch {
		case drawable(r):
			b.WriteRune(r)
			unknown = false
		case unicode.Is(unicode.M, r) || unicode.Is(unicode.Cf, r): // belongs to the character before it
		case !unknown:
			b.WriteRune(replacement)
			unknown = true
		}
	}
	return strings.TrimSpace(b.String())
}
