package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// Message is a message for the notify API, and the relay that it goes to.
type Message struct {
	Relay
	To       string // a configured room, or an e-mail address
	Person   bool
	Markdown string
	Key      string
}

// FromConfig fills in what is missing: the URL of the relay on this host, and the token of the first sender that may write there.
func (m Message) FromConfig(cfg *config.Config) (Message, error) {
	var err error
	if m.Token == "" {
		if m.Token, err = m.tokenIn(cfg); err != nil {
			return m, err
		}
	}
	if m.URL == "" {
		m.URL, err = localURL(cfg)
	}
	return m, err
}

func (m Message) tokenIn(cfg *config.Config) (string, error) {
	absent := ""
	for i, n := range cfg.Notify {
		switch {
		case m.Person && !n.Persons || !m.Person && !slices.Contains(n.Rooms, m.To):
		case len(n.Tokens) > 0:
			return n.Tokens[0].Reveal(), nil
		default:
			absent = fmt.Sprintf("missing token of notify sender %q%s", n.Name, cfg.WhyMissing(fmt.Sprintf("notify[%d].token", i)))
		}
	}
	if absent != "" {
		return "", errors.New(absent)
	}
	if m.Person {
		return "", fmt.Errorf("no notify sender in %s may write to people (set persons: true for one)", cfg.File)
	}
	if _, ok := cfg.Room(m.To); !ok {
		known := strings.Join(text.Names(cfg.Rooms, func(r config.Room) string { return r.Name }), ", ")
		return "", fmt.Errorf("unknown room %[2]q (%[1]s has %[3]s; an e-mail address needs --person)", cfg.File, m.To, known)
	}
	return "", fmt.Errorf("no notify sender in %s may write to room %q (add it to notify[].rooms of one)", cfg.File, m.To)
}

// localURL returns the URL of a configuration's relay on its own host.
func localURL(cfg *config.Config) (string, error) {
	if cfg.Server.TLS.CertFile != "" {
		return "", errors.New("server.tls is set: use --url with the relay's address, so that its certificate can be verified")
	}
	return config.LocalURL("server.listen", cfg.Server.Listen, "--url")
}

// Send posts a message to a running relay's notify API and returns the notice's id: "notice:12".
func Send(ctx context.Context, m Message) (string, error) {
	to := "room"
	if m.Person {
		to = "person"
	}
	body := map[string]string{to: m.To, "markdown": m.Markdown}
	if m.Key != "" {
		body["key"] = m.Key
	}
	accepted, err := Ask[struct{ ID string }](ctx, m.Relay, "/v1/notify", body)
	if err == nil && accepted.ID == "" {
		err = fmt.Errorf("%s answered without an id: not an alert-relay (is the address right?)", text.RedactURL(m.URL))
	}
	return accepted.ID, err
}
