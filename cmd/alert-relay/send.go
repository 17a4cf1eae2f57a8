package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// Environment variables with defaults of send.
const (
	envURL   = "ALERT_RELAY_URL"
	envToken = "ALERT_RELAY_TOKEN"
)

func newSend(g *globals) *cobra.Command {
	s := sending{globals: g}
	cmd := &cobra.Command{
		Use:   "send [ROOM] [TEXT]",
		Short: "Send a status message to a room through a running relay",
		Long: `Send a message to a room or a person through a running relay's notify API: it is stored, retried
and delivered like any other message. TEXT is markdown; without it, or with "-", it is read from
standard input. ROOM is a configured room, or with --person an e-mail address; --room names it
too.

The relay is found by --url (or ALERT_RELAY_URL), with the token in --token-file (or
ALERT_RELAY_TOKEN). Anything not given is taken from --config (or ALERT_RELAY_CONFIG), on the
relay's own host. Proxies are those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

While the relay is unreachable, or says to try again, the message is sent again, for as long as
--retry. It is never posted twice: all attempts have the same idempotency key.`,
		Example: `  alert-relay send noc "Backup of **db1** finished" --config config.yaml
  alert-relay send alice@example.com "Your run is done" --person --config config.yaml
  alert-relay send noc - --key backup-db1 --url https://relay.example.com --token-file token < report.md
  alert-relay send --room noc --severity high --file errors.log "Import failed"
  df -h | alert-relay send --room noc --text --thread disks
  journalctl -u import | alert-relay send noc "its log" --file - --file-name import.log

Exit codes: 0 accepted, 1 refused, 2 usage error, 3 unreachable until --retry was over.`,
		Args: s.arguments,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 || s.room != "" {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return s.rooms(cmd, args, word)
		},
		RunE: s.run,
	}
	relayFlags(cmd, g, &s.Relay, &s.tokenFile)
	f := cmd.Flags()
	f.StringVar(&s.room, "room", "", "`ROOM`, instead of the first argument")
	f.BoolVar(&s.Person, "person", false, "ROOM is an e-mail address: a direct message")
	f.BoolVar(&s.plain, "text", false, "TEXT is plain text: nothing in it is markup")
	f.StringVar(&s.Severity, "severity", "", "`WORD` that the message begins with, and its colour")
	f.StringVar(&s.Key, "key", "", "later messages with the same `KEY` edit this one")
	f.StringVar(&s.Thread, "thread", "", "messages with the same `KEY` reply to the first one")
	f.StringVar(&s.file, "file", "", "`FILE` to send with the message; - for standard input")
	f.StringVar(&s.FileName, "file-name", "", "`NAME` of the file in the room")
	f.StringVar(&s.IdempotencyKey, "idempotency-key", "", "within 24 hours, the same command with the same `KEY` posts nothing")
	f.DurationVar(&s.patience, "retry", 30*time.Second, "how long to try while the relay is unreachable, as a `DURATION`")
	_ = cmd.MarkFlagFilename("file") // the flag is defined just above
	complete(cmd, "room", s.rooms)
	complete(cmd, "severity", cobra.FixedCompletions(text.Names(alert.Severities[:], alert.Severity.String), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// sending is one message to send.
type sending struct {
	*globals
	client.Message
	room, tokenFile, file string
	plain                 bool
	patience              time.Duration
}

// rooms completes ROOM.
func (s *sending) rooms(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if s.Person {
		return s.globals.people(cmd, args, word)
	}
	return s.globals.rooms(cmd, args, word)
}

func (s *sending) arguments(cmd *cobra.Command, args []string) error {
	names := []string{"ROOM", "TEXT"}
	if s.room != "" {
		names = names[1:]
	}
	switch {
	case len(args) > len(names):
		return fmt.Errorf("send takes %s; unexpected %q (quote arguments with spaces)", strings.Join(names, " "), args[len(names)])
	case s.room == "" && len(args) == 0:
		return errors.New("send: missing ROOM (as an argument, or --room)")
	case s.patience < 0:
		return errors.New("--retry must not be negative")
	case s.file == "" && s.FileName != "":
		return errors.New("--file-name requires --file")
	case s.file != "" && s.Key != "":
		return errors.New("--file conflicts with --key: Webex can't edit a message with a file (use --thread)")
	}
	return nil
}

func (s *sending) run(cmd *cobra.Command, args []string) error {
	s.To = s.room
	if s.room == "" {
		s.To, args = args[0], args[1:]
	}
	if err := s.read(cmd.InOrStdin(), args); err != nil {
		return err
	}
	relay, err := toRelay(cmd, s.globals, s.Relay, s.tokenFile, func(r client.Relay, cfg *config.Config) (client.Relay, error) {
		to := s.Message
		to.Relay = r
		to, err := to.FromConfig(cfg)
		return to.Relay, err
	})
	if err != nil {
		return err
	}
	s.Relay = relay
	said := ""
	id, err := client.SendWithin(cmd.Context(), s.Message, s.patience, func(err error) {
		if why := err.Error(); why != said {
			fmt.Fprintf(cmd.ErrOrStderr(), "alert-relay: %v; trying for %s\n", err, s.patience)
			said = why
		}
	})
	if client.Unreachable(err) {
		return &exitError{err: err, code: exitUnreachable}
	}
	if err != nil {
		return failed(err)
	}
	return s.print(cmd, map[string]string{"id": id}, func(w io.Writer) { fmt.Fprintln(w, "accepted as", id) })
}

// read reads the file and the text, one of them from standard input if it is named or no text is given.
func (s *sending) read(stdin io.Reader, args []string) error {
	said := len(args) > 0
	fromStdin := said && args[0] == "-" || !said && s.file == ""
	switch {
	case s.file == "-" && fromStdin:
		return errors.New("send: standard input can be TEXT or the file, not both")
	case s.file == "-":
		content, err := readAll(stdin, maxFile)
		if err != nil {
			return failed(fmt.Errorf("cannot read standard input: %w", err))
		}
		s.File, s.FileName = content, cmp.Or(s.FileName, "output.txt")
	case s.file != "":
		content, err := readFile(s.file)
		if err != nil {
			return failed(fmt.Errorf("--file: %w", err))
		}
		s.File, s.FileName = content, cmp.Or(s.FileName, filepath.Base(s.file))
	}
	if s.file != "" && len(s.File) == 0 {
		return failed(errors.New("--file: the file is empty"))
	}
	body := ""
	if fromStdin {
		if f, ok := stdin.(*os.File); ok && !said && isatty.IsTerminal(f.Fd()) {
			return errors.New("send: missing TEXT (as an argument, or on standard input)")
		}
		content, err := readAll(stdin, maxText)
		if err != nil {
			return failed(fmt.Errorf("cannot read standard input: %w", err))
		}
		body = string(content)
	} else if said {
		body = args[0]
	}
	body = strings.TrimRight(strings.TrimLeft(body, "\r\n"), " \t\r\n")
	if strings.TrimSpace(body) == "" && (said || s.file == "") {
		return errors.New("send: TEXT is empty")
	}
	if s.plain {
		s.Text = body
	} else {
		s.Markdown = body
	}
	return nil
}

// Bounds of what send reads: what is larger, no relay accepts.
const (
	maxText = 1 << 20
	maxFile = 32 << 20
)

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, maxFile)
}

func readAll(r io.Reader, most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("larger than %d MiB", most>>20)
	}
	return content, err
}

