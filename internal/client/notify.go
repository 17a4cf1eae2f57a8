package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/text"
)

// Message is a message for the notify API, and the relay that it goes to.
type Message struct {
	Relay
	To             string // a configured room, or an e-mail address
	Person         bool
	Markdown       string
	Text           string // instead of Markdown
	Severity       string
	Key            string
	Thread         string
	IdempotencyKey string
	FileName       string
	File           []byte // nil for none
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
	call, err := m.call()
	if err != nil {
		return "", err
	}
	accepted, err := ask[struct{ ID string }](ctx, m.Relay, "/v1/notify", call)
	if err == nil && accepted.ID == "" {
		err = fmt.Errorf("%s answered without an id: not an alert-relay (is the address right?)", text.RedactURL(m.URL))
	}
	return accepted.ID, err
}

// call is the request: a form if there is a file, else JSON.
func (m Message) call() (k httpclient.Call, err error) {
	to := "room"
	if m.Person {
		to = "person"
	}
	fields := map[string]string{
		to: m.To, "markdown": m.Markdown, "text": m.Text, "severity": m.Severity, "key": m.Key, "thread": m.Thread, "idempotency_key": m.IdempotencyKey,
	}
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "" })
	k = httpclient.Call{Method: http.MethodPost, ContentType: "application/json"}
	if m.File == nil {
		k.Body, err = json.Marshal(fields)
		return k, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	// Writing to a buffer doesn't fail.
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		_ = form.WriteField(name, fields[name])
	}
	part, _ := form.CreateFormFile("file", m.FileName)
	_, _ = part.Write(m.File)
	_ = form.Close()
	k.Body, k.ContentType = body.Bytes(), form.FormDataContentType()
	return k, nil
}

// The waits between the attempts to send a message.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 15 * time.Second
)

// SendWithin sends a message, and repeats that for as long as patience while the relay is unreachable or says to try again. The
// message's IdempotencyKey keeps that from posting it twice. waiting is called before each wait.
func SendWithin(ctx context.Context, m Message, patience time.Duration, waiting func(err error)) (string, error) {
	if m.IdempotencyKey == "" {
		m.IdempotencyKey = rand.Text()
	}
	deadline := time.Now().Add(patience)
	for n := 1; ; n++ {
		id, err := Send(ctx, m)
		wait, again := pause(err, n, time.Until(deadline))
		if !again {
			return id, err
		}
		waiting(err)
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(wait):
		}
	}
}

// pause is how long to wait after the nth attempt; false if it isn't repeated. The last attempt is at the end of the time that is left.
func pause(err error, n int, left time.Duration) (time.Duration, bool) {
	if !Unreachable(err) || left <= 0 {
		return 0, false
	}
	wait := min(pace.Backoff(n, firstPause, longestPause, 1), left)
	var r refused
	if errors.As(err, &r) && r.after > wait {
		wait = r.after
	}
	return wait, wait <= left
}

// Unreachable reports whether the relay didn't answer, or said to try again later: the same call can succeed then.
func Unreachable(err error) bool {
	var r refused
	if errors.As(err, &r) {
		return slices.Contains([]int{
			http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, r.status)
	}
	return errors.Is(err, ErrNoRelay)
}
