package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
)

// probeTimeout bounds a probe. It is longer than the relay waits for its store.
const probeTimeout = 5 * time.Second

// The paths of the admin listener that a Probe asks, with their good answers.
const (
	Alive = "/healthz"
	Ready = "/readyz"
)

var healthy = map[string]string{Alive: "alive", Ready: "ready"}

// Probe asks the admin listener how the relay is: Alive or Ready. It returns the answer, a word. It sends no token, and on this host
// accepts any certificate: a relay that runs on with its old certificate, because the new one is faulty, is alive.
func Probe(ctx context.Context, r Relay, path string) (_ string, err error) {
	defer func() { err = r.because(err) }()
	base := strings.TrimRight(r.URL, "/")
	shown := text.RedactURL(base) + path
	var transport http.RoundTripper
	if r.pinned() {
		transport = unverified()
	}
	answer, err := httpclient.NewClient(httpclient.ClientOptions{
		Transport: transport, Timeout: probeTimeout, MaxAnswer: 1 << 20, Token: httpclient.NewToken("the token", "", "", nil, nil),
	}).Do(ctx, httpclient.Call{Method: http.MethodGet, URL: base + path})
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w (is it running? is the address right?)", ErrNoRelay, shown, err)
	}
	word := text.Shorten(text.Line(strings.TrimSpace(string(answer.Body))), 100)
	switch {
	case !answer.OK():
		return "", fmt.Errorf("%s answered %d: %s", shown, answer.Status, word)
	case word != healthy[path]:
		return "", fmt.Errorf("%s: not an answer from alert-relay (is the address right?)", shown)
	}
	return word, nil
}
