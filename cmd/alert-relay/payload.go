package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newPayload(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "payload ENTRY",
		Short: "Print the payload of an event as Zabbix sent it",
		Long: `Print the payload of an event as Zabbix sent it, for 'preview', 'route' and bug reports.
ENTRY is the id of its journal entry, from the relay's log: msg=event … entry=12. Events are kept
for retention.journal, 7 days by default.` + whichRelay,
		Example: `  alert-relay payload 12 --config config.yaml > problem.json
  alert-relay preview problem.json --config config.yaml`,
		Args: want("ENTRY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			e, err := client.JournalEntry(cmd.Context(), args[0])
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, e, func(w io.Writer) { _, _ = io.WriteString(w, e.Payload) }) // a buffer
		},
	}
	a.add(cmd)
	return cmd
}
