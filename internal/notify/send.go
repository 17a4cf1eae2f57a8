// Package notify is the client of a running relay's notify API.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/text"
)

// Options are what to send, and to which relay.
type Options struct {
	URL      string // of the relay's public listener
	Token    string // of a notify sender
	To       string // a configured room, or an e-mail address
	Person   bool
	Markdown string
	Key      string
}

// FromConfig fills in what is missing: the URL of the relay on this host, and the token of the first sender that may write there.
func (o Options) FromConfig(cfg *config.Config) (Options, error) {
	var err error
	if o.Token == "" {
		if o.Token, err = o.tokenIn(cfg); err != nil {
			return o, err
		}
	}
	if o.URL == "" {
		o.URL, err = localURL(cfg)
	}
	return o, err
}

func (o Options) tokenIn(cfg *config.Config) (string, error) {
	absent := ""
	for i, n := range cfg.Notify {
		switch {
		case o.Person && !n.Persons || !o.Person && !slices.Contains(n.Rooms, o.To):
		case n.Token.IsSet():
			return n.Token.Reveal(), nil
		default:
			absent = fmt.Sprintf("missing token of notify sender %q%s", n.Name, cfg.WhyMissing(fmt.Sprintf("notify[%d].token", i)))
		}
	}
	if absent != "" {
		return "", errors.New(absent)
	}
	if o.Person {
		return "", fmt.Errorf("no notify sender in %s may write to people (set persons: true for one)", cfg.File)
	}
	if _, ok := cfg.Room(o.To); !ok {
		known := strings.Join(text.Names(cfg.Rooms, func(r config.Room) string { return r.Name }), ", ")
		return "", fmt.Errorf("unknown room %[2]q (%[1]s has %[3]s; an e-mail address needs --person)", cfg.File, o.To, known)
	}
	return "", fmt.Errorf("no notify sender in %s may write to room %q (add it to notify[].rooms of one)", cfg.File, o.To)
}

// localURL returns the URL of a configuration's relay on its own host.
func localURL(cfg *config.Config) (string, error) {
	if cfg.Server.TLS.CertFile != "" {
		return "", errors.New("server.tls is set: use --url with the relay's address, so that its certificate can be verified")
	}
	return config.LocalURL("server.listen", cfg.Server.Listen, "--url")
}

// sendTime bounds how long a relay may take to accept a message.
const sendTime = 30 * time.Second

// Send posts a message to a running relay's notify API and returns the notice's id: "notice:12".
func Send(ctx context.Context, o Options) (string, error) {
	body := map[string]string{"room": o.To, "markdown": o.Markdown, "key": o.Key}
	if o.Person {
		delete(body, "room")
		body["person"] = o.To
	}
	if o.Key == "" {
		delete(body, "key")
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	base := strings.TrimRight(o.URL, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/notify", bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("%s: not a URL", text.RedactURL(base))
	}
	req.Header.Set("Authorization", "Bearer "+o.Token)
	req.Header.Set("Content-Type", "application/json")
	// No redirects: the token is only for the given address.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		var fault *url.Error
		if errors.As(err, &fault) {
			err = fault.Err
		}
		return "", fmt.Errorf("no relay answers at %s: %w (is it running? is the address right?)", text.RedactURL(base), err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("cannot read the relay's answer: %w", err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("%s answered %s%s", text.RedactURL(base), resp.Status, fault.Reason(answer))
	}
	var accepted struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &accepted); err != nil || accepted.ID == "" {
		return "", fmt.Errorf("%s answered 202 without an id: not an alert-relay", text.RedactURL(base))
	}
	return accepted.ID, nil
}
