package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/text"
)

// decoder fills a Config from YAML nodes. It reports every fault with its path, and records the line of each key; yaml.v3's own
// decoding reports neither paths nor hints, and has no secrets.
type decoder struct {
	file  string
	found Faults
	bad   map[string]bool    // keys that have a fault already
	lines map[string]int     // the line of each key
	refs  map[string][]place // places of secrets, by their paths
}

func (d *decoder) fault(path, what, hint string) { d.faultAt(d.line(path), path, what, hint) }

// faultAt reports a fault at a given line.
func (d *decoder) faultAt(line int, path, what, hint string) {
	d.bad[path] = true
	d.found = append(d.found, newFault(d.file, line, path, what, hint))
}

// faulted reports whether a key has a fault already: one is enough.
func (d *decoder) faulted(path string) bool { return d.bad[path] }

// faultedAround reports whether a key, or one that contains it, has a fault: then its value is unknown.
func (d *decoder) faultedAround(path string) bool {
	for ; path != ""; path = parent(path) {
		if d.bad[path] {
			return true
		}
	}
	return false
}

// faultedBelow reports whether a key, or one that it contains, has a fault.
func (d *decoder) faultedBelow(path string) bool {
	for key := range d.bad {
		if key == path || strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[") {
			return true
		}
	}
	return false
}

// given reports whether the file has the key.
func (d *decoder) given(path string) bool { _, ok := d.lines[path]; return ok }

// line returns the line of a key, or of the nearest key that contains it.
func (d *decoder) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = parent(path)
	}
	return d.lines[""]
}

// at returns the path of a list's element.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// parent returns the path around a path: "a.b[0].c", "a.b[0]", "a.b", "a", "".
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}

// last returns a path's last key.
func last(path string) string { return path[strings.LastIndex(path, ".")+1:] }

// join returns a key below a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// resolved returns the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// decode fills v from the node at a path.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	n = resolved(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "routes:" with nothing after it is an absent key
	}
	if scalar, ok := scalars[v.Type()]; ok {
		if text, ok := d.scalar(n, path, scalar.want); ok {
			value, err := scalar.parse(text)
			d.set(v, path, value, err)
		}
		return
	}
	if v.Type() == severitiesType {
		if texts, ok := d.texts(n, path); ok {
			value, err := ParseSeverityMatch(texts...)
			d.set(v, path, value, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.leaf(n, v, path)
	}
}

// set stores a parsed value, or reports why it is invalid.
func (d *decoder) set(to reflect.Value, path string, value any, err error) {
	var wrong fault.Fault
	switch {
	case err == nil:
		to.Set(reflect.ValueOf(value))
	case errors.As(err, &wrong):
		d.fault(path, wrong.What, wrong.Hint)
	default:
		d.fault(path, err.Error(), "")
	}
}

// mapping fills a struct, key by key.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(path, "expected a mapping, got "+kindOf(n), "")
		return
	}
	fields := fieldsOf(v)
	seen := map[string]int{}
	var meant []string // keys that unknown ones are probably misspellings of
	for _, pair := range d.pairs(n, path, nil) {
		key, value := pair[0].Value, pair[1]
		full := join(path, key)
		if first, twice := seen[key]; twice {
			if first > 0 && pair[0].Line != first {
				// Its first value counts, and is checked: the key isn't marked as faulty.
				d.found = append(d.found, newFault(d.file, pair[0].Line, full, "duplicate key", fmt.Sprintf("first on line %d", first)))
			}
			continue
		}
		seen[key] = pair[0].Line
		field, ok := fields[key]
		if !ok && path == "" && strings.HasPrefix(key, "x-") {
			continue // a place for anchors, as in Docker Compose
		}
		if !ok {
			meant = append(meant, d.unknown(pair[0], path, fields)...)
			continue
		}
		if _, ok := d.lines[full]; !ok {
			d.lines[full] = pair[0].Line
		}
		if field.secret {
			d.reference(value, join(path, field.name), full, field)
			continue
		}
		d.decode(value, field.value, full)
	}
	for _, full := range meant {
		if !d.given(full) {
			d.bad[full] = true // "is missing" would be noise: it is there, misspelt
		}
	}
}

