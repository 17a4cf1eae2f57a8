package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// envAdmin is the environment variable for --admin.
const envAdmin = "ALERT_RELAY_ADMIN"

// adminFlags find a running relay's admin listener.
type adminFlags struct {
	*globals
	url string
}

func (a *adminFlags) add(cmd *cobra.Command) {
	a.configFlag(cmd)
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&a.url, "admin", "", "`URL` of the relay's admin listener (or "+envAdmin+")")
}

func (a *adminFlags) client(cmd *cobra.Command) (admin.Client, error) {
	return a.find(func() (*config.Config, error) { return a.elsewhere(cmd) })
}

// find returns a client of the admin listener, found by its address or by the relay's configuration.
func (a *adminFlags) find(read func() (*config.Config, error)) (admin.Client, error) {
	address := cmp.Or(a.url, os.Getenv(envAdmin))
	if err := webAddress("admin", address); err != nil {
		return admin.Client{}, err
	}
	if address == "" {
		if a.file() == "" {
			return admin.Client{}, errors.New("which relay? Use --admin URL (or " + envAdmin + "), or --config FILE (or " + envConfig + ") on the relay's own host")
		}
		cfg, err := read()
		if err != nil {
			return admin.Client{}, err
		}
		if address, err = admin.URLOf(cfg); err != nil {
			return admin.Client{}, failed(err)
		}
	}
	return admin.Client{URL: address}, nil
}

// whichRelay ends the help of commands that need a running relay.
const whichRelay = `

The relay must be running. It is found by --admin (or ALERT_RELAY_ADMIN), or by --config (or
ALERT_RELAY_CONFIG) on its own host.`

// chosen requires ids, or --all without ids.
func chosen(all *bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case *all && len(args) > 0:
			return fmt.Errorf("--all takes no IDs, got %q", args[0])
		case !*all && len(args) == 0:
			return fmt.Errorf("%s: missing ID or --all ('%s list' lists the ids)", cmd.Name(), cmd.Parent().CommandPath())
		}
		return nil
	}
}

// oneByOne calls do for each id and prints those done. A failed id doesn't stop the others, unless the relay is unreachable.
func (a *adminFlags) oneByOne(cmd *cobra.Command, ids []string, done string, do func(ctx context.Context, c admin.Choice) (admin.Done, error)) error {
	var all admin.Done
	var faults []error
	for _, id := range ids {
		one, err := do(cmd.Context(), admin.Choice{ID: id})
		if err != nil {
			faults = append(faults, err)
			if errors.Is(err, admin.ErrNoRelay) {
				break
			}
		}
		all.Replayed, all.Dropped, all.Retried = append(all.Replayed, one.Replayed...), append(all.Dropped, one.Dropped...), append(all.Retried, one.Retried...)
	}
	err := a.print(cmd, all, func(w io.Writer) {
		for _, id := range all.IDs() {
			fmt.Fprintf(w, "%s %s\n", done, id)
		}
	})
	return failed(errors.Join(append(faults, err)...))
}

// allAtOnce prints the result of an action on all of them.
func (a *adminFlags) allAtOnce(cmd *cobra.Command, done, noun, nothing string, all admin.Done) error {
	return a.print(cmd, all, func(w io.Writer) {
		if n := len(all.IDs()); n == 0 && all.Left == 0 {
			fmt.Fprintln(w, nothing)
		} else {
			fmt.Fprintf(w, "%s %s\n", done, count(n, noun))
		}
		if all.Left > 0 {
			fmt.Fprintf(w, "%d left: run the command again\n", all.Left)
		}
	})
}

// printEntry runs a command that prints the payload of one journal entry.
func (a *adminFlags) printEntry(get func(c admin.Client, ctx context.Context, id string) (admin.Entry, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := a.client(cmd)
		if err != nil {
			return err
		}
		e, err := get(client, cmd.Context(), args[0])
		if err != nil {
			return failed(err)
		}
		return a.print(cmd, e, func(w io.Writer) { _, _ = io.WriteString(w, e.Payload) }) // a buffer
	}
}

// listTime formats the times of lists.
func listTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// table is a list in text form: the first rows of total.
type table struct {
	head    string // column titles, separated by tabs
	rows    [][]string
	total   int
	nothing string // printed if there are none
}

func (t table) write(w io.Writer) {
	if t.total == 0 {
		fmt.Fprintln(w, t.nothing)
		return
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, t.head)
	for _, row := range t.rows {
		for i := range row {
			row[i] = text.Line(row[i])
		}
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // w is a buffer
	if more := t.total - len(t.rows); more > 0 {
		fmt.Fprintf(w, "and %d more (--limit 0 lists all)\n", more)
	}
}

// listing describes a list command.
type listing struct {
	short, example string
	// ask returns the list as data and as a table.
	ask func(ctx context.Context, client admin.Client, limit int) (any, table, error)
}

func newList(g *globals, l listing) *cobra.Command {
	a := adminFlags{globals: g}
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   l.short,
		Example: l.example,
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return errors.New("--limit must not be negative")
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			list, t, err := l.ask(cmd.Context(), client, limit)
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, list, t.write)
		},
	}
	a.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 200, "list at most `N`; 0 for all")
	return cmd
}
