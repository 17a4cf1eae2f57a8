package main

import "github.com/spf13/cobra"

func newPayload(g *globals) *cobra.Command {
	return newShow(g, &cobra.Command{
		Use:   "payload ENTRY",
		Short: "Print the payload of an event as Zabbix sent it",
		Long: `Print the payload of an event as Zabbix sent it, for 'preview', 'route' and bug reports.
ENTRY is the id of its journal entry, from the relay's log: msg=event … entry=12. Events are kept
for retention.journal, 7 days by default.` + whichRelay,
		Example: `  alert-relay payload 12 --config config.yaml > problem.json
  alert-relay preview problem.json --config config.yaml`,
	}, "/v1/journal/", nil)
}
