package lang_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template/parse"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
)

const root = "../.."

// source is a file of the program.
type source struct {
	name string // "internal/render/card.go"
	set  *token.FileSet
	file *ast.File
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(n.Pos()).Line)
}

// sources are the files of internal, without tests.
var sources = sync.OnceValue(func() (all []source) {
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		all = append(all, source{filepath.ToSlash(name), set, file})
		return err
	})
	if err != nil {
		panic(err)
	}
	return all
})

// literal returns a constant text: a literal, or several with + between them.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, ok := literal(e.X)
		y, also := literal(e.Y)
		return x + y, ok && also && e.Op == token.ADD
	}
	return "", false
}

// called returns the name of a function or method, and what it is a method of, as far as that is a name.
func called(c *ast.CallExpr) (of, name string) {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return "", f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
		return of, f.Sel.Name
	}
	return "", ""
}

// texts are the arguments of a call that are texts of the catalogue, and how many others there are; nil for another call.
func texts(c *ast.CallExpr) (keys []ast.Expr, others int) {
	switch of, name := called(c); {
	case name == "T" && len(c.Args) > 0:
		keys, others = c.Args[:1], len(c.Args)-1
	case name == "N" && len(c.Args) >= 3:
		keys, others = c.Args[1:3], len(c.Args)-2 // the number is one of them
	case of == "lang" && name == "Key" && len(c.Args) > 0:
		return c.Args[:1], -1
	case of == "lang" && (name == "Say" || name == "Errorf") && len(c.Args) > 0:
		keys, others = c.Args[:1], len(c.Args)-1
	case of == "" && name == "misunderstood" && len(c.Args) > 1: // of package command
		keys, others = c.Args[1:2], len(c.Args)-2
	default:
		return nil, 0
	}
	if c.Ellipsis.IsValid() {
		others = -1
	}
	return keys, others
}

// entry is a text in a table of lang.Key, which the compiler checks: the words of the verbs.
func entry(n ast.Node) (text ast.Expr, ok bool) {
	pair, ok := n.(*ast.KeyValueExpr)
	if !ok {
		return nil, false
	}
	field, ok := pair.Key.(*ast.Ident)
	return pair.Value, ok && slices.Contains([]string{"does", "infinitive", "done"}, field.Name)
}

// keys are all texts of the catalogue, with the places where they stand.
var keys = sync.OnceValues(func() (all map[string]string, faults []string) {
	all = map[string]string{}
	for _, s := range sources() {
		if strings.HasPrefix(s.name, "internal/lang/") && !strings.HasSuffix(s.name, "/words.go") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if key, ok := entry(n); ok && strings.HasPrefix(s.name, "internal/command/") {
				if text, ok := literal(key); ok {
					all[text] = s.at(key)
				}
				return true
			}
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if _, name := called(c); name == "C" && len(c.Args) == 2 {
				context, _ := literal(c.Args[0])
				text, ok := literal(c.Args[1])
				all[text+" ["+context+"]"] = s.at(c)
				if !ok || context == "" {
					faults = append(faults, s.at(c)+": a text of the catalogue must be a constant")
				}
				return true
			}
			found, others := texts(c)
			for i, e := range found {
				text, ok := literal(e)
				if !ok {
					faults = append(faults, s.at(e)+": a text of the catalogue must be a constant: use Of for one from a table of lang.Key")
					continue
				}
				all[text] = s.at(e)
				if used := verbs(text); others >= 0 && (len(found) == 1 && len(used) != others || i == 1 && len(used) > others) {
					faults = append(faults, fmt.Sprintf("%s: %d verbs and %d arguments: %q", s.at(e), len(used), others, text))
				}
			}
			return true
		})
	}
	files, err := filepath.Glob(root + "/templates/*.tmpl")
	if err != nil || len(files) == 0 {
		faults = append(faults, "no templates")
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, err.Error())
		}
		tree := parse.New(path)
		tree.Mode = parse.SkipFuncCheck
		set := map[string]*parse.Tree{}
		if _, err := tree.Parse(string(raw), "", "", set); err != nil {
			faults = append(faults, err.Error())
		}
		for _, t := range set {
			fromTemplate(t.Root, func(text string) { all[text] = filepath.Base(path) })
		}
	}
	return all, faults
})

