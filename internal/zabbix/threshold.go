package zabbix

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Threshold is a comparison of an item's values with a number, in a trigger's expression.
type Threshold struct {
	Host, Key string // of the item
	Operator  string // "<", "<=", "=", ">=" or ">"
	Value     float64
}

// maxExpression bounds what is read. Zabbix stores at most 2,048 characters, before macros are expanded.
const maxExpression = 64 << 10

// compared are the functions whose result has the scale of the item's values.
var compared = []string{"last", "min", "max", "avg", "percentile"}

// Thresholds reads the comparisons of an expression, as trigger.get with expandExpression returns it: "min(/sw1/cpu,5m)>90". What is more
// complicated, such as a ratio of two items, is left out.
func Thresholds(expression string) (list []Threshold) {
	if len(expression) > maxExpression {
		return nil
	}
	for at := 0; at < len(expression); {
		end := at
		for end < len(expression) && (isWordByte(expression[end])) {
			end++
		}
		if end == at {
			if expression[at] == '"' { // a string may hold anything
				at += quotedEnd(expression[at:])
				continue
			}
			at++
			continue
		}
		name := expression[at:end]
		if end == len(expression) || expression[end] != '(' {
			at = end
			continue
		}
		inside, after, ok := parenthesised(expression[end:])
		if !ok {
			return list
		}
		if !slices.Contains(compared, name) {
			at = end + 1 // what is inside may be a group: "not(…)"; a function's arguments are refused by startsTerm
			continue
		}
		begin := at
		at = len(expression) - len(after)
		t, known := itemOf(inside)
		if !known || !startsTerm(expression[:begin]) {
			continue
		}
		if t.Operator, t.Value, ok = comparison(after); ok {
			list = append(list, t)
		}
	}
	return list
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '$' || c == '{' || c == '}'
}

// startsTerm reports whether a comparison may begin after this part of an expression.
func startsTerm(before string) bool {
	before = strings.TrimRight(before, " \r\n\t")
	for strings.HasSuffix(before, "(") {
		before = strings.TrimRight(strings.TrimSuffix(before, "("), " \r\n\t")
		if word := lastWord(before); word != "" && word != "and" && word != "or" && word != "not" {
			return false // the argument of a function
		}
	}
	word := lastWord(before)
	return before == "" || word == "and" || word == "or" || word == "not"
}

func lastWord(s string) string {
	begin := len(s)
	for begin > 0 && isWordByte(s[begin-1]) {
		begin--
	}
	return s[begin:]
}

// parenthesised returns what is inside the parentheses that s begins with, and what follows them.
func parenthesised(s string) (inside, after string, ok bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i += quotedEnd(s[i:]) - 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// quotedEnd is the length of the quoted string that s begins with.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// itemOf reads "/HOST/KEY[…],ARGUMENTS".
func itemOf(inside string) (t Threshold, ok bool) {
	path, ok := strings.CutPrefix(strings.TrimSpace(inside), "/")
	if !ok {
		return t, false
	}
	t.Host, t.Key, ok = strings.Cut(path, "/")
	if !ok {
		return t, false
	}
	depth, end := 0, len(t.Key)
	for i := 0; i < len(t.Key) && end == len(t.Key); i++ {
		switch t.Key[i] {
		case '"':
			i += quotedEnd(t.Key[i:]) - 1
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				end = i
			}
		}
	}
	t.Key = strings.TrimSpace(t.Key[:end])
	return t, t.Key != ""
}

// comparison reads an operator and a number that ends the term.
func comparison(s string) (operator string, value float64, ok bool) {
	s = strings.TrimLeft(s, " \r\n\t")
	for _, operator = range [...]string{"<>", ">=", "<=", ">", "<", "="} {
		if strings.HasPrefix(s, operator) {
			break
		}
	}
	rest, found := strings.CutPrefix(s, operator)
	if !found || operator == "<>" {
		return "", 0, false
	}
	rest = strings.TrimLeft(rest, " \r\n\t")
	end := len(rest)
	if i := strings.IndexAny(rest, " \r\n\t)"); i >= 0 {
		end = i
	}
	value, ok = suffixed(rest[:end])
	rest = strings.TrimLeft(rest[end:], " \r\n\t")
	word := rest[:len(rest)-len(strings.TrimLeft(rest, "andor"))]
	if !ok || rest != "" && rest[0] != ')' && word != "and" && word != "or" {
		return "", 0, false
	}
	return operator, value, !endsInArithmetic(rest)
}

// endsInArithmetic reports whether the group that a comparison is in is used as a number: "(last(…)>5)*3".
func endsInArithmetic(rest string) bool {
	rest = strings.TrimLeft(rest, ") \r\n\t")
	return rest != "" && strings.IndexByte("+-*/<>=", rest[0]) >= 0
}

// suffixes are those of numbers in expressions. Sizes are powers of 1024.
var suffixes = map[byte]float64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40, 's': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}

// suffixed reads a number with a suffix: "1.5K", "5m".
func suffixed(s string) (value float64, ok bool) {
	factor := 1.0
	if n := len(s); n > 1 {
		if f, known := suffixes[s[n-1]]; known {
			factor, s = f, s[:n-1]
		}
	}
	if strings.ContainsAny(s, "_xXnNiIpP") { // forms that only Go knows
		return 0, false
	}
	value, err := strconv.ParseFloat(s, 64)
	value *= factor
	return value, err == nil && !math.IsInf(value, 0)
}
