package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
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
	list := newList(g, &cobra.Command{
		Short:   "List events that are set aside, newest first",
		Example: `  alert-relay setaside list --config config.yaml`,
	}, entriesAside)
	show := newShow(g, &cobra.Command{
		Use:   "show ID",
		Short: "Print the payload of an event as it was received",
		Example: `  alert-relay setaside show 7 --config config.yaml > payload.json
  alert-relay preview payload.json --config config.yaml`,
	}, "/v1/setaside/", entriesAside)
	retry := newAction(g, &cobra.Command{
		Use:   "retry ID...|--all",
		Short: "Apply events that were set aside again",
		Example: `  alert-relay setaside retry 7 8 --config config.yaml
  alert-relay setaside retry --all --config config.yaml    # after an upgrade that can read them`,
	}, action{path: "/v1/setaside/retry", done: "retried", noun: "event", nothing: func(string) string { return nothingAside }, ids: entriesAside})
	cmd.AddCommand(list, show, retry)
	return cmd
}

const nothingAside = "no events are set aside"

// entriesAside lists events that are set aside.
func entriesAside(ctx context.Context, relay client.Relay, limit int) (any, table, error) {
	list, err := client.Ask[admin.EntryList](ctx, relay, "/v1/setaside?limit="+strconv.Itoa(limit), nil)
	t := table{head: "ID\tRECEIVED\tSOURCE\tKIND\tBYTES\tREASON", about: 5, total: list.Total, nothing: nothingAside}
	for _, e := range list.Entries {
		t.rows = append(t.rows, []string{e.ID, listTime(e.ReceivedAt), e.Source, e.Kind, strconv.Itoa(e.Bytes), e.Reason})
	}
	return list, t, err
}
