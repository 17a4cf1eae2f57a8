package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"nms-alert-relay/internal/store/sqlite"
)

func newBackup(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store into a new file, while the relay runs",
		Long: `Copy the store that the configuration names into a new file, or to standard output if FILE is "-".
The relay may run, and goes on accepting and sending; of the configuration, store.path alone counts.
The copy is one consistent snapshot; it gets its name once it is complete, on disk and checked. An
existing file isn't overwritten. With "-" it is complete only if the exit code is 0.

The copy contains alert texts, people's comments and the secret of the relay's webhooks: protect it
like the store. Tokens and signing secrets aren't in it. To use it, see 'alert-relay restore'.`,
		Example: `  alert-relay backup /var/backups/relay-2026-11-24.db --config /etc/alert-relay/config.yaml
  podman exec alert-relay /alert-relay backup - > relay-2026-11-24.db`,
		Args: want("FILE"), ValidArgsFunction: first(files),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := g.store(cmd)
			if err != nil {
				return err
			}
			if args[0] == stream {
				if isTerminal(cmd.OutOrStdout()) {
					return failed(errors.New("backup: standard output is a terminal, which would change the copy (use > FILE, and no -t with kubectl or podman exec)"))
				}
				c, err := sqlite.Export(cmd.Context(), store, cmd.OutOrStdout())
				if err != nil {
					return failed(err)
				}
				cmd.SetOut(cmd.ErrOrStderr()) // the copy has standard output
				return g.print(cmd, copied{store, stream, c}, func(w io.Writer) {
					fmt.Fprintf(w, "copied %s to standard output: %s\n", store, described(c))
				})
			}
			c, err := sqlite.Backup(cmd.Context(), store, args[0])
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, copied{store, args[0], c}, func(w io.Writer) {
				fmt.Fprintf(w, "copied %s to %s: %s\n", store, args[0], described(c))
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	return cmd
}

func newRestore(g *globals) *cobra.Command {
	var moveAway bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a copy of the store in place",
		Long: `Check a copy that 'alert-relay backup' made, and put it where the configuration expects the
store; of the configuration, store.path alone counts. If FILE is "-", the copy is read from standard
input. The relay must be stopped, and there must be no store: move relay.db, relay.db-wal and
relay.db-shm away first, or use --move-away. As root, the new store belongs to the owner of its
directory.

The relay continues from the copy: what was pending then is posted again, and what happened later is
unknown to it.`,
		Example: `  systemctl stop alert-relay
  alert-relay restore --move-away /var/backups/relay-2026-11-24.db --config /etc/alert-relay/config.yaml
  systemctl start alert-relay`,
		Args: want("FILE"), ValidArgsFunction: first(files),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := g.store(cmd)
			if err != nil {
				return err
			}
			before := ""
			if moveAway {
				before = filepath.Join(filepath.Dir(store), "before-"+time.Now().UTC().Format("20060102T150405Z"))
			}
			from := args[0]
			var c sqlite.Copy
			if from == stream {
				from = "standard input"
				c, err = sqlite.Import(cmd.Context(), cmd.InOrStdin(), from, store, before)
			} else {
				c, err = sqlite.Restore(cmd.Context(), from, store, before)
			}
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, copied{args[0], store, c}, func(w io.Writer) {
				fmt.Fprintf(w, "restored %s from %s: %s\n", store, from, described(c))
				if c.Before != "" {
					fmt.Fprintf(w, "the store that was there is in %s\n", c.Before)
				}
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().BoolVar(&moveAway, "move-away", false, "move a store that is there into a new directory beside it, before-TIME")
	return cmd
}

// stream is the FILE that stands for standard input or output.
const stream = "-"

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// store returns the path of the configuration's store, whatever else is wrong with the configuration.
func (g *globals) store(cmd *cobra.Command) (string, error) {
	c, err := g.local(cmd)
	if err != nil {
		return "", err
	}
	path, err := c.StorePath()
	return path, failed(err)
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
