package zabbix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
)

func TestAnswersThatAreNotZabbixs(t *testing.T) {
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Location", "https://user:hunter2@elsewhere.example.com/api_jsonrpc.php?x=1")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tc := range map[string]struct {
		handler    http.HandlerFunc
		kind       ErrorKind
		unanswered bool
		says       string
	}{
		"a login page":             {answer(200, "text/html", "<html>log in"), Unreachable, true, "text/html"},
		"a redirect":               {answer(302, "text/html", ""), Unreachable, false, "elsewhere.example.com"},
		"a gateway":                {answer(502, "text/html", "bad gateway"), Unreachable, true, "502"},
		"not there":                {answer(404, "text/html", "not found"), Unreachable, false, "base URL"},
		"a proxy's refusal":        {answer(403, "", ""), Unreachable, false, "403"},
		"another content type":     {answer(412, "", ""), Unreachable, false, "412"},
		"empty":                    {answer(200, "application/json", ""), Unreachable, true, "200"},
		"JSON, but not JSON-RPC":   {answer(200, "application/json", `{"status":"ok"}`), Unreachable, true, "200"},
		"a list":                   {answer(200, "application/json", `[]`), Unreachable, true, "200"},
		"a result of another form": {answer(200, "application/json", `{"id":1,"result":[1]}`), Unreachable, true, "form"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, "secret-token", tc.handler)
			var result string
			err := c.unauthenticated(t.Context(), &result)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.kind, e.Kind)
			require.Equal(t, tc.unanswered, e.Unanswered)
			require.Contains(t, err.Error(), tc.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestAnswersHaveALimit(t *testing.T) {
	c := serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte{' '}, 1<<20)
		for range maxAnswer>>20 + 2 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	err := c.unauthenticated(t.Context(), nil)
	require.Equal(t, Unreachable, KindOf(err))
	require.Contains(t, err.Error(), "longer than")
}

func TestTimeoutAndRefusedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that the request is sent before the time runs out, however slow the machine is
		transport, stop := memnet.Serve("zabbix.test:80", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // so that the server notices when the client is gone
			<-r.Context().Done()
		}))
		defer stop()
		c := New(Options{URL: "http://zabbix.test", Timeout: 50 * time.Millisecond, Transport: transport})
		var e *Error
		require.ErrorAs(t, c.unauthenticated(t.Context(), nil), &e)
		require.Equal(t, Unreachable, e.Kind)
		require.True(t, e.Unanswered, "sent: it may have been carried out")
		require.ErrorIs(t, e, context.DeadlineExceeded)

		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Call(cancelled, "user.login", nil, nil), context.Canceled)
	})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	c := New(Options{URL: "http://user:hunter2@" + address, Transport: &http.Transport{}})
	err = c.unauthenticated(t.Context(), nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Unreachable, e.Kind)
	require.False(t, e.Unanswered, "not sent: a retry is safe")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestErrorsAndLogsShowNoToken(t *testing.T) {
	var log bytes.Buffer
	const token = "0123456789abcdefSECRET"
	for _, version := range []string{"6.0.14", "7.0.22"} {
		f := &fake{version: version, token: "another"}
		server := httptest.NewServer(f)
		transport := &http.Transport{}
		c := New(Options{URL: server.URL, Token: token, Transport: transport,
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		err := c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"6"}, Ack: true})
		require.Equal(t, NotAuthorised, KindOf(err))
		require.NotContains(t, fmt.Sprintf("%+v %v %#v", err, err, errors.Unwrap(err)), token)
		transport.CloseIdleConnections()
		server.Close()
		err = c.Call(t.Context(), "user.get", nil, nil)
		require.Equal(t, Unreachable, KindOf(err))
		require.NotContains(t, fmt.Sprintf("%+v %v", err, err), token)
	}
	require.NotEmpty(t, log.String())
	require.NotContains(t, log.String(), token)
}
