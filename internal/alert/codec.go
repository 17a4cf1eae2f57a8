package alert

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// codec writes JSON, or reads what it wrote: the same fields in the same order,
// without white space. While writing, what has its zero value is left out, but by those that
// write it always; while reading, what isn't there stays as it is.
type codec struct {
	out     []byte
	in      string
	at      int
	reading bool
	err     error // the first; nothing is read after it
}

var errOther = errors.New("not as it is written")

func (c *codec) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// literal is a part that is always there.
func (c *codec) literal(text string) {
	switch {
	case !c.reading:
		c.out = append(c.out, text...)
	case c.err == nil && strings.HasPrefix(c.in[c.at:], text):
		c.at += len(text)
	default:
		c.fail(errOther)
	}
}

// comma separates what is written next from what is before it.
func (c *codec) comma() {
	if last := c.out[len(c.out)-1]; last != '{' && last != '[' {
		c.out = append(c.out, ',')
	}
}

// begun says whether nothing was read yet of an object or a list.
func (c *codec) begun() bool { last := c.in[c.at-1]; return last == '{' || last == '[' }

// next goes on to the next element that is read; true at the end, or after a fault.
func (c *codec) next(end string) (ended bool) {
	if c.err != nil || strings.HasPrefix(c.in[c.at:], end) {
		return true
	}
	if !c.begun() {
		c.literal(",")
	}
	return c.err != nil
}

// present says whether a field is to be written, or comes next.
func (c *codec) present(name string, set bool) bool {
	if !c.reading {
		return set
	}
	if c.err != nil {
		return false
	}
	_, ok := c.after(name)
	return ok
}

// after gives the place of a field's value, if the field comes next.
func (c *codec) after(name string) (at int, ok bool) {
	at = c.at
	if !c.begun() {
		if at == len(c.in) || c.in[at] != ',' {
			return at, false
		}
		at++
	}
	end := at + len(name) + 3
	if end > len(c.in) || c.in[at] != '"' || c.in[at+1:end-2] != name || c.in[end-2] != '"' || c.in[end-1] != ':' {
		return at, false
	}
	return end, true
}

// field begins a field. Ours have names that need no escaping.
func (c *codec) field(name string, set bool) bool {
	if c.reading {
		if c.err != nil {
			return false
		}
		at, ok := c.after(name)
		if ok {
			c.at = at
		}
		return ok
	}
	if set {
		c.comma()
		c.out = append(c.out, '"')
		c.out = append(c.out, name...)
		c.out = append(c.out, '"', ':')
	}
	return set
}

// must begins a field that is always there.
func (c *codec) must(name string) bool {
	ok := c.field(name, true)
	if !ok {
		c.fail(errOther)
	}
	return ok
}

func (c *codec) object(name string, fields func()) {
	if c.must(name) {
		c.literal("{")
		fields()
		c.literal("}")
	}
}

// elements is a list, unless it is empty; between is what stands between two of them.
func elements[T any](c *codec, name, between string, list *[]T, element func(*T)) {
	if !c.field(name, len(*list) > 0) {
		return
	}
	c.literal("[")
	if c.reading {
		var none T
		for !c.next("]") {
			if *list == nil {
				*list = make([]T, 0, c.expected(between, "]"))
			}
			*list = append(*list, none)
			element(&(*list)[len(*list)-1])
		}
		if *list == nil {
			c.fail(errOther)
		}
	} else {
		for i := range *list {
			c.comma()
			element(&(*list)[i])
		}
	}
	c.literal("]")
}

// expected is how many elements a list or a map seems to have that is about to be read: it is made
// as large at once.
func (c *codec) expected(between, end string) int {
	const most = 64
	list, _, _ := strings.Cut(c.in[c.at:], end)
	return min(1+strings.Count(list, between), most)
}

func objects[T any](c *codec, name string, list *[]T, fields func(*T)) {
	elements(c, name, "},{", list, func(one *T) {
		c.literal("{")
		fields(one)
		c.literal("}")
	})
}

func always[T ~string](c *codec, name string, text *T) {
	if c.must(name) {
		value := string(*text)
		c.string(&value)
		*text = T(value)
	}
}

func (c *codec) text(name string, text *string) {
	if c.field(name, *text != "") {
		c.string(text)
	}
}

func alwaysWhole[T ~int | ~int64](c *codec, name string, n *T) {
	if c.must(name) {
		integer(c, n)
	}
}

func whole[T ~int | ~int64](c *codec, name string, n *T) {
	if c.field(name, *n != 0) {
		integer(c, n)
	}
}

