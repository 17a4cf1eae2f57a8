package internal

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const maxMarkdownLine = 130

var (
	testPattern   = regexp.MustCompile("`([a-z][a-z0-9/-]*)\\.((?:Test|Fuzz|test)[A-Za-z0-9_]+)`")
	linkPattern   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codePattern   = regexp.MustCompile("`[^`]*`")
	headerPattern = regexp.MustCompile(`^#{1,6} (.*)$`)
	logsPattern   = regexp.MustCompile("(?:log says|logs)\\s+`([^`]+)`")
)

// markdownLine is a line outside of code fences.
type markdownLine struct {
	number int
	text   string
}

// markdownFiles are the repository's Markdown files, with their lines outside of code fences.
func markdownFiles(t *testing.T) map[string][]markdownLine {
	t.Helper()
	files := map[string][]markdownLine{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			raw, err := os.ReadFile(name)
			files[name] = outsideFences(string(raw))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 10)
	return files
}

func outsideFences(markdown string) []markdownLine {
	var lines []markdownLine
	fenced, number := false, 0
	for line := range strings.Lines(markdown) {
		number++
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			lines = append(lines, markdownLine{number, strings.TrimRight(line, "\n")})
		}
	}
	return lines
}

func TestMarkdownLinesAreShort(t *testing.T) {
	for name, lines := range markdownFiles(t) {
		for _, line := range lines {
			if strings.HasPrefix(strings.TrimLeft(line.text, " "), "|") {
				continue
			}
			if n := utf8.RuneCountInString(line.text); n > maxMarkdownLine {
				t.Errorf("%s:%d: %d characters, expected at most %d", name, line.number, n, maxMarkdownLine)
			}
		}
	}
}

func TestMarkdownLinksResolve(t *testing.T) {
	files := markdownFiles(t)
	links := 0
	for name, lines := range files {
		for _, line := range lines {
			for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line.text, "``"), -1) {
				if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
					continue
				}
				links++
				file, anchor, _ := strings.Cut(m[1], "#")
				target := name
				if file != "" {
					target = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s:%d: link to a missing file: %s", name, line.number, m[1])
				} else if anchor != "" && !anchors(files[target])[anchor] {
					t.Errorf("%s:%d: link to a missing anchor: %s", name, line.number, m[1])
				}
			}
		}
	}
	require.Greater(t, links, 50)
}

// Code spans that look like a path of the repository name one that exists.
func TestDocumentedPathsExist(t *testing.T) {
	path := regexp.MustCompile("^`((?:internal|cmd|bench|e2e|helm|monitoring|templates|zabbix|docs)/[a-z0-9_/.-]*(?:README\\.md)?)`$")
	for name, lines := range markdownFiles(t) {
		for _, line := range lines {
			for _, span := range codePattern.FindAllString(line.text, -1) {
				m := path.FindStringSubmatch(span)
				if m == nil || testPattern.MatchString(span) {
					continue
				}
				if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s:%d: missing path %s", name, line.number, m[1])
				}
			}
		}
	}
}

// anchors are the ids that a page's headings get on GitHub.
func anchors(lines []markdownLine) map[string]bool {
	ids := map[string]bool{}
	for _, line := range lines {
		m := headerPattern.FindStringSubmatch(line.text)
		if m == nil {
			continue
		}
		id := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(m[1]))
		unique := id
		for n := 1; ids[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", id, n)
		}
		ids[unique] = true
	}
	return ids
}

