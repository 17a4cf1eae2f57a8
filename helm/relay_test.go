package helm

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var program struct {
	once      sync.Once
	dir, path string
	err       error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		_ = os.RemoveAll(program.dir) // a leftover does no harm
	}
	os.Exit(code)
}

// relay builds the relay once, as for the image, and returns its path.
func relay(t testing.TB) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "alert-relay-chart-"); program.err != nil {
			return
		}
		program.path = filepath.Join(program.dir, "alert-relay")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program.path, "./cmd/alert-relay")
		build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	require.NoError(t, program.err)
	return program.path
}

func write(t testing.TB, file, content string, mode fs.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), mode))
	require.NoError(t, os.Chmod(file, mode))
}
