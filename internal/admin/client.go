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

// Client calls the admin API of a running relay.
type Client struct {
	URL string // of the listener, "http://127.0.0.1:9090"
}

// URLOf returns the URL of a configuration's admin listener on the relay's own host.
func URLOf(cfg *config.Config) (string, error) {
	return config.LocalURL("server.admin_listen", cfg.Server.AdminListen, "--admin")
}

// DeadLetters lists dead letters, newest first: of one room unless room is "", and all of them if limit is 0.
func (c Client) DeadLetters(ctx context.Context, room string, limit int) (DeadLetterList, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if room != "" {
		q.Set("room", room)
	}
	return ask[DeadLetterList](ctx, c, http.MethodGet, "/v1/deadletters?"+q.Encode(), nil)
}

// Replay sends dead letters again.
func (c Client) Replay(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/deadletters/replay", which)
}

// Drop discards a dead letter.
func (c Client) Drop(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/deadletters/drop", which)
}

// SetAside lists set-aside entries, newest first; all of them if limit is 0.
func (c Client) SetAside(ctx context.Context, limit int) (EntryList, error) {
	return ask[EntryList](ctx, c, http.MethodGet, "/v1/setaside?limit="+strconv.Itoa(limit), nil)
}

// SetAsideEntry returns a set-aside entry with its payload.
func (c Client) SetAsideEntry(ctx context.Context, id string) (Entry, error) {
	return ask[Entry](ctx, c, http.MethodGet, "/v1/setaside/"+url.PathEscape(id), nil)
}

// JournalEntry returns an event with its payload, applied or not.
func (c Client) JournalEntry(ctx context.Context, id string) (Entry, error) {
	return ask[Entry](ctx, c, http.MethodGet, "/v1/journal/"+url.PathEscape(id), nil)
}

// Retry applies set-aside entries again.
func (c Client) Retry(ctx context.Context, which Choice) (Done, error) {
	return ask[Done](ctx, c, http.MethodPost, "/v1/setaside/retry", which)
}

// ErrNoRelay reports that nothing answers at the address.
var ErrNoRelay = errors.New("no relay answers")

// ask makes one call. Its timeout is longer than the relay takes for "all".
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
		return out, fmt.Errorf("%s: not a URL", text.RedactURL(base))
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

// refused makes an error of a refusal. A relay's own 404 is passed on as it is: it names an unknown id, not a wrong address.
func refused(base string, resp *http.Response, answer []byte) error {
	var said struct{ Error, Hint string }
	if resp.StatusCode == http.StatusNotFound && json.Unmarshal(answer, &said) == nil && said.Error != "" {
		return &refusal{resp.StatusCode, said.Error, said.Hint}
	}
	return fmt.Errorf("%s answered %s%s", text.RedactURL(base), resp.Status, fault.Reason(answer))
}
