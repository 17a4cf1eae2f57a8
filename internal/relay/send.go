package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
)

// SendOptions say what to send, and to which relay.
type SendOptions struct {
	URL      string // of the relay's public listener
	Token    string // of a notify sender
	To       string // a configured room, or an e-mail address
	Person   bool
	Markdown string
	Key      string
}

// FromConfig fills in the address and the token that a configuration gives:
// the relay on this machine, and the first sender that may write there.
func (o SendOptions) FromConfig(cfg *config.Config) (SendOptions, error) {
	i := slices.IndexFunc(cfg.Notify, func(n config.Notify) bool {
		return o.Person && n.Persons || !o.Person && slices.Contains(n.Rooms, o.To)
	})
	if i < 0 {
		return o, fmt.Errorf("no notify sender in %s may write to %q: add one under notify", cfg.File, o.To)
	}
	if o.Token == "" {
		o.Token = cfg.Notify[i].Token.Reveal()
	}
	if o.URL == "" {
		host, port, err := net.SplitHostPort(cfg.Server.Listen)
		if err != nil {
			return o, fmt.Errorf("server.listen: %w", err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		scheme := "http"
		if cfg.Server.TLS.CertFile != "" {
			return o, errors.New("the relay's listener has TLS: name its address with --url, so that its certificate can be checked")
		}
		o.URL = scheme + "://" + net.JoinHostPort(host, port)
	}
	return o, nil
}

// Send hands a message to a running relay's notify API and gives the notice's id.
func Send(ctx context.Context, o SendOptions) (string, error) {
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
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(o.URL, "/")+"/v1/notify", bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+o.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the relay can't be reached: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("the relay's answer: %w", err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("the relay answered %s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	var taken struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(answer, &taken); err != nil {
		return "", fmt.Errorf("the relay's answer isn't JSON: %w", err)
	}
	return strings.Trim(string(taken.ID), `"`), nil
}
