package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
)

func newRooms(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rooms",
		Short: "List the rooms that the bots are in, with their ids, and the configured ones",
		Long: `List every Webex room that the configured bots are in, with its id to put into the
configuration, and configured rooms that their bot isn't in (exit code 1).`,
		Example: "  alert-relay rooms --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := g.load(cmd)
			if err != nil {
				return err
			}
			rooms, err := relay.Rooms(cmd.Context(), cfg)
			if err != nil {
				return failed(err)
			}
			missing := 0
			err = g.print(cmd, rooms, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tBOT\tSTATE\tTYPE\tTITLE\tID")
				for _, r := range rooms {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", or(r.Name, "-"), r.Bot, r.State, or(r.Type, "-"), or(r.Title, "-"), r.ID)
				}
				_ = t.Flush() // standard output: nobody to tell
			})
			for _, r := range rooms {
				if r.State == relay.RoomMissing {
					missing++
				}
			}
			if err == nil && missing > 0 {
				return failed(fmt.Errorf("%d configured rooms that their bot isn't in: add the bot to the space, or mend the id", missing))
			}
			return err
		},
	}
	g.configFlag(cmd, true)
	return cmd
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
