// Package client calls a running relay: its notify API and its admin API.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
)

// Relay is one listener of a running relay.
type Relay struct {
	URL   string // "http://127.0.0.1:9090"
	Token string // of a notify sender, or server.admin_token; "" for none
	// Of a listener on this host with TLS, whose certificate isn't verified by its name: the fingerprint, or else the file.
	Certificate, CertFile string
	// CAFile is a PEM file with certificates to trust in addition to the system's; "" for none.
	CAFile string
	// Guess says why the URL is only the default; nil if it is known.
	Guess error
	// NoToken says why there is no token; nil if there is one, or none is configured.
	NoToken error
}

const (
	// timeout bounds a call. It is longer than the admin API takes for "all".
	timeout   = time.Minute
	maxAnswer = 256 << 20 // bytes; an admin list can be long
)

// ErrNoRelay reports that nothing answers at the address.
var ErrNoRelay = errors.New("no alert-relay")

// Ask makes a call and decodes its answer: a POST if there is a body, else a GET.
func Ask[Out any](ctx context.Context, r Relay, path string, body any) (out Out, err error) {
	call := httpclient.Call{Method: http.MethodGet}
	if body != nil {
		call.Method, call.ContentType = http.MethodPost, "application/json"
		if call.Body, err = json.Marshal(body); err != nil {
			return out, err
		}
	}
	return ask[Out](ctx, r, path, call)
}

// ask makes a call to a path and decodes its answer.
func ask[Out any](ctx context.Context, r Relay, path string, call httpclient.Call) (out Out, err error) {
	call.URL, call.Bearer = strings.TrimRight(r.URL, "/")+path, r.Token
	base := text.RedactURL(strings.TrimRight(r.URL, "/"))
	transport, err := r.transport()
	if err != nil {
		return out, err
	}
	answer, err := httpclient.NewClient(httpclient.ClientOptions{
		Transport: transport, Timeout: timeout, MaxAnswer: maxAnswer, Token: httpclient.NewToken("the token", r.Token, "", nil, nil),
	}).Do(ctx, call)
	if err != nil {
		return out, r.because(fmt.Errorf("%w at %s: %w (is it running? is the address right?)", ErrNoRelay, base, err))
	}
	if !answer.OK() {
		after, _ := httpclient.RetryAfter(answer.Header, time.Now(), time.Hour) // 0 for none
		var err error = refused{refusal(base, answer), answer.Status, after}
		if answer.Status == http.StatusUnauthorized {
			if r.NoToken != nil {
				err = errors.Join(err, r.NoToken)
			} else {
				err = unauthorized{err}
			}
		}
		return out, r.because(err)
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		return out, fmt.Errorf("%s: not an answer from alert-relay (is the address right?): %w", base, err)
	}
	return out, nil
}

// because adds to an error that the URL was guessed, and why.
func (r Relay) because(err error) error {
	if err == nil || r.Guess == nil {
		return err
	}
	return errors.Join(err, r.Guess)
}

// refused is an answer that isn't 2xx.
type refused struct {
	error
	status int
	after  time.Duration // its Retry-After; 0 for none
}

func (r refused) Unwrap() error { return r.error }

// unauthorized is the refusal of a token, or of none although none is configured.
type unauthorized struct{ error }

func (u unauthorized) Unwrap() error { return u.error }

// Retry repeats a call for as long as patience, if the relay may still have the token or the certificate of before their files were
// replaced: it notices that a moment later.
func Retry(ctx context.Context, patience time.Duration, call func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := call()
		if !errors.Is(err, errCertificate) && !errors.As(err, new(unauthorized)) || !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

const retryPause = 250 * time.Millisecond

// refusal makes an error of a relay's refusal. Its 404 is passed on as it is: it names an unknown id, not a wrong address.
func refusal(base string, a httpclient.Answer) error {
	var refused struct {
		Error  string          `json:"error"`
		Hint   string          `json:"hint"`
		Faults json.RawMessage `json:"faults"`
	}
	var faults fault.Faults
	var lines []string // of a configuration
	if err := json.Unmarshal(a.Body, &refused); err == nil && refused.Error != "" {
		faults = fault.Faults{{What: refused.Error, Hint: refused.Hint}}
		_ = json.Unmarshal(refused.Faults, &lines) // there may be none
	} else if err == nil {
		_ = json.Unmarshal(refused.Faults, &faults) // likewise: then it isn't a relay's answer
	}
	switch {
	case len(lines) > 0:
		return errors.New(faults.Error() + "\n" + strings.Join(lines, "\n"))
	case len(faults) == 0:
		return fmt.Errorf("%s answered %d %s: not an answer from alert-relay (is the address right?)", base, a.Status, http.StatusText(a.Status))
	case a.Status == http.StatusNotFound:
		return faults
	default:
		return fmt.Errorf("%s answered %d %s: %w", base, a.Status, http.StatusText(a.Status), faults)
	}
}
