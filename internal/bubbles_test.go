package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A timer of the program that is due at the end of a test's sleep runs before or after the test goes on, by chance. A test that sleeps and
// then looks must wait in between until nothing is left to run.
func TestSleepsInBubblesWaitBeforeTheyLook(t *testing.T) {
	calls := func(s ast.Stmt, pkg string) (name string) {
		if e, ok := s.(*ast.ExprStmt); ok {
			if c, ok := e.X.(*ast.CallExpr); ok {
				if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
						return sel.Sel.Name
					}
				}
			}
		}
		return ""
	}
	read := 0
	for _, dir := range []string{".", "../cmd"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			read++
			ast.Inspect(f, func(n ast.Node) bool {
				var list []ast.Stmt
				switch n := n.(type) {
				case *ast.BlockStmt:
					list = n.List
				case *ast.CaseClause:
					list = n.Body
				case *ast.CommClause:
					list = n.Body
				}
				for i, s := range list {
					if i > 0 && calls(s, "require") != "" && calls(list[i-1], "time") == "Sleep" {
						t.Errorf("%s: looks right after time.Sleep: call synctest.Wait before it", files.Position(s.Pos()))
					}
				}
				return true
			})
			return nil
		}))
	}
	require.Greater(t, read, 100)
}
