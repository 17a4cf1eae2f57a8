package main

import (
	"cmp"
	"context"
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
)

func newTokens(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "List or remove people's own Zabbix API tokens",
		Long: `List or remove the Zabbix API tokens that people entrusted to the relay (the command 'token' in a
direct chat). The tokens themselves are never shown. Those of people who have no role any more, or
are gone from Webex, are removed after a week without this.` + whichRelay,
		Example: `  alert-relay tokens list --config config.yaml
  alert-relay tokens remove alice@example.com --config config.yaml`,
	}
	list := newList(g, &cobra.Command{
		Short: "List whose tokens are stored, of which Zabbix user",
		Long: `List whose tokens are stored, for which source and of which Zabbix user. LEFT is since when the
person has no role any more, or is gone from Webex.` + whichRelay,
		Example: `  alert-relay tokens list --config config.yaml
  alert-relay tokens list --limit 0 --output json --admin http://127.0.0.1:9090`,
	}, tokens)
	cmd.AddCommand(list, newTokensRemove(g))
	return cmd
}

func newTokensRemove(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "remove PERSON...",
		Short: "Remove all tokens of people, by their addresses",
		Long: `Remove all tokens of people, by the addresses that 'alert-relay tokens list' shows. What they do in
Zabbix from a room is done by the relay's user then. They aren't told. The audit log has it. A
removed token stays valid in Zabbix until it is deleted there.` + whichRelay,
		Example: `  alert-relay tokens remove alice@example.com --config config.yaml`,
		Args:    want("PERSON..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			relay, err := a.relay(cmd)
			if err != nil {
				return err
			}
			all := []admin.TokensRemoved{}
			var faults []error
			for _, person := range args {
				done, err := client.Ask[admin.TokensRemoved](cmd.Context(), relay, "/v1/tokens/remove", admin.TokenOwner{Person: person})
				if err != nil {
					faults = append(faults, err)
				} else {
					all = append(all, done)
				}
				if errors.Is(err, client.ErrNoRelay) {
					break // it would be for everybody
				}
			}
			if len(all) == 0 {
				return failed(errors.Join(faults...))
			}
			err = a.print(cmd, all, func(w io.Writer) {
				for _, done := range all {
					fmt.Fprintf(w, "removed %s: %s\n", done.Person, strings.Join(done.Sources, ", "))
				}
			})
			return failed(errors.Join(append(faults, err)...))
		},
	}
	cmd.ValidArgsFunction = a.complete(tokens)
	a.add(cmd)
	return cmd
}

// tokens lists people's tokens.
func tokens(ctx context.Context, relay client.Relay, limit int) (any, table, error) {
	list, err := client.Ask[admin.TokenList](ctx, relay, "/v1/tokens?"+url.Values{"limit": {strconv.Itoa(limit)}}.Encode(), nil)
	t := table{head: "PERSON\tSOURCE\tZABBIX USER\tSTATE\tSINCE\tEXPIRES\tLEFT", about: 2, total: list.Total, nothing: "no tokens"}
	for _, one := range list.Tokens {
		state := "in use"
		if !one.Confirmed {
			state = "to confirm"
		}
		t.rows = append(t.rows, []string{one.Person, one.Source, cmp.Or(one.User, "-"), state, listTime(one.CreatedAt), orDash(one.ExpiresAt), orDash(one.LeftAt)})
	}
	return list, t, err
}

func orDash(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return listTime(at)
}
