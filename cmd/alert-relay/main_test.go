package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

var update = flag.Bool("update", false, "update the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"alert-relay": recorded})
}

// secrets are in the environment of every script. The program must never print one of them.
var secrets = map[string]string{
	"BOT_TOKEN":    webexsim.DefaultBotToken,
	"API_TOKEN":    zabbixsim.RelayToken,
	"RELAY_SECRET": "s3cr3t-that-signs-events",
	"NOTIFY_TOKEN": "s3cr3t-of-a-notify-sender",
	"SETUP_TOKEN":  zabbixsim.SetupToken,
	"LEFT_OVER":    "s3cr3t-in-the-wrong-place",
}

// recordDir is the variable with the directory where the program's output is kept, to be searched for secrets.
const recordDir = "TEST_RECORD_DIR"

// recorded runs the program with a copy of its output in a file.
func recorded() {
	name := "alone"
	if len(os.Args) > 1 {
		name = strings.Trim(os.Args[1], "-")
	}
	f, err := os.CreateTemp(os.Getenv(recordDir), name+"-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(run(os.Args[1:], os.Stdin, io.MultiWriter(os.Stdout, f), io.MultiWriter(os.Stderr, f)))
}

// Each script in testdata/script is a promise about the command line. go test ./cmd/alert-relay -update rewrites the expected
// output.
func TestScripts(t *testing.T) {
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			records := filepath.Join(env.WorkDir, ".records")
			if err := os.Mkdir(records, 0o700); err != nil {
				return err
			}
			env.Setenv(recordDir, records)
			env.Setenv("REPOSITORY", repository)
			env.Setenv("GOCOVERDIR", os.Getenv("GOCOVERDIR"))
			for name, value := range secrets {
				env.Setenv(name, value)
			}
			env.Values[programsKey{}] = map[string]*program{}
			name := filepath.Base(env.WorkDir)
			env.Defer(func() {
				for _, leak := range leaks(t, records) {
					t.Errorf("%s: %s", name, leak)
				}
			})
			return nil
		},
	})
}

// leaks searches the output of a script's programs for secrets.
func leaks(t *testing.T, records string) []string {
	files, err := os.ReadDir(records)
	require.NoError(t, err)
	if len(files) == 0 {
		return []string{"the script printed nothing to search for secrets"}
	}
	var found []string
	for _, f := range files {
		output, err := os.ReadFile(filepath.Join(records, f.Name()))
		require.NoError(t, err)
		command, _, _ := strings.Cut(f.Name(), "-")
		for name, value := range secrets {
			if strings.Contains(string(output), value) && !meant(command, name) {
				found = append(found, fmt.Sprintf("%s printed the value of %s:\n%s", command, name, output))
			}
		}
	}
	return found
}

// meant reports whether a command prints this secret on purpose: a simulator prints its token, and a media type contains its
// secret.
func meant(command, name string) bool {
	switch command {
	case "simulate":
		return name == "BOT_TOKEN" || name == "API_TOKEN" || name == "SETUP_TOKEN"
	case "mediatype":
		return name == "RELAY_SECRET"
	}
	return false
}

// The search finds a secret that is printed.
func TestLeaksAreFound(t *testing.T) {
	dir := t.TempDir()
	require.NotEmpty(t, leaks(t, dir), "a script without output fails")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("serve-1", "nothing to see")
	write("simulate-1", "token "+secrets["BOT_TOKEN"])
	write("mediatype-1", "value: '"+secrets["RELAY_SECRET"]+"'")
	require.Empty(t, leaks(t, dir))
	write("serve-2", "token="+secrets["BOT_TOKEN"])
	write("simulate-2", "token "+secrets["RELAY_SECRET"])
	require.Len(t, leaks(t, dir), 2)
}

// Every command has a short description and an example.
func TestEveryCommandHasAnExample(t *testing.T) {
	var look func(parent *cobra.Command)
	look = func(parent *cobra.Command) {
		for _, c := range parent.Commands() {
			if c.Name() == "help" || c.Name() == "completion" {
				continue // cobra's own
			}
			require.NotEmpty(t, c.Short, c.CommandPath())
			require.Contains(t, c.Example, c.CommandPath())
			look(c)
		}
	}
	look(newRoot())
}

// Every flag with a value has a placeholder in capitals, or the words to choose from.
func TestEveryFlagHasAPlaceholder(t *testing.T) {
	placeholder := regexp.MustCompile(`^([A-Z]+|[a-z]+(\|[a-z]+)+)$`)
	flags := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				return
			}
			flags++
			name, usage := pflag.UnquoteUsage(f)
			require.Regexp(t, placeholder, name, "%s --%s", c.CommandPath(), f.Name)
			require.NotRegexp(t, "^(a|an) ", usage, "%s --%s", c.CommandPath(), f.Name)
		})
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newRoot())
	require.Greater(t, flags, 30)
}

// All commands that read a configuration take it from -c, --config.
func TestEveryCommandNamesItsConfigurationAlike(t *testing.T) {
	without := map[string]bool{"demo": true, "mediatype": true, "template": true, "version": true, "schema": true, "help": true, "completion": true, "simulate": true}
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if !c.HasSubCommands() {
			f := c.Flags().Lookup("config")
			require.NotNil(t, f, c.CommandPath())
			require.Equal(t, "c", f.Shorthand)
			require.Contains(t, f.Usage, envConfig)
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	for _, c := range newRoot().Commands() {
		if !without[c.Name()] {
			look(c)
		}
	}
}
