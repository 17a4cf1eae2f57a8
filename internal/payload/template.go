package payload

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"nms-alert-relay/internal/text"
)

// MaxBody bounds a body, and MaxAnswer an answer, in bytes.
const (
	MaxBody   = 256 << 10
	MaxAnswer = 64 << 10
)

// DefaultType is the content type of a body without a template.
const DefaultType = "application/json"

// Body is a compiled template of a body. Nil makes the default one: Data as JSON.
type Body struct {
	json bool
	all  *template.Template
}

// NewBody compiles a template for a content type and tries it on samples, so that a misspelt field is found before the first request.
// What it prints is escaped for the content type: a text of JSON, of a form, of XML. Other types get texts as they are.
func NewBody(source, contentType string) (*Body, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("content type %q is invalid", contentType)
	}
	b := &Body{json: kind == "application/json" || strings.HasSuffix(kind, "+json")}
	if b.all, err = compile(source, escaperFor(kind, b.json)); err != nil {
		return nil, err
	}
	for _, d := range []Data{sample(), {}} {
		if _, err := b.Make(d); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Make returns the body of a request.
func (b *Body) Make(d Data) ([]byte, error) {
	if b == nil {
		return json.Marshal(d)
	}
	out, err := run(b.all, d, MaxBody)
	if err == nil && b.json && !json.Valid(out) {
		return nil, fmt.Errorf("its result isn't JSON: %w", json.Unmarshal(out, new(any)))
	}
	return out, err
}

// Answer is a compiled template over the JSON answer of an endpoint. Nil makes nothing.
type Answer struct{ all *template.Template }

// NewAnswer compiles such a template. Which keys an answer has is known only when it comes.
func NewAnswer(source string) (*Answer, error) {
	all, err := compile(source, func(s string) string { return s })
	if err != nil {
		return nil, err
	}
	return &Answer{all.Option("missingkey=error")}, nil
}

// Make returns what the template makes of an answer, untrusted text of one line. ok is false if the answer isn't JSON, or lacks a key
// that the template names.
func (a *Answer) Make(answer []byte) (out string, ok bool) {
	if a == nil {
		return "", false
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber() // an id must not become 1e+06
	var v any
	if d.Decode(&v) != nil {
		return "", false
	}
	raw, err := run(a.all, v, MaxAnswer)
	out = text.Line(string(raw))
	return out, err == nil && out != ""
}

func compile(source string, escape func(string) string) (*template.Template, error) {
	all, err := template.New("").Funcs(functions).Funcs(template.FuncMap{outName: output(escape)}).Parse(source)
	if err != nil {
		return nil, tidied(err)
	}
	for _, t := range all.Templates() {
		if t.Tree != nil {
			escapeAll(t.Tree.Root)
		}
	}
	return all, nil
}

func run(t *template.Template, data any, most int) ([]byte, error) {
	w := &limited{most: most}
	if err := t.Execute(w, data); err != nil {
		return nil, tidied(err)
	}
	return w.Bytes(), nil
}

type limited struct {
	bytes.Buffer
	most int
}

func (w *limited) Write(p []byte) (int, error) {
	if w.Len()+len(p) > w.most {
		return 0, fmt.Errorf("wrote more than %d bytes", w.most)
	}
	return w.Buffer.Write(p)
}

var _ io.Writer = (*limited)(nil)

var position = regexp.MustCompile(`^template: :(\d+)(:\d+)?: `)

// tidied returns an error of text/template that begins with the template's line.
func tidied(err error) error {
	said := position.ReplaceAllString(err.Error(), "line $1: ")
	return errors.New(strings.Replace(said, `executing "" at `, "at ", 1))
}

// outName is the function through which each action of a template prints.
const outName = "_print"

// escapeAll appends it to each action that prints.
func escapeAll(n parse.Node) {
	branch := func(b parse.BranchNode) {
		escapeAll(b.List)
		if b.ElseList != nil {
			escapeAll(b.ElseList)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, each := range n.Nodes {
			escapeAll(each)
		}
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
				NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{parse.NewIdentifier(outName).SetPos(n.Pos)},
			})
		}
	}
}

// ready is text that needs no escaping any more: JSON.
type ready string

func output(escape func(string) string) func(v any) (string, error) {
	return func(v any) (string, error) {
		switch v := v.(type) {
		case ready:
			return string(v), nil
		case nil:
			return "", nil
		case time.Time:
			return escape(v.Format(time.RFC3339)), nil
		case map[string]any, []any, []string, []Host, Host, []Tag, Tag, Problem, Data, Person, *Person:
			return "", errors.New("is a list or an object: print one of its fields, or all of it by json")
		}
		return escape(fmt.Sprint(v)), nil
	}
}

// escaperFor returns what makes a text harmless in a document of this type.
func escaperFor(kind string, isJSON bool) func(string) string {
	switch {
	case isJSON:
		return func(s string) string { // between quotes
			quoted, _ := json.Marshal(s) // a string always marshals
			return string(quoted[1 : len(quoted)-1])
		}
	case kind == "application/x-www-form-urlencoded":
		return url.QueryEscape
	case strings.HasSuffix(kind, "/xml"), strings.HasSuffix(kind, "+xml"), kind == "text/html":
		return func(s string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(s)) // a Builder doesn't fail
			return b.String()
		}
	}
	return func(s string) string { return s }
}

// functions are the functions of templates, in addition to those of text/template.
var functions = template.FuncMap{
	outName: output(nil),
	"json": func(v any) (ready, error) {
		raw, err := json.Marshal(v)
		return ready(raw), err
	},
	"join": func(separator string, list any) (string, error) {
		names, err := words(list)
		return strings.Join(names, separator), err
	},
	"some": func(n int, list any) (string, error) {
		names, err := words(list)
		return text.Some(names, max(n, 1)), err
	},
	"limit":  func(runes int, s string) string { return text.Shorten(s, max(runes, 1)) },
	"upper":  strings.ToUpper,
	"lower":  strings.ToLower,
	"format": func(layout string, t time.Time) string { return t.Format(layout) },
}

// words returns the texts of a list: names of hosts and groups, tags as "tag: value".
func words(list any) ([]string, error) {
	switch l := list.(type) {
	case []string:
		return slices.Clone(l), nil
	case []Host:
		return text.Names(l, func(h Host) string { return h.Name }), nil
	case []Tag:
		return text.Names(l, func(t Tag) string {
			if t.Value == "" {
				return t.Tag
			}
			return t.Tag + ": " + t.Value
		}), nil
	}
	return nil, fmt.Errorf("expected a list (.Problem.Hosts, .Problem.Groups, .Problem.Tags), got %T", list)
}
