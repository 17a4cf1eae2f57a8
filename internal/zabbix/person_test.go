package zabbix

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/zabbixsim"
)

// A person's token is checked in each version, and its client acts as the person. Neither logs the token.
func TestPersonsToken(t *testing.T) {
	for _, version := range []string{"6.0.14", "6.2.0", "6.4.0", "7.0.22", "7.2.0", "8.0.0"} {
		t.Run(version, func(t *testing.T) {
			z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
			require.NoError(t, err)
			server := httptest.NewServer(z)
			defer server.Close()
			var log bytes.Buffer
			c := New(Options{URL: server.URL, Token: zabbixsim.RelayToken, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})

			good, wrong, expired := strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)
			z.SetUser(zabbixsim.User{ID: "50", Username: "alice", Name: "Alice", Surname: "Example", Token: good, Expires: 1800000000, SuperAdmin: true})
			z.SetUser(zabbixsim.User{ID: "51", Username: "carol", Token: expired, Expired: true})
			owner, err := c.CheckToken(t.Context(), good)
			require.NoError(t, err)
			require.Equal(t, TokenOwner{Username: "alice", FullName: "Alice Example", Expires: time.Unix(1800000000, 0).UTC()}, owner)
			for _, token := range []string{wrong, expired} {
				_, err = c.CheckToken(t.Context(), token)
				require.Equal(t, NotAuthorised, KindOf(err), "%v", err)
				require.NotContains(t, err.Error(), token)
			}

			id := z.Raise(z.Triggers()[0])
			ids := []string{strconv.FormatInt(id, 10)}
			require.NoError(t, c.As(good).Acknowledge(t.Context(), Acknowledge{EventIDs: ids, Ack: true, Message: "mine"}))
			require.Equal(t, NotAuthorised, KindOf(c.As(wrong).Acknowledge(t.Context(), Acknowledge{EventIDs: ids, Message: "x"})))
			seen, err := c.Observe(t.Context(), ids)
			require.NoError(t, err, "the relay's own token still works")
			updates := seen[ids[0]].Updates
			require.Len(t, updates, 1)
			require.Contains(t, updates[0].Actor.Name, "alice")
			for _, token := range []string{good, wrong, expired} {
				require.NotContains(t, log.String(), token)
			}
			require.NotContains(t, log.String(), "Zabbix refuses the API token", "that is about the relay's own token")
		})
	}
}

// A role may hide when a token expires; from 7.0 on it is accepted nevertheless.
func TestTokenOfALimitedRole(t *testing.T) {
	z, err := zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
	require.NoError(t, err)
	server := httptest.NewServer(z)
	defer server.Close()
	token := strings.Repeat("a1", 32)
	z.SetUser(zabbixsim.User{ID: "50", Username: "alice", Token: token, Methods: []string{"event.acknowledge"}, Expires: 1800000000})
	owner, err := New(Options{URL: server.URL, Token: zabbixsim.RelayToken}).CheckToken(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, TokenOwner{Username: "alice"}, owner)
}
