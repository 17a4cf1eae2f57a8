package client

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
)

// On its own host a relay with TLS is called by its certificate alone, whatever name that has: no other server gets the token. A probe
// sends no token, and accepts any certificate.
func TestFindWithTLS(t *testing.T) {
	pair, other := memnet.NewAuthority("ours").Valid("relay.example.com"), memnet.NewAuthority("other").Valid("relay.example.com")
	var tokens []string
	serve := func(c tls.Certificate) string {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tokens = append(tokens, r.Header.Get("Authorization"))
			if r.URL.Path == Alive {
				_, _ = w.Write([]byte("alive\n"))
			} else {
				_, _ = w.Write([]byte(`{}`))
			}
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	cert := filepath.Join(t.TempDir(), "tls.crt")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	cfg := config.Local{Server: config.Server{AdminTokens: []config.Secret{config.NewSecret("first"), config.NewSecret("second")}, AdminTLS: config.TLS{CertFile: cert}}}

	cfg.Server.AdminListen = serve(pair)
	r, err := Find(cfg)
	require.NoError(t, err)
	require.Equal(t, "https://"+cfg.Server.AdminListen, r.URL)
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Bearer first"}, tokens)

	cfg.Server.AdminListen, tokens = serve(other), nil
	r, err = Find(cfg)
	require.NoError(t, err)
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.ErrorContains(t, err, "its certificate isn't the relay's")
	word, err := Probe(t.Context(), r, Alive)
	require.NoError(t, err)
	require.Equal(t, "alive", word)
	require.Equal(t, []string{""}, tokens)

	require.NoError(t, os.WriteFile(cert, []byte("x"), 0o600))
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.ErrorContains(t, err, "contains no certificate")
	cfg.Server.AdminTLS = config.TLS{}
	r, err = Find(cfg)
	require.NoError(t, err)
	require.Equal(t, Relay{URL: "http://" + cfg.Server.AdminListen, Token: "first"}, r)
}

// A running relay is found by what it wrote, whatever its configuration says by now; without that by the configuration. A default that
// the configuration may contradict is a guess.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "relay.db")
	file := filepath.Join(dir, "relay.yaml")
	moved := config.Local{File: file, Store: store, Server: config.Server{AdminListen: "127.0.0.1:9191", AdminTLS: config.TLS{CertFile: "next.pem"}}}
	gone := config.Local{File: file, Server: config.Server{AdminListen: "127.0.0.1:9090"}, Guessed: true, Unknown: config.Faults{{File: file, What: "gone"}}}
	find := func(c config.Local) Relay {
		t.Helper()
		r, err := Find(c)
		require.NoError(t, err)
		return r
	}
	require.Equal(t, Relay{URL: "https://127.0.0.1:9191", CertFile: "next.pem"}, find(moved))
	require.Equal(t, Relay{URL: "http://127.0.0.1:9090", Guess: gone.Unknown}, find(gone))

	require.NoError(t, Running{Admin: "[::]:9292", Config: file}.Write(store))
	require.Equal(t, Relay{URL: "http://127.0.0.1:9292"}, find(moved))
	require.Equal(t, Relay{URL: "http://127.0.0.1:9292"}, find(gone))
	info, err := os.Stat(store + ".admin")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	other := gone
	other.File = filepath.Join(dir, "other.yaml")
	require.Equal(t, Relay{URL: "http://127.0.0.1:9090", Guess: gone.Unknown}, find(other), "it is another configuration's relay")
	moved.Store = filepath.Join(dir, "next.db") // counts after a restart
	require.Equal(t, Relay{URL: "http://127.0.0.1:9292"}, find(moved))

	require.NoError(t, Running{Admin: "127.0.0.1:9292", Certificate: "f1", Config: file}.Write(store))
	require.Equal(t, Relay{URL: "https://127.0.0.1:9292", Certificate: "f1"}, find(gone))

	for name, spoil := range map[string]func() error{
		"truncated": func() error { return os.WriteFile(store+".admin", []byte(`{"admin": "127`), 0o600) },
		"a link": func() error {
			return errors.Join(Running{Admin: "127.0.0.1:1", Config: file}.Write(store+".of-another"), os.Symlink(store+".of-another.admin", store+".admin"))
		},
	} {
		require.NoError(t, Forget(store))
		require.NoError(t, spoil())
		require.Equal(t, Relay{URL: "http://127.0.0.1:9090", Guess: gone.Unknown}, find(gone), name)
	}
	require.NoError(t, Forget(store))
	require.NoError(t, Forget(store), "there is none")
	// What can't be written doesn't leave what an earlier relay wrote.
	require.NoError(t, Running{Admin: "127.0.0.1:1"}.Write(store))
	require.NoError(t, os.Mkdir(store+".admin.new", 0o700))
	require.Error(t, Running{Admin: "127.0.0.1:2"}.Write(store))
	require.NoFileExists(t, store+".admin")
}

// While a relay notices that its token or its certificate was replaced, a call is repeated; not after any other error, and not for ever.
func TestRetry(t *testing.T) {
	calls, status := 0, http.StatusUnauthorized
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(status)
		}
		_, _ = w.Write([]byte(`{"error": "no"}`))
	})
	plain, secured := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secured.Close()
	missing := config.Faults{{File: "relay.yaml", Key: "server.admin_token_file", What: "cannot read it"}}
	relay := Relay{URL: plain.URL}
	ask := func() error { _, err := Ask[struct{}](t.Context(), relay, "/-/reload", struct{}{}); return err }
	require.NoError(t, Retry(t.Context(), time.Minute, ask))
	require.Equal(t, 2, calls)

	calls = 0
	require.ErrorContains(t, Retry(t.Context(), 0, ask), "answered 401 Unauthorized: no")
	require.Equal(t, 1, calls)
	relay.NoToken, calls = missing, 0
	require.EqualError(t, Retry(t.Context(), time.Minute, ask), plain.URL+" answered 401 Unauthorized: no\n"+
		"relay.yaml: server.admin_token_file: cannot read it", "a token that isn't readable doesn't become so by waiting")
	require.Equal(t, 1, calls)
	calls, status = 0, http.StatusForbidden
	require.ErrorContains(t, Retry(t.Context(), time.Minute, ask), "answered 403 Forbidden: no")
	require.Equal(t, 1, calls)

	relay, calls = Relay{URL: secured.URL, Certificate: "of before"}, 1
	tries := 0
	require.NoError(t, Retry(t.Context(), time.Minute, func() error {
		if tries++; tries == 2 {
			relay.Certificate = Fingerprint(secured.Certificate().Raw)
		}
		return ask()
	}))
	require.Equal(t, 2, tries)

	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		require.ErrorIs(t, Retry(t.Context(), 5*time.Second, func() error { tries++; return errCertificate }), errCertificate)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, 21, tries)
	})
}