func (c *codec) bool(name string, set *bool) {
	if !c.must(name) {
		return
	}
	if c.reading {
		*set = strings.HasPrefix(c.in[c.at:], "true")
	}
	c.literal(strconv.FormatBool(*set))
}

func (c *codec) flag(name string, set *bool) {
	if c.field(name, *set) {
		*set = true
		c.literal("true")
	}
}

func (c *codec) time(name string, t *time.Time) {
	if c.field(name, !t.IsZero()) {
		c.moment(t)
	}
}

func (c *codec) alwaysTime(name string, t *time.Time) {
	if c.must(name) {
		c.moment(t)
	}
}

func (c *codec) moment(t *time.Time) {
	c.literal(`"`)
	if c.reading {
		if c.err != nil {
			return
		}
		length := strings.IndexByte(c.in[c.at:], '"')
		if length < 0 || t.UnmarshalText([]byte(c.in[c.at:c.at+length])) != nil {
			c.fail(errOther)
			return
		}
		c.at += length
	} else if out, err := t.AppendText(c.out); err != nil {
		c.fail(err)
	} else {
		c.out = out
	}
	c.literal(`"`)
}

func integer[T ~int | ~int64](c *codec, n *T) {
	if !c.reading {
		c.out = strconv.AppendInt(c.out, int64(*n), 10)
		return
	}
	if c.err != nil {
		return
	}
	end := c.at
	for end < len(c.in) && (c.in[end] >= '0' && c.in[end] <= '9' || c.in[end] == '-') {
		end++
	}
	text := c.in[c.at:end]
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '0' && len(text) > 1 || text[0] == '-' && text[1] == '0' {
		c.fail(errOther)
		return
	}
	*n, c.at = T(value), end
}

// string is a text. One that is more than plain characters and ends of lines is left to
// encoding/json.
func (c *codec) string(text *string) {
	if c.reading {
		*text = c.read()
		return
	}
	begin, done := len(c.out), 0
	c.out = append(c.out, '"')
	for i := range len(*text) {
		ch := (*text)[i]
		if plain[ch] {
			continue
		}
		if ch != '\n' {
			c.out = c.out[:begin]
			c.marshal(*text)
			return
		}
		c.out = append(append(c.out, (*text)[done:i]...), '\\', 'n')
		done = i + 1
	}
	c.out = append(append(c.out, (*text)[done:]...), '"')
}

// plain are the characters that stand for themselves, as encoding/json has it.
var plain = func() (plain [256]bool) {
	for ch := ' '; ch <= '~'; ch++ {
		plain[ch] = ch != '"' && ch != '\\' && ch != '<' && ch != '>' && ch != '&'
	}
	return plain
}()

func (c *codec) read() string {
	c.literal(`"`)
	if c.err != nil {
		return ""
	}
	begin, ascii, escaped := c.at, true, false
	for ; c.at < len(c.in) && c.in[c.at] != '"'; c.at++ {
		switch ch := c.in[c.at]; {
		case ch == '\\':
			escaped = true
			c.at++
		case ch < ' ':
			c.fail(errOther)
			return ""
		case ch > '~':
			ascii = false
		}
	}
	if c.at >= len(c.in) {
		c.fail(errOther)
		return ""
	}
	text := c.in[begin:c.at]
	c.at++
	if escaped || !ascii && !utf8.ValidString(text) {
		var other string // on the heap, as the one above needn't be
		c.unmarshal(c.in[begin-1:c.at], &other)
		return other
	}
	return text
}

// other is a field as encoding/json has it.
func other[T any](c *codec, name string, value *T, set bool) {
	if !c.field(name, set) {
		return
	}
	if !c.reading {
		c.marshal(*value)
		return
	}
	// Where it ends: only strings may hold brackets that count for nothing.
	begin, depth := c.at, 0
	for ; c.at < len(c.in); c.at++ {
		switch c.in[c.at] {
		case '"':
			if c.read(); c.err != nil {
				return
			}
			c.at-- // read goes past the end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				c.at++
				c.unmarshal(c.in[begin:c.at], value)
				return
			}
		}
	}
	c.fail(errOther)
}

func (c *codec) marshal(value any) {
	out, err := json.Marshal(value)
	if err != nil {
		c.fail(err)
	}
	c.out = append(c.out, out...)
}

func (c *codec) unmarshal(text string, value any) {
	if err := json.Unmarshal([]byte(text), value); err != nil {
		c.fail(err)
	}
}
