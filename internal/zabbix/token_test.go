package zabbix

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A refused token is logged once, and read again before each call until it has changed: a new token in the file needs no restart.
func TestARefusedTokenIsReadAgain(t *testing.T) {
	for _, version := range []string{"6.0.14", "7.0.22"} {
		t.Run(version, func(t *testing.T) {
			good := "the-first-token"
			c := serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var in struct{ Method, Auth string }
				_ = json.NewDecoder(r.Body).Decode(&in)
				token := in.Auth + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				switch {
				case in.Method == "apiinfo.version":
					_, _ = io.WriteString(w, `{"id":1,"result":"`+version+`"}`)
				case token == good:
					_, _ = io.WriteString(w, `{"id":1,"result":[]}`)
				default:
					_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params.","data":"Not authorised."}}`)
				}
			}))
			var log bytes.Buffer
			kept, reads := "the-first-token", 0
			c = New(Options{URL: c.opts.URL, Token: kept, TokenFrom: "file /run/secrets/zabbix-token", Transport: c.opts.Transport,
				Log:   slog.New(slog.NewTextHandler(&log, nil)),
				Renew: func() (string, error) { reads++; return kept, nil }})
			call := func() error { return c.Call(t.Context(), "host.get", nil, nil) }
			require.NoError(t, call())
			require.Zero(t, reads)

			good = "the-second-token"
			for range 3 {
				require.Equal(t, NotAuthorised, KindOf(call()))
			}
			require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
			require.Contains(t, log.String(), "put it into file /run/secrets/zabbix-token; no restart is needed")
			kept = "the-second-token"
			require.NoError(t, call())
			was := reads
			require.NoError(t, call())
			require.Equal(t, was, reads)
			require.Contains(t, log.String(), "the API token was replaced")
			require.NotContains(t, log.String(), "-second-token")
		})
	}
}
