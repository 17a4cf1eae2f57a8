// Command alert-relay carries alerts from Zabbix to Webex, and the actions of people back to Zabbix. Each file is one subcommand and
// only maps flags to options.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"nms-alert-relay/internal/config"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitFailed = 1 // the command failed, or faults were found
	exitUsage  = 2 // usage error

	exitUnreachable = 3 // of send: the relay couldn't be reached in time
)

// run is main without os.Exit; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(config.Faults)):
		fmt.Fprintln(stderr, err) // one per line, each with its file
		return exitFailed
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "alert-relay:", exit.err)
		}
		return cmp.Or(exit.code, exitFailed)
	}
	fmt.Fprintf(stderr, "alert-relay: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
	return exitUsage
}

// exitError is a failure that isn't a usage error; err, if there is one, is printed.
type exitError struct {
	err  error
	code int // exitFailed if 0
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "faults were found"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failed marks an error as one that isn't a usage error.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{err: err}
}
