package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
)

// globals are the flags that several subcommands know.
type globals struct {
	config string
	output format
}

// The groups of subcommands in the help.
const (
	groupRun  = "run"
	groupLook = "look"
	groupUse  = "use"
)

func newRoot() *cobra.Command {
	g := &globals{output: formatText}
	root := &cobra.Command{
		Use:   "alert-relay",
		Short: "The alert relay between Zabbix and Webex",
		Long: `alert-relay takes problems, updates and recoveries from Zabbix, posts them to Webex
rooms, keeps those posts up to date, and lets people acknowledge them from there.

Start with 'alert-relay demo'; it needs no accounts and no configuration.`,
		Example: `  alert-relay demo                              # see it work
  alert-relay check config.yaml                 # every fault at once
  alert-relay serve --config config.yaml        # run it
  alert-relay send noc "done" -c config.yaml    # a message of your own

Exit codes: 0 done, 1 failed or faults found, 2 a wrong command line.`,
		Version:       buildVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("alert-relay {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	// What only has subcommands is run to say so (see group), which is no use of it.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if not .HasAvailableSubCommands}}", 1))
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Try it without sending:"}, &cobra.Group{ID: groupUse, Title: "Use it:"})
	for id, list := range map[string][]*cobra.Command{
		groupRun:  {newServe(g), newDemo(), newSimulate()},
		groupLook: {newCheck(g), newRoute(g), newPreview(g), newPayload(g), newRooms(g)},
		groupUse:  {newSend(g), newMediaType(), newDeadLetter(g), newSetAside(g)},
		"":        {newVersion(g), newHelp(root)},
	} {
		for _, cmd := range list {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	root.InitDefaultCompletionCmd()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.HasSubCommands() {
			group(cmd)
		}
	}
	return root
}

// newHelp is cobra's own help command, but that an unknown topic is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(topic, rest[0])
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
	root.SetHelpCommand(cmd)
	return cmd
}

// configFlag adds --config to commands that need one.
func (g *globals) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&g.config, "config", "c", "", "the configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // the flag is defined just above
}

// outputFlag adds --output to commands that print data.
func (g *globals) outputFlag(cmd *cobra.Command) {
	cmd.Flags().VarP(&g.output, "output", "o", "how to print data")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(formatText), string(formatJSON)}, cobra.ShellCompDirectiveNoFileComp)) // likewise
}

// load reads the configuration that a relay is to run with; its faults are
// printed one a line.
func (g *globals) load(cmd *cobra.Command) (*config.Config, error) {
	return g.read(cmd, config.Options{Env: os.Getenv})
}

// elsewhere reads a configuration for a look at it: secrets may be missing.
func (g *globals) elsewhere(cmd *cobra.Command) (*config.Config, error) {
	return g.read(cmd, config.Options{Env: os.Getenv, Elsewhere: true})
}

// optional is elsewhere; nil where no configuration is named.
func (g *globals) optional(cmd *cobra.Command) (*config.Config, error) {
	if g.config == "" {
		return nil, nil
	}
	return g.elsewhere(cmd)
}

func (g *globals) read(cmd *cobra.Command, o config.Options) (*config.Config, error) {
	if g.config == "" {
		return nil, fmt.Errorf("%s needs a configuration: give it with --config FILE", cmd.Name())
	}
	cfg, err := config.Read(g.config, o)
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return nil, &exitError{}
	}
	return cfg, nil
}

// print writes data as JSON, or what text writes.
func (g *globals) print(cmd *cobra.Command, data any, text func(w io.Writer)) error {
	var out bytes.Buffer
	if g.output == formatJSON {
		if err := encode(&out, data); err != nil {
			return failed(err)
		}
	} else {
		text(&out)
	}
	_, err := cmd.OutOrStdout().Write(out.Bytes())
	return failed(err)
}

// encode writes JSON for people to read.
func encode(w io.Writer, data any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(data)
}

// readSecret reads the file that a flag names: one secret and nothing else.
func readSecret(flag, name string) (string, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", failed(fmt.Errorf("--%s: can't read %s: %w", flag, name, err))
	}
	secret := strings.TrimSpace(strings.TrimPrefix(string(raw), "\uFEFF")) // with which editors on Windows begin a file
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", failed(fmt.Errorf("--%s: %s must hold the secret in one line, and nothing else", flag, name))
	}
	return secret, nil
}

// logger writes what the configuration's log says to standard error.
func logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // validated by config; info otherwise
	opts := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// version is set by the linker in a release: -X main.version=1.2.3.
var version = "dev"

// buildVersion is the version and what it was built with.
func buildVersion() string { return fmt.Sprintf("%s (%s)", version, goVersion()) }

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}

func newVersion(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  alert-relay version --output json",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			data := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{version, goVersion()}
			return g.print(cmd, data, func(w io.Writer) { fmt.Fprintf(w, "alert-relay %s\n", buildVersion()) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}
