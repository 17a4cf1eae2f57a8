package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/relay"
)

func newCheck(g *globals) *cobra.Command {
	var secrets bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration and print every problem at once",
		Long: `Check a configuration file. Prints every problem at once, one per line
(FILE:LINE: key: message (hint)), and exits with 1 if there are any. Custom templates are
tried on sample problems.

Files the configuration refers to (secrets, certificates) may be absent on this machine, in
CI for example; that is only a warning unless --secrets is given. 'serve' needs them.`,
		Example: "  alert-relay check config.yaml\n  alert-relay check --secrets /etc/alert-relay/config.yaml",
		Args:    want("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			result := struct {
				OK      bool            `json:"ok"`
				Faults  config.Faults   `json:"faults"`
				Summary *config.Summary `json:"summary,omitempty"`
			}{Faults: config.Faults{}}
			cfg, err := config.Read(args[0], config.Options{Env: os.Getenv, Elsewhere: !secrets})
			if err == nil {
				err = relay.CheckTemplates(cfg)
			}
			var faults config.Faults
			switch {
			case errors.As(err, &faults):
				result.Faults = faults
			case err != nil:
				result.Faults = templateFaults(args[0], err)
			default:
				summary := cfg.Summary()
				result.OK, result.Summary = true, &summary
			}
			err = g.print(cmd, result, func(w io.Writer) {
				for _, f := range result.Faults {
					fmt.Fprintln(cmd.ErrOrStderr(), f)
				}
				if s := result.Summary; s != nil {
					for _, f := range s.Warnings {
						fmt.Fprintln(cmd.ErrOrStderr(), "warning:", f)
					}
					fmt.Fprintf(w, "%s: ok: %s, %s, %s, %s, default rooms: %s\n", args[0], count(len(s.Sources), "source"), count(len(s.Bots), "bot"),
						count(len(s.Rooms), "room"), count(s.Routes, "route"), strings.Join(s.DefaultRooms, ", "))
					for _, t := range s.Timing {
						fmt.Fprintln(w, "  "+t)
					}
				}
			})
			if err == nil && !result.OK {
				return &exitError{}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "secrets and other files must be there, as for serve")
	g.outputFlag(cmd)
	return cmd
}

// templateFaults is each template's fault on a line of its own.
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

// count is a number with its noun: "1 bot", "2 bots".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
