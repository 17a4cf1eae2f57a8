package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/vault"
)

func newRekey(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var choice admin.Rekey
	cmd := &cobra.Command{
		Use:   "rekey",
		Short: "Encrypt people's tokens with the first key of the configuration",
		Long: `Encrypt everything that is stored encrypted, people's Zabbix API tokens, with the first key of
encryption.keys_file. To change the key: put the new one first in that list, run this, and then
remove the old one. The exit code is 1 if there is something that no key decrypts; with
--forget-unreadable it is removed, and the relay's user acts for its people.` + whichRelay,
		Example: `  alert-relay rekey --config config.yaml
  alert-relay rekey --forget-unreadable --config config.yaml    # the key is lost`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			relay, err := a.relay(cmd)
			if err != nil {
				return err
			}
			done, err := client.Ask[vault.Rekeyed](cmd.Context(), relay, "/v1/rekey", choice)
			if err != nil {
				return failed(err)
			}
			if err := a.print(cmd, done, func(w io.Writer) {
				fmt.Fprintf(w, "key %s: %d encrypted anew, %d had it already, %d forgotten\n", done.Key, done.Resealed, done.Unchanged, done.Forgotten)
			}); err != nil {
				return err
			}
			if left := done.Unreadable - done.Forgotten; left > 0 {
				return failed(fmt.Errorf("%s can't be decrypted: put the key back that it was encrypted with, or use --forget-unreadable", count(left, "token")))
			}
			return nil
		},
	}
	a.add(cmd)
	cmd.Flags().BoolVar(&choice.ForgetUnreadable, "forget-unreadable", false, "remove what no key decrypts")
	return cmd
}