// toRelay completes a relay's address and token: from flags, the environment, or with fromConfig the configuration.
func toRelay(cmd *cobra.Command, g *globals, r client.Relay, tokenFile string, fromConfig func(client.Relay, *config.Config) (client.Relay, error)) (_ client.Relay, err error) {
	if tokenFile != "" {
		if r.Token, err = readSecret("token-file", tokenFile); err != nil {
			return r, err
		}
	}
	r.URL, r.Token = cmp.Or(r.URL, os.Getenv(envURL)), cmp.Or(r.Token, strings.TrimSpace(os.Getenv(envToken)))
	if err := webAddress("url", r.URL); err != nil {
		return r, err
	}
	if r.URL != "" && r.Token != "" {
		return r, nil
	}
	if g.file() == "" {
		return r, fmt.Errorf("which relay? Use %s, or --config FILE (or %s) on the relay's own host", strings.Join(missing(r), " and "), envConfig)
	}
	cfg, err := g.elsewhere(cmd)
	if err != nil {
		return r, err
	}
	if r, err = fromConfig(r, cfg); err != nil {
		return r, failed(err)
	}
	return r, nil
}

// missing returns the flags that are needed to find the relay.
func missing(r client.Relay) []string {
	var list []string
	if r.URL == "" {
		list = append(list, "--url (or "+envURL+")")
	}
	if r.Token == "" {
		list = append(list, "--token-file (or "+envToken+")")
	}
	return list
}

// relayFlags adds the flags of toRelay.
func relayFlags(cmd *cobra.Command, g *globals, r *client.Relay, tokenFile *string) {
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().StringVar(&r.URL, "url", "", "the relay's public `URL` (or "+envURL+")")
	cmd.Flags().StringVar(tokenFile, "token-file", "", "`FILE` with a notify token (or the token itself in "+envToken+")")
	cmd.Flags().StringVar(&r.CAFile, "ca-file", "", "PEM `FILE` with certificates to trust besides the system's")
	for _, flag := range []string{"token-file", "ca-file"} {
		_ = cmd.MarkFlagFilename(flag) // defined just above
	}
}
