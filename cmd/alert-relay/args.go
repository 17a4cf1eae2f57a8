package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nms-alert-relay/internal/text"
)

// want requires one argument for each name; a name that ends in "..." stands for one or more.
func want(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch last := len(names) - 1; {
		case len(names) == 0 && len(args) > 0:
			return fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), args[0])
		case len(args) < len(names):
			return fmt.Errorf("%s: missing %s", cmd.Name(), strings.TrimSuffix(strings.Join(names[len(args):], " "), "..."))
		case len(args) > len(names) && !strings.HasSuffix(names[last], "..."):
			return fmt.Errorf("%s takes %s; unexpected %q (quote arguments with spaces)", cmd.Name(), strings.Join(names, " "), args[len(names)])
		}
		return nil
	}
}

// group makes a command print its help without arguments, and reject words that are not subcommands.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	return fmt.Errorf("unknown command %q for %q%s", word, cmd.CommandPath(), didYouMean(word, "", text.Names(subcommands(cmd), (*cobra.Command).Name)))
}

// subcommands returns the subcommands that the help shows.
func subcommands(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
}

func didYouMean(word, prefix string, names []string) string {
	if near := text.Nearest(word, names); near != "" {
		return " (did you mean " + prefix + near + "?)"
	}
	return ""
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --(.+)$`)

// flagError adds a suggestion to pflag's error about an unknown flag.
func flagError(cmd *cobra.Command, err error) error {
	match := unknownFlag.FindStringSubmatch(err.Error())
	if match == nil {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return errors.New(err.Error() + didYouMean(match[1], "--", names))
}

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|json" }

func (f *format) Set(text string) error {
	switch format(text) {
	case formatText, formatJSON:
		*f = format(text)
		return nil
	}
	return errors.New("expected text or json")
}