// fromTemplate finds the texts of the function t.
func fromTemplate(n parse.Node, found func(string)) {
	pipe := func(p *parse.PipeNode) {
		if p != nil {
			fromTemplate(p, found)
		}
	}
	branch := func(b parse.BranchNode) {
		pipe(b.Pipe)
		fromTemplate(b.List, found)
		if b.ElseList != nil {
			fromTemplate(b.ElseList, found)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			fromTemplate(c, found)
		}
	case *parse.ActionNode:
		pipe(n.Pipe)
	case *parse.TemplateNode:
		pipe(n.Pipe)
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			fromTemplate(c, found)
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); ok && id.Ident == "t" && len(n.Args) > 1 {
			if text, ok := n.Args[1].(*parse.StringNode); ok {
				found(text.Text)
			}
		}
		for _, a := range n.Args {
			fromTemplate(a, found)
		}
	}
}

var verb = regexp.MustCompile(`%[-+# 0]*(?:\d+|\*)?(?:\.\d+)?(?:\[(\d+)\])?([a-zA-Z%])`)

// verbs returns the verb of each argument, by its number.
func verbs(text string) map[int]string {
	used := map[int]string{}
	next := 1
	for _, m := range verb.FindAllStringSubmatch(text, -1) {
		if m[2] == "%" {
			continue
		}
		if m[1] != "" {
			next, _ = strconv.Atoi(m[1])
		}
		used[next] = m[2]
		next++
	}
	return used
}

var code = regexp.MustCompile("`[^`]*`")

// spans are the pieces of code in a text, in order of the alphabet. What people type is the same in every language.
func spans(text string) []string {
	found := code.FindAllString(text, -1)
	for i, s := range found {
		found[i] = verb.ReplaceAllString(s, "%")
	}
	slices.Sort(found)
	return found
}

// Each text has its translation, with the same verbs and the same commands; no translation is unused.
func TestEveryTextIsTranslated(t *testing.T) {
	texts, faults := keys()
	require.Empty(t, strings.Join(faults, "\n"))
	require.Greater(t, len(texts), 100)
	for _, l := range lang.Languages {
		if l == lang.English {
			continue
		}
		catalogue := lang.Catalogue(l)
		var missing, wrong []string
		for _, text := range slices.Sorted(maps.Keys(texts)) {
			translated, ok := catalogue[text]
			switch {
			case !ok || strings.TrimSpace(translated) == "":
				missing = append(missing, fmt.Sprintf("%s: %q", texts[text], text))
			case !maps.Equal(verbs(text), verbs(translated)):
				wrong = append(wrong, fmt.Sprintf("%s: other verbs: %q: %q", texts[text], text, translated))
			case !slices.Equal(spans(text), spans(translated)):
				wrong = append(wrong, fmt.Sprintf("%s: other commands: %q: %q", texts[text], text, translated))
			case edges(text) != edges(translated):
				wrong = append(wrong, fmt.Sprintf("%s: other spaces at the ends: %q: %q", texts[text], text, translated))
			}
		}
		for text := range catalogue {
			if _, ok := texts[text]; !ok {
				wrong = append(wrong, fmt.Sprintf("no such text: %q", text))
			}
		}
		slices.Sort(wrong)
		if len(missing) > 0 { // in full, other than by require
			t.Errorf("texts without a translation in %s.yaml:\n%s", l, strings.Join(missing, "\n"))
		}
		if len(wrong) > 0 {
			t.Errorf("faults in %s.yaml:\n%s", l, strings.Join(wrong, "\n"))
		}
	}
}

func edges(text string) string {
	trimmed := strings.TrimSpace(text)
	at := strings.Index(text, trimmed)
	return text[:at] + "|" + text[at+len(trimmed):]
}
