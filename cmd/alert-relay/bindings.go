package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
)

func newBindings(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bindings",
		Short: "List or remove subscriptions of people and bound spaces",
		Long: `List or remove the routes that people made in chats: subscriptions ('subscribe' in a direct chat)
and spaces that aren't configured ('bind' in the space). They only add to what the configuration
says, within the rights of the person who made them.` + whichRelay,
		Example: `  alert-relay bindings list --config config.yaml
  alert-relay bindings remove 7 --config config.yaml`,
	}
	list := newList(g, &cobra.Command{
		Short: "List subscriptions and bound spaces",
		Long: `List subscriptions and bound spaces. One that rests adds nothing now, for the reason that is given:
the person has lost the role or left the allowed domains, or the configuration names the room.` + whichRelay,
		Example: `  alert-relay bindings list --config config.yaml
  alert-relay bindings list --limit 0 --output json --admin http://127.0.0.1:9090`,
	}, bindings)
	remove := newAction(g, &cobra.Command{
		Use:   "remove ID...",
		Short: "End subscriptions and bindings of spaces",
		Long: `End subscriptions and bindings of spaces. Nobody is told; the audit log has it. Messages that they
posted are kept up to date until their problems are resolved.` + whichRelay,
		Example: `  alert-relay bindings remove 7 8 --config config.yaml`,
	}, action{path: "/v1/bindings/remove", done: "removed", ids: bindings})
	cmd.AddCommand(list, remove)
	return cmd
}

// bindings lists subscriptions and bound spaces.
func bindings(ctx context.Context, relay client.Relay, limit int) (any, table, error) {
	list, err := client.Ask[admin.BindingList](ctx, relay, "/v1/bindings?limit="+strconv.Itoa(limit), nil)
	t := table{head: "ID\tKIND\tROOM\tMATCHES\tBY\tSINCE\tUNTIL\tRESTS", about: 3, total: list.Total, nothing: "no subscriptions and no bound spaces"}
	for _, b := range list.Bindings {
		t.rows = append(t.rows, []string{b.ID, b.Kind, b.Room, b.Matches, b.By, listTime(b.CreatedAt), orDash(b.Until), cmp.Or(b.Rests, "-")})
	}
	return list, t, err
}
