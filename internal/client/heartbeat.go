package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// AnySender fills in what is missing: the URL of the relay on this host, and the token of the first sender that has one.
func (r Relay) AnySender(cfg *config.Config) (Relay, error) {
	for _, n := range cfg.Notify {
		if r.Token == "" && len(n.Tokens) > 0 {
			r.Token = n.Tokens[0].Reveal()
		}
	}
	if r.Token == "" {
		return r, fmt.Errorf("no notify sender in %s has a token that can be read here (use --token-file)", cfg.File)
	}
	if r.URL != "" {
		return r, nil
	}
	var err error
	r.URL, err = localURL(cfg)
	return r, err
}

// Beat gives a running relay a sign of life, and returns by when it expects the next one.
func Beat(ctx context.Context, r Relay, name string) (time.Time, error) {
	if name == "" {
		return time.Time{}, errors.New("the name of the heartbeat is empty")
	}
	accepted, err := Ask[struct {
		ExpectedBy time.Time `json:"expected_by"`
	}](ctx, r, "/v1/heartbeat/"+url.PathEscape(name), struct{}{})
	if err == nil && accepted.ExpectedBy.IsZero() {
		err = fmt.Errorf("%s answered without a time: not an alert-relay (is the address right?)", text.RedactURL(r.URL))
	}
	return accepted.ExpectedBy, err
}