// Each promise of docs/guarantees.md has a list of tests below it. Each test that it or docs/security.md names exists.
func TestEachGuaranteeHasItsTests(t *testing.T) {
	raw, err := os.ReadFile("../docs/guarantees.md")
	require.NoError(t, err)
	promises, _, found := strings.Cut(string(raw), "\n## The simulation\n")
	require.True(t, found)
	security, err := os.ReadFile("../docs/security.md")
	require.NoError(t, err)
	existing := map[string]map[string]bool{}
	for _, m := range testPattern.FindAllStringSubmatch(string(raw)+string(security), -1) {
		dir, name := m[1], m[2]
		if existing[dir] == nil {
			existing[dir] = functions(t, filepath.Join("..", filepath.FromSlash(dir)))
		}
		if !existing[dir][name] {
			t.Errorf("docs/guarantees.md or docs/security.md names %s.%s, which doesn't exist", dir, name)
		}
	}
	count, open, tests := 0, "", 0
	for line := range strings.Lines(promises + "\n- end\n") {
		switch {
		case strings.HasPrefix(line, "- "):
			if open != "" && tests == 0 {
				t.Errorf("docs/guarantees.md: promise without a test: %s", open)
			}
			open, tests = line, 0
			count++
		case strings.HasPrefix(line, "  - "):
			if testPattern.MatchString(line) {
				tests++
			} else {
				t.Errorf("docs/guarantees.md: expected a test, got %q", line)
			}
		}
	}
	require.Greater(t, count, 100)
}

// Each record in docs/adr has a number of its own, its number and title as its heading, and a row in the index.
func TestDecisionsAreIndexed(t *testing.T) {
	index, err := os.ReadFile("../docs/adr/README.md")
	require.NoError(t, err)
	records, err := filepath.Glob("../docs/adr/[0-9]*.md")
	require.NoError(t, err)
	require.NotEmpty(t, records)
	numbered := map[string]string{}
	for _, record := range records {
		raw, err := os.ReadFile(record)
		require.NoError(t, err)
		base := filepath.Base(record)
		heading, _, _ := strings.Cut(string(raw), "\n")
		number, _, _ := strings.Cut(base, "-")
		require.Empty(t, numbered[number], "%s: another record has the number %s", base, number)
		numbered[number] = base
		title, found := strings.CutPrefix(heading, "# "+number+". ")
		require.True(t, found, "%s: expected a heading like %q, got %q", base, "# "+number+". Title", heading)
		if row := fmt.Sprintf("| [%s](%s) | %s |", number, base, title); !strings.Contains(string(index), row) {
			t.Errorf("docs/adr/README.md: missing row: %s", row)
		}
	}
}

// Log messages of SQLite, Go and the operating system, and those that our code composes.
var foreignMessages = map[string]bool{
	"database or disk is full": true, "database is locked": true, "attempt to write a readonly database": true,
	"disk I/O error": true, "database disk image is malformed": true,
	"signed by unknown authority": true, "has expired or is not yet valid": true, "is valid for": true, "lookup": true,
	"answered 407": true, "the bot's token was replaced": true,
}

// Each message that docs/troubleshooting.md has in a table's column "log", and each msg="…" in docs, is in the code.
func TestDocumentedLogMessagesExist(t *testing.T) {
	literals := stringLiterals(t)
	count := 0
	check := func(name string, number int, message string) {
		for part := range strings.SplitSeq(message, "…") {
			if part = strings.Trim(part, " ,"); part == "" || foreignMessages[part] || !strings.Contains(part, " ") {
				continue
			}
			count++
			if !strings.Contains(literals, part) {
				t.Errorf("%s:%d: no code logs %q", name, number, part)
			}
		}
	}
	for name, lines := range markdownFiles(t) {
		column := -1
		text := ""
		for _, line := range lines {
			text += line.text + " "
			for _, m := range regexp.MustCompile("msg=\"([^\"]+)\"").FindAllStringSubmatch(line.text, -1) {
				check(name, line.number, m[1])
			}
			cells := strings.Split(line.text, " | ")
			if !strings.HasPrefix(line.text, "|") {
				column = -1
			} else if column < 0 && strings.HasSuffix(name, "troubleshooting.md") {
				column = slices.Index(cells, "log")
			}
			if column > 0 && len(cells) > column {
				for _, span := range codePattern.FindAllString(cells[column], -1) {
					check(name, line.number, strings.Trim(span, "`"))
				}
			}
		}
		for _, m := range logsPattern.FindAllStringSubmatch(text, -1) {
			check(name, 0, m[1])
		}
	}
	require.Greater(t, count, 20)
}

// stringLiterals are those of the program's code, one per line.
func stringLiterals(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					all.WriteString(text + "\n")
				}
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
	return all.String()
}

// functions are the names of the functions in a folder's tests, whatever their build tags, and of a test suite that
// other packages run.
func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	names := map[string]bool{}
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(dir, "test") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
