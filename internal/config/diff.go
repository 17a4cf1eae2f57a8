package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Change is a key whose value differs between two configurations.
type Change struct {
	Key     string // "server.listen"; of a list, the list's: "rooms"; of a secret, that of its file
	Restart bool   // the key is tagged reload:"restart": a running relay keeps the old value
}

// Diff returns the keys whose values differ, in the order of the file's sections.
func Diff(a, b *Config) []Change {
	return diff(reflect.ValueOf(*a), reflect.ValueOf(*b), "", false)
}

func diff(a, b reflect.Value, path string, restart bool) (changes []Change) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		key, restart := join(path, name), restart || f.Tag.Get("reload") == "restart"
		x, y := a.Field(i), b.Field(i)
		switch {
		case option == "inline":
			changes = append(changes, diff(x, y, path, restart)...)
		case isSection(f.Type):
			changes = append(changes, diff(x, y, key, restart)...)
		case !same(x, y):
			if f.Type == secretType || f.Type == reflect.SliceOf(secretType) {
				key += "_file"
			}
			changes = append(changes, Change{key, restart})
		}
	}
	return changes
}

// isSection reports whether a type is a mapping of the file.
func isSection(t reflect.Type) bool {
	_, scalar := scalars[t]
	return t.Kind() == reflect.Struct && !scalar && t != secretType && t != severitiesType
}

// written returns the text that a value was compiled from; "" for none.
func written(v reflect.Value) string {
	if p := v.Field(0); p.Kind() == reflect.Pointer && p.IsNil() {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// same reports whether two values mean the same. What is compiled from a text is compared by the text.
func same(a, b reflect.Value) bool {
	t := a.Type()
	_, scalar := scalars[t]
	switch {
	case t == secretType:
		x, y := a.Interface().(Secret), b.Interface().(Secret)
		return x.Reveal() == y.Reveal() && x.From() == y.From()
	case scalar && t.Kind() == reflect.Struct || t == severitiesType:
		return written(a) == written(b)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return a.IsNil() && b.IsNil() || !a.IsNil() && !b.IsNil() && same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if t.Field(i).IsExported() && t.Field(i).Tag.Get("yaml") != "-" && !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Interface() == b.Interface()
}
