package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/tryout"
)

func newCheck(g *globals) *cobra.Command {
	var strict, secrets bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration and print every fault at once",
		Long: `Check a configuration file, or standard input if FILE is "-". Prints every fault at once,
one per line (FILE:LINE: key: message (hint)), and exits with 1 if there are any. Custom
templates are tried on sample problems.

Files that the configuration refers to (secrets, certificates) may be absent on this machine, in
CI for example; that is only a warning. With --strict every warning is a fault, and such files
must be there, as for 'serve'.`,
		Example: `  alert-relay check config.yaml
  alert-relay check --strict /etc/alert-relay/config.yaml
  helm template . | alert-relay check -`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && g.config != "":
				return fmt.Errorf("check takes one file, got %q and --config %q", args[0], g.config)
			case len(args) == 0 && g.file() == "" || len(args) > 0 && args[0] == "": // usually an empty variable in a script
				return errors.New("check: missing FILE (or set " + envConfig + ")")
			case len(args) == 0:
				return nil
			}
			return want("FILE")(cmd, args)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := g.file()
			if len(args) > 0 {
				file = args[0]
			}
			result := check(readConfig(cmd, file, config.Options{Env: os.Getenv, Elsewhere: !strict && !secrets, Strict: strict}))
			err := g.print(cmd, result, func(w io.Writer) { result.print(w, cmd.ErrOrStderr()) })
			if err == nil && !result.OK {
				return &exitError{}
			}
			return err
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "treat warnings as faults; secrets and other files must be there")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "secrets and other files must be there")
	_ = cmd.Flags().MarkHidden("secrets") // the old name of half of --strict, for scripts that use it
	return cmd
}

// checked is the result of a check.
type checked struct {
	OK      bool            `json:"ok"`
	Faults  config.Faults   `json:"faults"`
	Summary *config.Summary `json:"summary,omitempty"`
	file    string
}

// check checks a configuration that was read, or couldn't be.
func check(cfg *config.Config, err error) checked {
	if err == nil {
		err = tryout.CheckTemplates(cfg)
	}
	var faults config.Faults
	switch {
	case errors.As(err, &faults):
		return checked{Faults: faults}
	case err != nil:
		return checked{Faults: templateFaults(cfg.File, err)}
	}
	summary := cfg.Summary()
	return checked{OK: true, Faults: config.Faults{}, Summary: &summary, file: cfg.File}
}

// print prints a summary, and faults or warnings to stderr.
func (c checked) print(w, stderr io.Writer) {
	for _, f := range c.Faults {
		fmt.Fprintln(stderr, f)
	}
	s := c.Summary
	if s == nil {
		return
	}
	for _, f := range s.Warnings {
		fmt.Fprintln(stderr, "warning:", f)
	}
	fmt.Fprintf(w, "%s: ok: %s, %s, %s, %s, default rooms: %s\n", c.file, count(len(s.Sources), "source"), count(len(s.Bots), "bot"),
		count(len(s.Rooms), "room"), count(s.Routes, "route"), strings.Join(s.DefaultRooms, ", "))
	for _, t := range s.Timing {
		fmt.Fprintln(w, "  "+t)
	}
}

// stdinName is the file name in faults of a configuration from standard input.
const stdinName = "<stdin>"

// readConfig reads a configuration file, or standard input for "-".
func readConfig(cmd *cobra.Command, file string, o config.Options) (*config.Config, error) {
	if file != "-" {
		return config.Read(file, o)
	}
	data, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return nil, config.Faults{{File: stdinName, What: "cannot read standard input: " + err.Error()}}
	}
	return config.Parse(stdinName, data, o)
}

// templateFaults makes a fault of each template error.
func templateFaults(file string, err error) config.Faults {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return config.Faults{{File: file, Key: "templates", What: err.Error()}}
	}
	var all config.Faults
	for _, one := range joined.Unwrap() {
		all = append(all, templateFaults(file, one)...)
	}
	return all
}

// count returns a number with its noun: "1 bot", "2 bots".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
