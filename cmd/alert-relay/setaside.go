package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
)

func newSetAside(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setaside",
		Short: "List, show or retry events that couldn't be applied",
		Long: `An event that was accepted but can't be applied is set aside with the reason, and delays nothing
else. Retry it once the cause is fixed, usually by an upgrade; an event that still can't be
applied is set aside again.` + whichRelay,
		Example: `  alert-relay setaside list --config config.yaml
  alert-relay setaside show 7 --config config.yaml > payload.json
  alert-relay setaside retry 7 --config config.yaml`,
	}
	cmd.AddCommand(newSetAsideList(g), newSetAsideShow(g), newSetAsideRetry(g))
	return cmd
}

const nothingAside = "no events are set aside"

func newSetAsideList(g *globals) *cobra.Command {
	return newList(g, listing{
		short:   "List events that are set aside, newest first",
		example: `  alert-relay setaside list --config config.yaml`,
		ask: func(ctx context.Context, client admin.Client, limit int) (any, table, error) {
			list, err := client.SetAside(ctx, limit)
			t := table{head: "ID\tRECEIVED\tSOURCE\tKIND\tBYTES\tREASON", total: list.Total, nothing: nothingAside}
			for _, e := range list.Entries {
				t.rows = append(t.rows, []string{e.ID, listTime(e.ReceivedAt), e.Source, e.Kind, strconv.Itoa(e.Bytes), e.Reason})
			}
			return list, t, err
		},
	})
}

func newSetAsideShow(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print the payload of an event as it was received",
		Example: `  alert-relay setaside show 7 --config config.yaml > payload.json
  alert-relay preview payload.json --config config.yaml`,
		Args: want("ID"), ValidArgsFunction: first(a.ids(setAsideIDs)),
		RunE: a.printEntry(admin.Client.SetAsideEntry),
	}
	a.add(cmd)
	return cmd
}

func newSetAsideRetry(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var all bool
	cmd := &cobra.Command{
		Use:   "retry ID...|--all",
		Short: "Apply events that were set aside again",
		Example: `  alert-relay setaside retry 7 8 --config config.yaml
  alert-relay setaside retry --all --config config.yaml    # after an upgrade that can read them`,
		Args: chosen(&all), ValidArgsFunction: a.ids(setAsideIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			if !all {
				return a.oneByOne(cmd, args, "retried", client.Retry)
			}
			done, err := client.Retry(cmd.Context(), admin.Choice{All: true})
			if err != nil {
				return failed(err)
			}
			return a.allAtOnce(cmd, "retried", "event", nothingAside, done)
		},
	}
	a.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "retry all events that are set aside")
	return cmd
}
