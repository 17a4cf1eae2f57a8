//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	look     = regexp.MustCompile(`(?m)^\d\. `)
	codeSpan = regexp.MustCompile("`([^`]+)`")
	promQL   = regexp.MustCompile(`\balert_relay_\w+`)
	shell    = regexp.MustCompile(`^(curl|df|ls) .`)
	// ofListeners are the metrics of bots that listen: no bot of this test does.
	ofListeners = regexp.MustCompile(`alert_relay_(webhooks|socket|catch_up)_`)
	// notRun are commands that need a real systemd, kernel or disk, and programs that are only named.
	notRun = []string{"systemctl status alert-relay", "dmesg | grep -i oom", "iostat -x 5", "sqlite3"}
	// foreignWords are log messages of SQLite.
	foreignWords = []string{"database or disk is full", "attempt to write a readonly database", "database is locked"}
)

// runbooksWork follows the runbooks of docs/operations.md: each has three first looks and a mend. Its queries are answered by the
// Prometheus that scrapes the relay, its commands run on the relay's machine, and what it quotes from log and configuration exists.
func runbooksWork(t *testing.T, w *watcher, b *broken) {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	known := words(t)
	environment := strings.NewReplacer("--config config.yaml", "--config "+b.config, "check config.yaml", "check "+b.config, "/var/lib/alert-relay", filepath.Dir(b.config),
		"/proc/PID/", fmt.Sprintf("/proc/%d/", b.cmd.Process.Pid), "PAYLOAD", "sample:open", "https://webexapis.com/v1", b.api, "URL/", b.frontend+"/")
	ran := map[string]int{}
	for _, runbook := range strings.Split(string(page), "\n#### ")[1:] {
		name, text, _ := strings.Cut(runbook, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		require.Len(t, look.FindAllString(text, -1), 3, name)
		require.Contains(t, text, "\nFix: ", name)
		text = regexp.MustCompile(`\n *`).ReplaceAllString(text, " ")
		for _, span := range codeSpan.FindAllStringSubmatch(text, -1) {
			code := span[1]
			where := name + ": " + code
			kind := "word"
			switch {
			case slices.Contains(notRun, code):
				kind = "not run"
				out, err := exec.Command("bash", "-n", "-c", code).CombinedOutput()
				require.NoError(t, err, "%s: %s", where, out)
			case strings.HasPrefix(code, "alert-relay "):
				kind = "alert-relay"
				out, err := b.operator(t, environment.Replace(code))
				var exit *exec.ExitError
				if strings.Contains(code, " ID ") && errors.As(err, &exit) {
					require.Equal(t, 1, exit.ExitCode(), "%s: %s", where, out)
					require.Contains(t, out, "no journal entry", where)
					break
				}
				require.NoError(t, err, "%s: %s", where, out)
			case shell.MatchString(code):
				kind = "shell"
				out, err := exec.Command("bash", "-ec", environment.Replace(code)).CombinedOutput()
				require.NoError(t, err, "%s: %s", where, out)
				require.NotEmpty(t, out, where)
				switch {
				case strings.Contains(code, "http_code"):
					require.Equal(t, "401\n", string(out), where)
				case strings.Contains(code, "apiinfo.version"):
					require.Contains(t, string(out), `"result":"7.0`, where)
				}
			case promQL.MatchString(code):
				kind = "query"
				w.query(t, code)
				for _, metric := range promQL.FindAllString(code, -1) {
					if !ofListeners.MatchString(metric) {
						require.NotEmpty(t, w.query(t, metric), "%s: no series of %s", where, metric)
					}
				}
			default:
				if !slices.Contains(foreignWords, code) {
					require.Contains(t, known, strings.TrimSuffix(code, "="), "%s: neither in the log nor in the configuration", where)
				}
			}
			ran[kind]++
			t.Logf("%s: %s", kind, where)
		}
	}
	for kind, least := range map[string]int{"query": 20, "alert-relay": 8, "shell": 8, "word": 20} {
		require.GreaterOrEqual(t, ran[kind], least, "%s", strconv.Quote(kind))
	}
}

// operator runs a command line of the program with the relay's environment. A program that is only named prints its help, and so does
// setup, which needs a Super admin's token.
func (b *broken) operator(t *testing.T, line string) (string, error) {
	args := strings.Fields(line)[1:]
	if len(args) == 1 || args[0] == "setup" {
		args = append(args, "--help")
	}
	cmd := exec.Command(buildRelay(t), args...)
	cmd.Env = append(os.Environ(), b.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// words are what a log line or a configuration can contain: the program's source and docs/configuration.md.
func words(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"../internal", "../cmd", "../docs/configuration.md"} {
		require.NoError(t, filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(file, "_test.go") || !strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, ".md") {
				return err
			}
			content, err := os.ReadFile(file)
			all.Write(content)
			return err
		}))
	}
	return all.String()
}
