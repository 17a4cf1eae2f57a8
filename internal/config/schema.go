package config

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"nms-alert-relay/internal/alert"
)

// sources are the files with the configuration's types: the comments of their fields are the schema's descriptions.
//
//go:embed config.go rooms.go duty.go
var sources embed.FS

// node is a JSON Schema, or a part of one.
type node = map[string]any

// Schema returns the JSON Schema (draft 7, which editors know best) of the configuration file, generated from the configuration's
// types and their rules. It accepts what Parse accepts, in the spellings that docs/configuration.md describes; Parse
// finds more.
func Schema() []byte {
	b := builder{definitions: node{}}
	root := b.object(reflect.TypeFor[Config](), reflect.ValueOf(*defaults()), "")
	root["definitions"] = b.definitions
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "alert-relay configuration"
	root["type"] = "object"
	root["patternProperties"] = node{"^x-": node{"description": "Ignored: a place for YAML anchors."}}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // maps, slices and strings alone
	}
	return out.Bytes()
}

// builder collects the schemas of the structs that lists are made of: a list may be written as one element, so each is
// needed twice.
type builder struct{ definitions node }

// object returns the schema of a struct. defaults is its default value; invalid in lists, whose elements have none.
func (b builder) object(t reflect.Type, defaults reflect.Value, path string) node {
	properties, required := node{}, []string{}
	add := func(name string, s node, description string) {
		s["description"] = description
		properties[name] = s
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		var value reflect.Value
		if defaults.IsValid() {
			value = defaults.Field(i)
		}
		description := comments()[t.Name()+"."+f.Name]
		switch {
		case name == "-" || !f.IsExported():
		case option == "inline":
			maps.Copy(properties, b.object(f.Type, value, path)["properties"].(node))
		case f.Type == secretType || f.Type == secretsType:
			for suffix, holder := range map[string]string{"_file": "File that contains it.", "_env": "Environment variable that contains it."} {
				s := typed("string")
				if f.Type == secretsType {
					s = list(s)
				}
				add(name+suffix, s, description+" "+holder)
			}
		default:
			s, needed := b.valueOf(f.Type, f.Tag.Get("validate"), value, join(path, name))
			if needed {
				required = append(required, name)
			}
			if text, ok := defaultOf(value); ok {
				s["default"] = text
			}
			add(name, s, description)
		}
	}
	out := node{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// valueOf returns the schema of a value with its rules, and whether its key is required.
func (b builder) valueOf(t reflect.Type, rules string, defaults reflect.Value, path string) (s node, required bool) {
	required = hasRule(rules, "required")
	if scalar, ok := scalars[t]; ok {
		return maps.Clone(scalar.schema), required
	}
	if t == severitiesType {
		return list(severity(`(>=|<=|>|<|=)? *`)), required
	}
	switch t.Kind() {
	case reflect.Pointer:
		s, _ = b.valueOf(t.Elem(), "", reflect.Value{}, path)
		return s, required
	case reflect.Struct:
		s = b.object(t, defaults, path)
		return s, required || s["required"] != nil
	case reflect.Slice:
		own, item, _ := strings.Cut(rules, "dive")
		s, _ = b.valueOf(t.Elem(), strings.TrimPrefix(item, ","), reflect.Value{}, path+"[]")
		if name := t.Elem().Name(); s["properties"] != nil {
			b.definitions[name] = s
			s = node{"$ref": "#/definitions/" + name}
		}
		return list(s), hasRule(own, "min")
	case reflect.Bool:
		return typed("boolean"), required
	case reflect.Int:
		return limited(typed("integer"), rules), required
	case reflect.Float64:
		return limited(typed("number"), rules), required
	}
	s = typed("string", "number") // a name such as 42 needs no quotes
	if words, ok := rule(rules, "oneof"); ok {
		s = node{"enum": append(anys(strings.Fields(words)), nil)}
	} else if hasRule(rules, "name") {
		s["pattern"] = namePattern.String()
	}
	return s, required
}

// durationSchema matches the texts that ParseDuration accepts.
const durationSchema = `^ *(0|[0-9]+(\.[0-9]+)?d(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))*|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))+) *$`

// typed returns the schema of a value of one of these types. Null is an absent key, as in "routes:".
func typed(types ...string) node { return node{"type": append(types, "null")} }

// list returns the schema of a list, which may also be one value.
func list(item node) node {
	return node{"anyOf": []any{node{"type": "array", "items": item}, item}}
}

// severity returns the schema of a severity's name in any case, or its number, after a prefix.
func severity(prefix string) node {
	var names []any
	var spellings []string
	for _, s := range alert.Severities {
		names = append(names, s.String())
		var any strings.Builder
		for _, r := range s.String() {
			if r == ' ' {
				any.WriteString("[ _-]")
			} else {
				any.WriteString("[" + strings.ToUpper(string(r)) + string(r) + "]")
			}
		}
		spellings = append(spellings, any.String())
	}
	return node{"anyOf": []any{
		node{"enum": append(names, nil)},
		node{"type": "integer", "minimum": 0, "maximum": len(alert.Severities) - 1},
		node{"type": "string", "pattern": "^ *" + prefix + "(" + strings.Join(spellings, "|") + "|[0-5]) *$"},
	}}
}

// limited adds a number's limits.
func limited(s node, rules string) node {
	for name, key := range map[string]string{"min": "minimum", "max": "maximum", "gt": "exclusiveMinimum"} {
		if text, ok := rule(rules, name); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				panic(err) // a limit in a struct tag
			}
			s[key] = n
		}
	}
	return s
}

// defaultOf returns a default in the notation of the file.
func defaultOf(v reflect.Value) (any, bool) {
	if !v.IsValid() || v.IsZero() {
		return nil, false
	}
	switch value := v.Interface().(type) {
	case Times:
		return int(value), true
	case fmt.Stringer:
		return value.String(), true
	}
	switch v.Kind() {
	case reflect.String, reflect.Int, reflect.Float64, reflect.Bool:
		return v.Interface(), true
	}
	return nil, false
}

// rule returns the parameter of a rule in a validate tag.
func rule(rules, name string) (string, bool) {
	for _, r := range strings.Split(rules, ",") {
		if key, value, _ := strings.Cut(r, "="); key == name {
			return value, true
		}
	}
	return "", false
}

func hasRule(rules, name string) bool { _, ok := rule(rules, name); return ok }

func anys(words []string) []any {
	out := make([]any, 0, len(words)+1)
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

// comments are the comments of the fields, by "Type.Field".
var comments = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	files, err := sources.ReadDir(".")
	for _, f := range files {
		var text []byte
		var file *ast.File
		if text, err = sources.ReadFile(f.Name()); err == nil {
			file, err = parser.ParseFile(token.NewFileSet(), f.Name(), text, parser.ParseComments)
		}
		if err != nil {
			break
		}
		fieldComments(file, out)
	}
	if err != nil {
		panic(err) // they were compiled, and embedded
	}
	return out
})

// fieldComments collects the comments of a file's fields.
func fieldComments(file *ast.File, out map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					out[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
		return false
	})
}
