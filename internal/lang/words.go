package lang

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// number is an argument that is written as its language writes numbers.
type number struct {
	n int
	l Lang
}

func (n number) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(n.l.Number(n.n))) }

// datum is an argument in the language Marked.
type datum struct{ a any }

func (d datum) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, "⟨"+fmt.FormatString(f, verb)+"⟩", d.a)
}

// Number writes a whole number with thousands separators: "5,000", "5.000".
func (l Lang) Number(n int) string {
	separator := ","
	if l == German {
		separator = "."
	}
	s, sign := strconv.Itoa(n), ""
	if n < 0 {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + separator + s[i:]
	}
	return sign + s
}

// Decimal writes a number with its decimals as the language does: "1.5" is "1,5" in German.
func (l Lang) Decimal(s string) string {
	if l == German {
		return strings.Replace(s, ".", ",", 1)
	}
	return s
}

// Ordinal returns "1st", "2nd", "11th"; "1.".
func (l Lang) Ordinal(n int) string {
	if l == German {
		return l.Number(n) + "."
	}
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return l.marked(l.Number(n) + suffix)
}

var (
	germanMonths = [...]string{"Jan", "Feb", "März", "Apr", "Mai", "Juni", "Juli", "Aug", "Sep", "Okt", "Nov", "Dez"}
	germanDays   = [...]string{"So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"}
	// The marks stand for the names until the rest of the layout is written.
	germanLayout = strings.NewReplacer("2 Jan", "2. \x01", "Jan", "\x01", "Mon", "\x02")
)

// Time writes a time by a layout of Go's with the names of the language: "2 Jan 15:04" is "30 Nov 14:05" or "30. Nov 14:05".
func (l Lang) Time(t time.Time, layout string) string {
	if l != German {
		return t.Format(layout)
	}
	return strings.NewReplacer("\x01", germanMonths[t.Month()-1], "\x02", germanDays[t.Weekday()]).Replace(t.Format(germanLayout.Replace(layout)))
}

// And returns "a, b and c".
func (l Lang) And(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return l.T("%s and %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}

// Or returns "a, b or c".
func (l Lang) Or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return l.T("%s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}

// Some returns "a, b and 3 more", with at most n words named.
func (l Lang) Some(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return l.T("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}

// Said writes what somebody said in the language's quotation marks: “on it”, „bin dran“.
func (l Lang) Said(words string) string {
	if l == German {
		return "„" + words + "“"
	}
	return "“" + words + "”"
}
