package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
)

// Environment variables with defaults of send.
const (
	envURL   = "ALERT_RELAY_URL"
	envToken = "ALERT_RELAY_TOKEN"
)

func newSend(g *globals) *cobra.Command {
	var m client.Message
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "send ROOM TEXT",
		Short: "Send a status message to a room through a running relay",
		Long: `Send a message to a room through a running relay's notify API: it is stored, retried and
delivered like any other message. TEXT is markdown; "-" reads it from standard input. ROOM is a
configured room, or with --person an e-mail address.

The relay is found by --url (or ALERT_RELAY_URL), with the token in --token-file (or
ALERT_RELAY_TOKEN). Anything not given is taken from --config (or ALERT_RELAY_CONFIG), on the
relay's own host.`,
		Example: `  alert-relay send noc "Backup of **db1** finished" --config config.yaml
  alert-relay send alice@example.com "Your run is done" --person --config config.yaml
  alert-relay send noc - --key backup-db1 --url https://relay.example.com --token-file token < report.md`,
		Args: want("ROOM", "TEXT"),
		ValidArgsFunction: first(func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if m.Person {
				return g.people(cmd, args, word)
			}
			return g.rooms(cmd, args, word)
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.To, m.Markdown = args[0], args[1]
			if m.Markdown == "-" {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return failed(fmt.Errorf("cannot read standard input: %w", err))
				}
				m.Markdown = string(text)
			}
			if m.Markdown = strings.TrimSpace(m.Markdown); m.Markdown == "" {
				return errors.New("send: TEXT is empty")
			}
			relay, err := toRelay(cmd, g, m.Relay, tokenFile, func(r client.Relay, cfg *config.Config) (client.Relay, error) {
				to := m
				to.Relay = r
				to, err := to.FromConfig(cfg)
				return to.Relay, err
			})
			if err != nil {
				return err
			}
			m.Relay = relay
			id, err := client.Send(cmd.Context(), m)
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, map[string]string{"id": id}, func(w io.Writer) { fmt.Fprintln(w, "accepted as", id) })
		},
	}
	relayFlags(cmd, g, &m.Relay, &tokenFile)
	cmd.Flags().StringVar(&m.Key, "key", "", "later messages with the same `KEY` edit this one")
	cmd.Flags().BoolVar(&m.Person, "person", false, "ROOM is an e-mail address: a direct message")
	return cmd
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
	_ = cmd.MarkFlagFilename("token-file") // the flag is defined just above
}
