package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/reconcile"
)

func newReconcile(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var choice admin.Sweep
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Have a running relay compare Zabbix's open problems with its own",
		Long: `Have a running relay compare the problems that Zabbix has open with those that it knows, now rather
than at the next reconcile.interval. What differs is read from Zabbix and posted like any other
change, seconds later. The exit code is 1 if a Zabbix couldn't be asked.

Problems that are gone from Zabbix (their trigger was deleted) are closed automatically after two
answers without them, a minute apart. If too many are gone at once they stay open: --accept-gone
closes them with this comparison. They also stay open if Zabbix may only not show them, since it
shows no event, none from before they opened, or no other problem that the relay knows. If its
database was replaced, --accept-gone --replaced closes these, too. With the --source of a source
that isn't configured any more, --accept-gone closes all of its problems.` + whichRelay,
		Example: "  alert-relay reconcile\n  alert-relay reconcile --source main --output json",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if choice.Replaced && !choice.AcceptGone {
				return errors.New("--replaced requires --accept-gone")
			}
			relay, err := a.relay(cmd)
			if err != nil {
				return err
			}
			swept, err := client.Ask[admin.Swept](cmd.Context(), relay, "/v1/reconcile", choice)
			if err != nil {
				return failed(err)
			}
			err = a.print(cmd, swept, func(w io.Writer) {
				for _, r := range swept.Sources {
					fmt.Fprintln(w, describe(r))
				}
			})
			faults := []error{err}
			for _, r := range swept.Sources {
				switch {
				case r.Error != "":
					faults = append(faults, fmt.Errorf("%s: %s", r.Source, r.Error))
				case choice.AcceptGone && r.GoneHeld > 0:
					faults = append(faults, fmt.Errorf("%s: %d problems stay open: %s; check the permissions of the relay's user; if Zabbix's database was replaced, add --replaced", r.Source, r.GoneHeld, r.Reason))
				}
			}
			return failed(errors.Join(faults...))
		},
	}
	a.add(cmd)
	cmd.Flags().StringVar(&choice.Source, "source", "", "only this `SOURCE` (default all with an API token)")
	complete(cmd, "source", g.sources)
	cmd.Flags().BoolVar(&choice.AcceptGone, "accept-gone", false, "close all problems that are gone from Zabbix, however many")
	cmd.Flags().BoolVar(&choice.Replaced, "replaced", false, "with --accept-gone: also if Zabbix may only not show them, since its database was replaced")
	return cmd
}

// describe is a report in one line.
func describe(r reconcile.Report) string {
	if r.Error != "" {
		return fmt.Sprintf("%s: not compared", r.Source)
	}
	if r.Removed {
		return fmt.Sprintf("%s: not configured; closing %d open problems as gone", r.Source, r.Closing)
	}
	text := fmt.Sprintf("%s: Zabbix has %d open, of which the relay knows %d", r.Source, r.Open, r.Known)
	if r.Unknown+r.Missing+r.Changed == 0 {
		return text + "; nothing differs"
	}
	text += fmt.Sprintf("; reading %d unknown, %d no longer open, %d changed", r.Unknown, r.Missing, r.Changed)
	if r.Closing > 0 {
		text += fmt.Sprintf("; closing %d as gone", r.Closing)
	}
	if r.GoneHeld > 0 {
		text += fmt.Sprintf("; %d gone from Zabbix stay open: %s (see --help)", r.GoneHeld, r.Reason)
	}
	return text
}
