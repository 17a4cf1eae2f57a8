package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
)

// exitError ends the program with a code; err, if there is one, is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func asExit(err error, target **exitError) bool { return errors.As(err, target) }

// failed is what a command returns when the command line was right and the
// work didn't succeed.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: 1, err: err}
}

// globals are the flags that every subcommand knows.
type globals struct {
	config string
	output string
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "alert-relay",
		Short: "The alert relay between Zabbix and Webex",
		Long: `alert-relay takes problems, updates and recoveries from Zabbix, keeps them true in
Webex rooms, and lets people acknowledge them from there.

Begin with 'alert-relay demo': it needs nothing.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if g.output != "text" && g.output != "json" {
				return fmt.Errorf("--output %q: want text or json", g.output)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVarP(&g.output, "output", "o", "text", "how to print data: text or json")
	root.AddCommand(newServe(g), newDemo(), newCheck(g), newPreview(g), newRoute(g), newSend(g), newRooms(g),
		newMediaType(), newSimulate(), newVersion(g))
	return root
}

// configFlag adds --config to commands that need one.
func (g *globals) configFlag(cmd *cobra.Command, required bool) {
	cmd.Flags().StringVarP(&g.config, "config", "c", "", "the configuration file")
	if required {
		_ = cmd.MarkFlagRequired("config") // the flag is defined just above
	}
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
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
	cfg, err := config.Read(g.config, o)
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return nil, &exitError{code: 1}
	}
	return cfg, nil
}

// print writes data as JSON, or what text writes.
func (g *globals) print(cmd *cobra.Command, data any, text func(w io.Writer)) error {
	if g.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(data)
	}
	text(cmd.OutOrStdout())
	return nil
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

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{Version: version}
			if info, ok := debug.ReadBuildInfo(); ok {
				data.Go = info.GoVersion
			}
			return g.print(cmd, data, func(w io.Writer) { fmt.Fprintf(w, "alert-relay %s (%s)\n", data.Version, data.Go) })
		},
	}
}
