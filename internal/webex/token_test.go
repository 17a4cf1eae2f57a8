package webex

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A refused token is read again before each call until it has changed: a new token in the file needs no restart. A valid token is
// never read again.
func TestRefusedTokenIsReadAgain(t *testing.T) {
	var good atomic.Value
	good.Store("the-first-token")
	c, all := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trackingid", "T")
		if r.Header.Get("Authorization") != "Bearer "+good.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"bad token `+r.Header.Get("Authorization")+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"B"}`)
	})
	var log bytes.Buffer
	kept, reads := "the-first-token", 0
	var broken error
	c = New(Options{BaseURL: c.opts.BaseURL, Token: kept, TokenFrom: "file /run/secrets/webex-token", Transport: c.opts.Transport,
		Log:   slog.New(slog.NewTextHandler(&log, nil)),
		Renew: func() (string, error) { reads++; return kept, broken }})
	call := func() error { _, err := c.Me(t.Context()); return err }

	require.NoError(t, call())
	require.NoError(t, call())
	require.Zero(t, reads)

	good.Store("the-second-token")
	err := call()
	require.Equal(t, Unauthorized, ClassOf(err))
	require.ErrorContains(t, err, "make a new one for the same bot on Webex's developer site and put it into file /run/secrets/webex-token; no restart is needed")
	require.NotContains(t, err.Error(), "the-first-token")
	require.Zero(t, reads, "it wasn't known to be bad")
	require.Error(t, call(), "the file still holds the old one")
	require.Equal(t, 1, reads)

	broken = errors.New("can't read /run/secrets/webex-token: permission denied")
	require.Error(t, call())
	require.Contains(t, log.String(), "permission denied")

	kept, broken = "the-second-token", nil
	require.NoError(t, call())
	require.NoError(t, call())
	require.Equal(t, 3, reads)
	require.Contains(t, log.String(), "the bot's token was replaced")
	require.NotContains(t, log.String(), "-second-token")
	require.Len(t, all(), 7)
}
