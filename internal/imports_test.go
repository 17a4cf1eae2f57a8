package internal

import (
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "nms-alert-relay/"

// may lists which of our packages each package may import. Imports point down the flow
// of docs/architecture.md; only relay and cmd know everybody.
var may = map[string][]string{
	"internal/alert":      {},
	"internal/fault":      {},
	"internal/httpclient": {"internal/text"},
	"internal/logging":    {},
	"internal/webexid":    {},
	"internal/pace":       {},
	"internal/build":      {},
	"internal/systemd":    {},
	"internal/roster":     {},
	"internal/testdata":   {},
	"internal/testlog":    {},
	"internal/testrace":   {},
	"internal/text":       {},
	"internal/lang":       {},
	"templates":           {},
	"zabbix":              {},
	"internal/seal":       {},
	"internal/vault":      {"internal/seal", "internal/store"},
	"internal/payload":    {"internal/alert"},
	"internal/action":     {"internal/alert", "internal/config", "internal/httpclient", "internal/payload", "internal/route"},
	"internal/config":     {"internal/alert", "internal/fault", "internal/lang", "internal/payload", "internal/seal", "internal/webexid"},
	"internal/zabbix":     {"internal/alert", "internal/config", "internal/fault", "internal/httpclient", "zabbix"},
	"internal/webex":      {"internal/httpclient", "internal/pace", "internal/webexid"},
	"internal/store":      {"internal/alert", "internal/pace", "internal/seal", "internal/store", "internal/webexid"},
	"internal/tracing":    {"internal/httpclient", "internal/logging", "internal/store"},
	"internal/route":      {"internal/alert", "internal/config", "internal/lang", "internal/webexid"},
	"internal/binding":    {"internal/config", "internal/route", "internal/store", "internal/webexid"},
	"internal/render":     {"internal/alert", "internal/config", "internal/lang", "internal/webex", "templates"},
	"internal/graph":      {"internal/lang", "internal/text"},
	"internal/history":    {"internal/alert", "internal/graph", "internal/lang", "internal/pace", "internal/render", "internal/store", "internal/webex", "internal/zabbix"},
	"internal/ledger":     {"internal/alert", "internal/logging", "internal/pace", "internal/store", "internal/route", "internal/tracing"},
	"internal/receiver":   {"internal/alert", "internal/fault", "internal/logging", "internal/store", "internal/zabbix", "internal/tracing"},
	"internal/delivery":   {"internal/alert", "internal/config", "internal/lang", "internal/pace", "internal/roster", "internal/store", "internal/webex", "internal/render", "internal/tracing"},
	"internal/duty":       {"internal/alert", "internal/config", "internal/httpclient", "internal/lang", "internal/pace", "internal/store"},
	"internal/assistant":  {"internal/alert", "internal/lang", "internal/pace", "internal/render", "internal/store", "internal/webex"},
	"internal/incident":   {"internal/alert", "internal/config", "internal/lang", "internal/pace", "internal/render", "internal/store", "internal/webex", "internal/webexid"},
	"internal/command":    {"internal/action", "internal/alert", "internal/assistant", "internal/binding", "internal/config", "internal/payload", "internal/duty", "internal/history", "internal/incident", "internal/lang", "internal/pace", "internal/reconcile", "internal/roster", "internal/route", "internal/store", "internal/vault", "internal/webex", "internal/zabbix", "internal/render", "internal/tracing"},
	"internal/chat":       {"internal/config", "internal/logging", "internal/pace", "internal/roster", "internal/store", "internal/webex", "internal/webexid", "internal/command", "internal/tracing"},
	"internal/admin":      {"internal/alert", "internal/binding", "internal/config", "internal/fault", "internal/incident", "internal/logging", "internal/render", "internal/store", "internal/reconcile", "internal/vault"},
	"internal/client":     {"internal/config", "internal/fault", "internal/httpclient", "internal/pace"},
	"internal/tryout": {"internal/alert", "internal/config", "internal/delivery", "internal/httpclient", "internal/render", "internal/route", "internal/webex",
		"internal/webexid", "internal/zabbix"},
	"internal/doctor":    {"internal/chat", "internal/config", "internal/duty", "internal/httpclient", "internal/lang", "internal/seal", "internal/vault", "internal/watch", "internal/webex", "internal/webexid", "internal/zabbix", "zabbix"},
	"internal/provision": {"internal/zabbix", "zabbix"},
	"internal/reconcile": {"internal/alert", "internal/lang", "internal/pace", "internal/roster", "internal/store", "internal/zabbix"},
	"internal/watch":     {"internal/lang", "internal/pace", "internal/roster", "internal/store", "internal/zabbix"},
	"internal/simulator": {"internal/alert", "internal/pace", "internal/webexid", "internal/simulator", "internal/relay", "internal/config", "zabbix"},
}

// everywhere may be imported by each package that imports any of ours.
const everywhere = "internal/text"

// forbidden lists the modules and standard packages that a package must not import.
var forbidden = map[string][]string{
	"internal/alert":    {"net/http", "database/sql", "os"},
	"internal/delivery": {"github.com/gin-gonic/gin", "database/sql"},
	"internal/render":   {"net/http", "database/sql"},
	"internal/route":    {"net/http", "database/sql", "os"},
	"internal/ledger":   {"net/http", "database/sql"},
}

// Tests may import anything.
func TestImportsPointDown(t *testing.T) {
	root := ".."
	checked := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
		dir := path.Dir(rel)
		if strings.HasPrefix(dir, "cmd/") || strings.HasPrefix(dir, "e2e") || strings.HasPrefix(dir, "bench") || dir == "internal/relay" {
			return nil
		}
		owner := ownerOf(dir)
		require.NotEmpty(t, owner, "%s: no import rule for this package: add one to the table", rel)
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		checked++
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			require.NotContains(t, forbidden[owner], imported, "%s imports %s", rel, imported)
			ours, ok := strings.CutPrefix(imported, module)
			if !ok || ours == owner || strings.HasPrefix(ours, owner+"/") {
				continue
			}
			if ours == everywhere && len(may[owner]) > 0 {
				continue
			}
			if strings.HasSuffix(dir, "test") {
				continue // storetest: for tests alone
			}
			if strings.HasPrefix(ours, "internal/store/") || strings.HasPrefix(ours, "internal/testdata") && owner != "internal/simulator" && owner != "internal/store" {
				t.Errorf("%s imports %s: only the relay chooses a store, only tests read fixtures", rel, ours)
			}
			require.True(t, slices.Contains(may[owner], ours) || slices.Contains(may[owner], ownerOf(ours)), "%s imports %s: not below it in the layout", rel, ours)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, checked, 20)
}

