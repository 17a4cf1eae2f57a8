// Command alert-relay carries alerts from Zabbix to Webex and what people do
// about them back. Each file is one subcommand: flags to options, and no more.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main with an exit code: 0 done, 1 failed or faults found, 2 a wrong
// command line.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if asExit(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(root.ErrOrStderr(), "alert-relay:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(root.ErrOrStderr(), "alert-relay:", err)
	fmt.Fprintln(root.ErrOrStderr(), "Try 'alert-relay --help'.")
	return 2
}
