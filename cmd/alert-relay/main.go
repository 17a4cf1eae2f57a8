// Command alert-relay carries alerts from Zabbix to Webex and what people do
// about them back. Each file is one subcommand: flags to options, and no more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit codes.
const (
	exitFailed = 1 // it didn't succeed, or faults were found
	exitUsage  = 2 // a wrong command line
)

// run is main: it gives the exit code.
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
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "alert-relay:", exit.err)
		}
		return exitFailed
	}
	fmt.Fprintf(stderr, "alert-relay: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
	return exitUsage
}

// exitError says that the command line was right and the work didn't succeed;
// err, if there is one, is printed.
type exitError struct{ err error }

func (e *exitError) Error() string {
	if e.err == nil {
		return "faults were found"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failed is what a command returns when the command line was right and the
// work didn't succeed.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{err}
}