// ownerOf is the entry of may for a folder: its own, or its nearest parent's.
func ownerOf(dir string) string {
	for d := dir; d != "." && d != "/"; d = path.Dir(d) {
		if _, ok := may[d]; ok {
			return d
		}
	}
	return ""
}

var update = flag.Bool("update", false, "write the imports into docs/architecture.md")

// The package table in docs/architecture.md has the imports of may; -update writes them.
func TestArchitectureHasTheImports(t *testing.T) {
	const file = "../docs/architecture.md"
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^(\\| `(internal/[a-z]+)` \\| .* \\|)([^|\n]*)\\|$")
	seen := map[string]bool{}
	want := rows.ReplaceAllStringFunc(string(raw), func(row string) string {
		m := rows.FindStringSubmatch(row)
		seen[m[2]] = true
		list, known := may[m[2]]
		if !known { // relay
			return row
		}
		var names []string
		for _, p := range list {
			if p = strings.TrimPrefix(p, "internal/"); "internal/"+p != m[2] {
				names = append(names, p)
			}
		}
		slices.Sort(names)
		if len(names) == 0 {
			names = []string{"nothing of ours"}
		}
		return m[1] + " " + strings.Join(names, ", ") + " |"
	})
	for name := range may {
		if strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "internal/test") {
			require.True(t, seen[name], "%s has no row in %s", name, file)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(raw), "go test ./internal -run TestArchitectureHasTheImports -update")
}
