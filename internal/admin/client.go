package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/text"
)

// Client asks a running relay's admin listener.
type Client struct {
	URL string // of the listener, "http://127.0.0.1:9090"
}

// URLOf is where the admin listener of a configuration is reached from the
// relay's own machine.
func URLOf(cfg *config.Config) (string, error) {
	return config.LocalURL("server.admin_listen", cfg.Server.AdminListen, "--admin")
}

// DeadLetters lists the newest ones, of one room where room isn't empty; limit 0
// lists all.
func (c Client) DeadLetters(ctx context.Context, room string, limit int) (DeadLetterList, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if room != "" {
		q.Set("room", room)
	}
	return ask[DeadLetterList](ctx, c, http.MethodGet, "/v1/deadletters?"+q.Encode(), nil)
}

// Replay has dead letters sent again.
func (c Client) Replay(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/deadletters/replay", which)
}

// Drop gives up one dead letter.
func (c Client) Drop(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/deadletters/drop", which)
}

// SetAside lists the newest entries that couldn't be applied; limit 0 lists all.
func (c Client) SetAside(ctx context.Context, limit int) (SetAsideList, error) {
	return ask[SetAsideList](ctx, c, http.MethodGet, "/v1/setaside?limit="+strconv.Itoa(limit), nil)
}

// SetAsideEntry is one of them, with its payload.
func (c Client) SetAsideEntry(ctx context.Context, id string) (SetAsideEntry, error) {
	return ask[SetAsideEntry](ctx, c, http.MethodGet, "/v1/setaside/"+url.PathEscape(id), nil)
}

// JournalEntry is an event as it came, with its payload.
func (c Client) JournalEntry(ctx context.Context, id string) (SetAsideEntry, error) {
	return ask[SetAsideEntry](ctx, c, http.MethodGet, "/v1/journal/"+url.PathEscape(id), nil)
}

// Retry has entries that were set aside applied again.
func (c Client) Retry(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/setaside/retry", which)
}

// ErrNoRelay is a listener that nobody could ask.
var ErrNoRelay = errors.New("no relay answers")

// ask makes one call. adminTime is longer than the relay works at "all".
func ask[Out any](ctx context.Context, c Client, method, path string, in any) (out Out, err error) {
	const adminTime = 2 * allTime
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body = bytes.NewReader(raw)
	}
	base := strings.TrimRight(c.URL, "/")
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return out, fmt.Errorf("%s is not a URL", text.RedactURL(base))
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var fault *url.Error
		if errors.As(err, &fault) {
			err = fault.Err
		}
		return out, fmt.Errorf("%w at %s: %w (is it running? is that its server.admin_listen?)", ErrNoRelay, text.RedactURL(base), err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, fmt.Errorf("cannot read the relay's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return out, refused(base, resp, answer)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return out, fmt.Errorf("%s: not an alert-relay's answer (is the address right?): %w", text.RedactURL(base), err)
	}
	return out, nil
}

// refused is what the relay said, in its own words where it knows the thing
// and not the asker's fault with the address.
func refused(base string, resp *http.Response, answer []byte) error {
	var said struct{ Error, Hint string }
	if resp.StatusCode == http.StatusNotFound && json.Unmarshal(answer, &said) == nil && said.Error != "" {
		return &refusal{resp.StatusCode, said.Error, said.Hint}
	}
	return fmt.Errorf("%s answered %s%s", text.RedactURL(base), resp.Status, fault.Reason(answer))
}
