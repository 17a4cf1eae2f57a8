package httpclient

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// A token is read again only while it is refused. A call that was under way when it was replaced says nothing about the new one.
func TestToken(t *testing.T) {
	kept, broken, reads := "the-second-token", errors.New("permission denied"), 0
	var log testlog.Lines
	token := NewToken("the bot's token", "the-first-token", "file /run/secrets/token", func() (string, error) { reads++; return kept, broken }, log.Logger())
	require.Equal(t, "the-first-token", token.Current())
	require.Zero(t, reads)

	require.True(t, token.Judge("the-first-token", true))
	require.False(t, token.Judge("the-first-token", true), "already known to be refused")
	require.Equal(t, "the-first-token", token.Current())
	require.Contains(t, log.String(), `cannot read the bot's token again" from="file /run/secrets/token" error="permission denied"`)

	broken = nil
	require.Equal(t, "the-second-token", token.Current())
	require.Equal(t, "[token] and [token]", token.Redact("the-first-token and the-second-token"))
	require.Contains(t, log.String(), "the bot's token was replaced")
	require.False(t, token.Judge("the-first-token", true))
	require.Equal(t, "the-second-token", token.Current())
	require.Equal(t, 2, reads, "the new token is not refused")

	require.True(t, token.Judge("the-second-token", true))
	require.False(t, token.Judge("the-second-token", false))
	require.Equal(t, "the-second-token", token.Current())
	require.Equal(t, 2, reads)
	require.NotContains(t, log.String(), "second-token")
}

// A token without a source is kept, even if it is refused.
func TestAFixedToken(t *testing.T) {
	token := NewToken("the API token", "the-token", "", nil, nil)
	require.True(t, token.Judge("the-token", true))
	require.Equal(t, "the-token", token.Current())
	require.Empty(t, token.Hint())
}
