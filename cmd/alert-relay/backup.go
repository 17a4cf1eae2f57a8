package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/store/sqlite"
)

func newBackup(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store into a new file, while the relay runs",
		Long: `Copy the store that the configuration names into a new file. The relay may run, and goes on
accepting and sending. The copy is one consistent snapshot; it gets its name once it is complete, on
disk and checked. An existing file isn't overwritten.

The copy contains alert texts, people's comments and the secret of the relay's webhooks: protect it
like the store. Tokens and signing secrets aren't in it. To use it, see 'alert-relay restore'.`,
		Example: `  alert-relay backup /var/backups/relay-2026-11-24.db --config /etc/alert-relay/config.yaml`,
		Args:    want("FILE"), ValidArgsFunction: first(files),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.elsewhere(cmd)
			if err != nil {
				return err
			}
			c, err := sqlite.Backup(cmd.Context(), cfg.Store.Path, args[0])
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, copied{cfg.Store.Path, args[0], c}, func(w io.Writer) {
				fmt.Fprintf(w, "copied %s to %s: %s\n", cfg.Store.Path, args[0], described(c))
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	return cmd
}

func newRestore(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a copy of the store in place",
		Long: `Check a copy that 'alert-relay backup' made, and put it where the configuration expects the
store. The relay must be stopped, and there must be no store: move relay.db, relay.db-wal and
relay.db-shm away first. As root, the new store belongs to the owner of its directory.

The relay continues from the copy: what was pending then is posted again, and what happened later is
unknown to it.`,
		Example: `  systemctl stop alert-relay
  mkdir /var/lib/alert-relay/before && mv /var/lib/alert-relay/relay.db* /var/lib/alert-relay/before/
  alert-relay restore /var/backups/relay-2026-11-24.db --config /etc/alert-relay/config.yaml
  systemctl start alert-relay`,
		Args: want("FILE"), ValidArgsFunction: first(files),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.elsewhere(cmd)
			if err != nil {
				return err
			}
			c, err := sqlite.Restore(cmd.Context(), args[0], cfg.Store.Path)
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, copied{args[0], cfg.Store.Path, c}, func(w io.Writer) {
				fmt.Fprintf(w, "restored %s from %s: %s\n", cfg.Store.Path, args[0], described(c))
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	return cmd
}

// copied is the output of both commands.
type copied struct {
	From string `json:"from"`
	To   string `json:"to"`
	sqlite.Copy
}

func described(c sqlite.Copy) string {
	return fmt.Sprintf("%d bytes, schema version %d, %d events (%d pending), %d problems", c.Bytes, c.Schema, c.Entries, c.Pending, c.Problems)
}

// files completes file names.
func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
