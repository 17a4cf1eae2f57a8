package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
)

// reloadPatience is how long a reload waits for the relay to notice that its token or its certificate was replaced.
const reloadPatience = 10 * time.Second

func newReload(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running relay read its configuration again",
		Long: `Have a running relay read its configuration, secrets, certificates and templates again, and
wait for the result. A faulty configuration changes nothing: every fault is printed, and the exit
code is 1. Keys that count only after a restart are named.` + whichRelay,
		Example: "  alert-relay reload --config /etc/alert-relay/config.yaml",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var done admin.Reloaded
			ask := func() error {
				relay, err := a.find(cmd)
				if err != nil {
					return err
				}
				done, err = client.Ask[admin.Reloaded](cmd.Context(), relay, "/-/reload", struct{}{})
				return failed(err)
			}
			patience := reloadPatience
			if a.address() != "" {
				patience = 0 // its token isn't from a file that the relay watches
			}
			if err := client.Retry(cmd.Context(), patience, ask); err != nil {
				return err
			}
			return a.print(cmd, done, func(w io.Writer) {
				for _, warning := range done.Warnings {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
				}
				if len(done.RestartNeeded) > 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning: these keys keep their old value until the relay is restarted:", strings.Join(done.RestartNeeded, ", "))
				}
				if len(done.Changed) == 0 {
					fmt.Fprintln(w, "reloaded: no key has another value")
					return
				}
				fmt.Fprintln(w, "reloaded:", strings.Join(done.Changed, ", "))
			})
		},
	}
	a.add(cmd)
	return cmd
}
