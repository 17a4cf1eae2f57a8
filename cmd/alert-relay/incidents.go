package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
)

func newIncidents(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incidents",
		Short: "List incidents, or print the review of one",
		Long:  `List the incidents for which people opened a room, or print the review of one.` + whichRelay,
		Example: `  alert-relay incidents list --config config.yaml
  alert-relay incidents review INC-7 --config config.yaml`,
	}
	list := newList(g, &cobra.Command{
		Short: "List incidents, the newest first",
		Long:  `List incidents, the newest first.` + whichRelay,
		Example: `  alert-relay incidents list --config config.yaml
  alert-relay incidents list --limit 0 --output json --admin http://127.0.0.1:9090`,
	}, incidents)
	cmd.AddCommand(list, newIncidentReview(g))
	return cmd
}

// incidents lists incidents.
func incidents(ctx context.Context, relay client.Relay, limit int) (any, table, error) {
	list, err := client.Ask[admin.IncidentList](ctx, relay, "/v1/incidents?limit="+strconv.Itoa(limit), nil)
	t := table{head: "NUMBER\tSTATE\tOPENED\tBY\tROOM\tPROBLEMS\tTITLE", about: 6, total: list.Total, nothing: "no incidents"}
	for _, i := range list.Incidents {
		t.rows = append(t.rows, []string{i.Number, string(i.State), listTime(i.OpenedAt), i.By, openedIn(i.Room), strings.Join(i.Problems, " "), i.Title})
	}
	return list, t, err
}

// openedIn is the name of the room where an incident was opened; a space that is only bound has none.
func openedIn(room string) string {
	if strings.HasPrefix(room, config.SpaceRoom) {
		return "a bound space"
	}
	return room
}

func newIncidentReview(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "review INC-NUMBER",
		Short: "Print the review of an incident, in Markdown",
		Long: `Print the review of an incident as it is now, in Markdown: its timeline, who did what, and how long it
took. With --output json the timeline is data, too.` + whichRelay,
		Example: `  alert-relay incidents review INC-7 --config config.yaml > inc-7.md`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			relay, err := a.relay(cmd)
			if err != nil {
				return err
			}
			review, err := client.Ask[admin.IncidentReview](cmd.Context(), relay, "/v1/incidents/"+url.PathEscape(args[0])+"/review", nil)
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, review, func(w io.Writer) { fmt.Fprint(w, review.Review) })
		},
	}
	a.add(cmd)
	return cmd
}
