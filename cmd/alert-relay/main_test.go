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

var update = flag.Bool("update", false, "write what the program prints into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"alert-relay": recorded})
}

// secrets are the environment of every script. What the program prints never holds
// one of them.
var secrets = map[string]string{
	"BOT_TOKEN":    webexsim.DefaultBotToken,
	"API_TOKEN":    zabbixsim.RelayToken,
	"RELAY_SECRET": "s3cr3t-that-signs-events",
	"NOTIFY_TOKEN": "s3cr3t-of-a-notify-sender",
	"LEFT_OVER":    "s3cr3t-in-the-wrong-place",
}

// recordDir is the variable that names where the program's output is kept, to
// be searched for secrets at the end of each script.
const recordDir = "TEST_RECORD_DIR"

// recorded is the program, with a copy of all that it prints in a file.
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

// Each script in testdata/script is a promise about the command line. Its exact
// output is brought up to date by go test ./cmd/alert-relay -update.
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

// leaks searches what a script's programs printed.
func leaks(t *testing.T, records string) []string {
	files, err := os.ReadDir(records)
	require.NoError(t, err)
	if len(files) == 0 {
		return []string{"the script ran nothing that could be searched for secrets"}
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

// meant says where a secret is printed on purpose: a simulator says with which
// token it is entered, and a media type holds its secret.
func meant(command, name string) bool {
	switch command {
	case "simulate":
		return name == "BOT_TOKEN" || name == "API_TOKEN"
	case "mediatype":
		return name == "RELAY_SECRET"
	}
	return false
}

// The search for secrets finds one where there is one.
func TestLeaksAreFound(t *testing.T) {
	dir := t.TempDir()
	require.NotEmpty(t, leaks(t, dir), "nothing to search is a fault of the test")
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

// Every command says what it is for, and shows how it is called.
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

// Every flag that takes a value says what: a placeholder in capitals, or the words to choose from.
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

// Commands that read a configuration name it alike: -c, --config.
func TestConfigurationIsNamedAlike(t *testing.T) {
	without := map[string]bool{"demo": true, "mediatype": true, "version": true, "schema": true, "help": true, "completion": true, "simulate": true}
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
