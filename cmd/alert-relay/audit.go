package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
)

func newAudit(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var since, person, problem string
	var limit int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who did what from the rooms, and with which result",
		Long: `List the commands that people gave in rooms and direct chats, newest first: who, where, when, what,
on which problems, and the result. They are kept for retention.audit.` + whichRelay,
		Example: `  alert-relay audit --config config.yaml
  alert-relay audit --since 2d --person alice --config config.yaml
  alert-relay audit --problem main/4711 --limit 0 --output json --config config.yaml`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return errors.New("--limit must not be negative")
			}
			q := url.Values{"limit": {strconv.Itoa(limit)}, "person": {person}, "problem": {problem}}
			if since != "" {
				from, err := sinceTime(since, time.Now())
				if err != nil {
					return err
				}
				q.Set("since", from.UTC().Format(time.RFC3339))
			}
			relay, err := a.relay(cmd)
			if err != nil {
				return err
			}
			found, err := client.Ask[admin.Audit](cmd.Context(), relay, "/v1/audit?"+q.Encode(), nil)
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, found, func(w io.Writer) { auditTable(found).write(w); moreAudit(w, found) })
		},
	}
	a.add(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only from this `TIME` on: 2d, 90m, 2026-11-24, or 2026-11-24T13:00:00Z")
	cmd.Flags().StringVar(&person, "person", "", "only by people with this `PART` of an address or name")
	cmd.Flags().StringVar(&problem, "problem", "", "only about this `PROBLEM`: main/4711, or an event id")
	cmd.Flags().IntVar(&limit, "limit", 200, "list at most `N`; 0 for all")
	return cmd
}

// sinceTime reads a time, or how long ago it was. A date begins in UTC.
func sinceTime(given string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, given); err == nil {
			return t, nil
		}
	}
	ago, err := config.ParseDuration(given)
	if err != nil || ago <= 0 {
		return time.Time{}, fmt.Errorf("--since: expected how long ago or a time, got %q (2d, 90m, 2026-11-24, 2026-11-24T13:00:00Z)", given)
	}
	return now.Add(-time.Duration(ago)), nil
}

func auditTable(found admin.Audit) table {
	t := table{head: "AT\tPERSON\tWHERE\tACTION\tPROBLEMS\tSTATE\tTEXT\tOUTCOME", total: len(found.Commands), nothing: "no commands"}
	for _, c := range found.Commands {
		where := "-"
		if c.Direct() {
			where = "direct"
		}
		t.rows = append(t.rows, []string{
			listTime(c.At), cmp.Or(c.Person, c.Name), cmp.Or(c.Room, where), c.Action, cmp.Or(strings.Join(c.Problems, ","), "-"), c.State, c.Text, cmp.Or(c.Outcome, "-"),
		})
	}
	return t
}

func moreAudit(w io.Writer, found admin.Audit) {
	if found.More {
		fmt.Fprintln(w, "there are older ones (--limit 0 lists all)")
	}
}
