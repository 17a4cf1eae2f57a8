package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/config"
)

// envConfig is the environment variable for --config.
const envConfig = "ALERT_RELAY_CONFIG"

// globals are the flags that several subcommands share.
type globals struct {
	config string // the flag; see file
	output format
}

// file is the configuration file, by flag or environment; "" if none is named.
func (g *globals) file() string { return cmp.Or(g.config, os.Getenv(envConfig)) }

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
		Example: `  alert-relay demo                              # try it
  alert-relay check config.yaml                 # print every fault at once
  alert-relay serve --config config.yaml        # run it
  alert-relay send noc "done" -c config.yaml    # send a message of your own

Environment: ALERT_RELAY_CONFIG is the default of --config.
Exit codes: 0 success, 1 failure or faults found, 2 usage error.`,
		Version:       build.Current().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("alert-relay {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	// Commands with subcommands are runnable only to print their help (see group), so their usage line is left out.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if not .HasAvailableSubCommands}}", 1))
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Try it without sending:"}, &cobra.Group{ID: groupUse, Title: "Use it:"})
	for id, list := range map[string][]*cobra.Command{
		groupRun:  {newServe(g), newHealth(g), newDoctor(g), newReload(g), newReconcile(g), newDemo(), newSimulate(), newBackup(g), newRestore(g)},
		groupLook: {newCheck(g), newSchema(), newRoute(g), newDuty(g), newPreview(g), newPayload(g), newRooms(g)},
		groupUse:  {newSend(g), newHeartbeat(g), newSetup(g), newMediaType(), newTemplate(), newDeadLetter(g), newSetAside(g), newAudit(g), newBindings(g), newIncidents(g), newTokens(g), newRekey(g)},
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
	noFilesByDefault(root)
	return root
}

// newHelp is cobra's own help command, except that an unknown topic is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show help for a command",
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

// configFlag adds --config to a command.
func (g *globals) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&g.config, "config", "c", "", "configuration `FILE` (or "+envConfig+")")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // the flag is defined just above
}

// outputFlag adds --output to a command that prints data.
func (g *globals) outputFlag(cmd *cobra.Command) {
	cmd.Flags().VarP(&g.output, "output", "o", "output format")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(formatText), string(formatJSON)}, cobra.ShellCompDirectiveNoFileComp)) // likewise
}

// load reads the configuration that a relay will run with.
func (g *globals) load(cmd *cobra.Command) (*config.Config, error) {
	return g.read(cmd, config.Options{Env: os.Getenv})
}

// elsewhere reads a configuration for commands that don't need its secrets: they may be missing.
func (g *globals) elsewhere(cmd *cobra.Command) (*config.Config, error) {
	return g.read(cmd, config.Options{Env: os.Getenv, Elsewhere: true})
}

// optional is elsewhere, but returns nil if no configuration is named.
func (g *globals) optional(cmd *cobra.Command) (*config.Config, error) {
	if g.file() == "" {
		return nil, nil
	}
	return g.elsewhere(cmd)
}

func (g *globals) read(cmd *cobra.Command, o config.Options) (*config.Config, error) {
	if err := g.named(cmd); err != nil {
		return nil, err
	}
	cfg, err := config.Read(g.file(), o)
	return cfg, failed(err)
}

// local reads what commands on the relay's own host need of its configuration, which may be faulty.
func (g *globals) local(cmd *cobra.Command) (config.Local, error) {
	if err := g.named(cmd); err != nil {
		return config.Local{}, err
	}
	return config.ReadLocal(g.file(), config.Options{Env: os.Getenv}), nil
}

// named requires a configuration file.
func (g *globals) named(cmd *cobra.Command) error {
	switch g.file() {
	case "":
		return fmt.Errorf("%s: missing configuration (--config FILE or %s)", cmd.Name(), envConfig)
	case "-":
		return errors.New("--config -: only 'check' reads a configuration from standard input")
	}
	return nil
}

// print writes data as JSON, or calls text.
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

// encode writes indented JSON.
func encode(w io.Writer, data any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(data)
}

// readSecret reads the secret in the file that a flag names.
func readSecret(flag, name string) (string, error) {
	secret, err := config.ReadSecret(name)
	if err != nil {
		return "", failed(fmt.Errorf("--%s: %w", flag, err))
	}
	return secret, nil
}