// pairs returns a mapping's keys with their values, its own before merged ones ("<<"). within are the mappings that contain it:
// merging one of those would never end.
func (d *decoder) pairs(n *yaml.Node, path string, within []*yaml.Node) [][2]*yaml.Node {
	within = append(within, n)
	var own, merged [][2]*yaml.Node
	names := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag != "!!merge" {
			own = append(own, [2]*yaml.Node{key, value})
			names[key.Value] = true
			continue
		}
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, source := range sources {
			source = resolved(source)
			if source.Kind != yaml.MappingNode {
				d.faultAt(key.Line, join(path, "<<"), "expected a mapping to merge, got "+kindOf(source), "")
				continue
			}
			if slices.Contains(within, source) {
				d.faultAt(key.Line, join(path, "<<"), "merges itself", "")
				continue
			}
			merged = append(merged, d.pairs(source, path, within)...)
		}
	}
	for _, pair := range merged {
		if !names[pair[0].Value] { // its own keys override merged ones
			own = append(own, pair)
			names[pair[0].Value] = true
		}
	}
	return own
}

// unknown reports a key that doesn't exist, and returns the keys that it is probably meant to be.
func (d *decoder) unknown(key *yaml.Node, path string, fields map[string]field) (meant []string) {
	full := join(path, key.Value)
	if f, ok := fields[key.Value+"_file"]; ok && f.secret {
		d.faultAt(key.Line, full, "secrets are not allowed in this file", "use "+key.Value+"_file or "+key.Value+"_env")
		return nil // the secret itself is marked as faulty
	}
	names := slices.Sorted(maps.Keys(fields))
	near, hint := text.Nearest(key.Value, names), "valid keys: "+strings.Join(names, ", ")
	if near != "" {
		meant, hint = []string{join(path, near)}, "did you mean "+near+"?"
	}
	d.faultAt(key.Line, full, "unknown key", hint)
	return meant
}

// list fills a slice; one value is a list of one.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		full := at(path, i)
		d.lines[full] = item.Line
		if item.Kind == yaml.ScalarNode && item.Tag == "!!null" {
			d.fault(full, "is empty", "remove it")
			continue
		}
		d.decode(item, v.Index(i), full)
	}
}

// leaf fills a string, a number or a boolean.
func (d *decoder) leaf(n *yaml.Node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Float64: "a number",
	}[v.Kind()]
	text, ok := d.scalar(n, path, want)
	if !ok {
		return
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		var b bool
		err = n.Decode(&b)
		v.SetBool(b)
	case reflect.Int:
		var i int
		i, err = strconv.Atoi(text)
		v.SetInt(int64(i))
	case reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); f != f {
			err = strconv.ErrSyntax // not a number
		}
		v.SetFloat(f)
	default:
		panic("config: no way to read a " + v.Type().String()) // a field of an unknown kind: caught by any test
	}
	if err != nil {
		d.fault(path, fmt.Sprintf("expected %s, got %q", want, text), "")
	}
}

// reference records the place of a secret.
func (d *decoder) reference(n *yaml.Node, path, full string, f field) {
	var texts []string
	ok := true
	if f.list {
		texts, ok = d.texts(n, full)
	} else if text, fine := d.scalar(n, full, "a string"); fine {
		texts = []string{text}
	}
	if !ok {
		return
	}
	for i, text := range texts {
		p := place{key: full, value: text, env: f.env}
		if n.Kind == yaml.SequenceNode {
			p.key = at(full, i)
		}
		if text != "" {
			d.refs[path] = append(d.refs[path], p)
		}
	}
}

// texts reads a list of strings, or one.
func (d *decoder) texts(n *yaml.Node, path string) ([]string, bool) {
	var texts []string
	v := reflect.ValueOf(&texts).Elem()
	before := len(d.found)
	n = resolved(n)
	d.list(n, v, path)
	return texts, len(d.found) == before
}

// scalar returns a node's text; anything but a scalar is a fault.
func (d *decoder) scalar(n *yaml.Node, path, want string) (string, bool) {
	n = resolved(n)
	if n.Kind != yaml.ScalarNode {
		d.fault(path, "expected "+want+", got "+kindOf(n), "")
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return n.Value, true
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}

// field is one key of a struct.
type field struct {
	value  reflect.Value
	name   string // the secret's name: "token" for token_file
	secret bool
	env    bool // …_env
	list   bool // several secrets
}

var (
	secretType  = reflect.TypeFor[Secret]()
	secretsType = reflect.TypeFor[[]Secret]()
)

// fieldsOf returns the keys of a struct. A Secret has two: NAME_file and NAME_env.
func fieldsOf(v reflect.Value) map[string]field {
	fields := map[string]field{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case option == "inline":
			maps.Copy(fields, fieldsOf(v.Field(i)))
		case f.Type == secretType || f.Type == secretsType:
			list := f.Type == secretsType
			fields[name+"_file"] = field{name: name, secret: true, list: list}
			fields[name+"_env"] = field{name: name, secret: true, env: true, list: list}
		default:
			fields[name] = field{value: v.Field(i)}
		}
	}
	return fields
}
