package relay

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// values are a store's small things by name.
type values struct {
	held map[string]string
	err  error
}

func (v values) Value(_ context.Context, name string) (string, error) {
	if v.err != nil {
		return "", v.err
	}
	if value, ok := v.held[name]; ok {
		return value, nil
	}
	return "", store.ErrNotFound
}

func (v values) SetValue(_ context.Context, name, value string) error {
	v.held[name] = value
	return nil
}

// The key of the links is made once for each store: links in Zabbix outlive a restart.
func TestLinkKeyIsKept(t *testing.T) {
	one, another := values{held: map[string]string{}}, values{held: map[string]string{}}
	first, err := linkKey(t.Context(), one)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(first), 20)
	again, err := linkKey(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := linkKey(t.Context(), another)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	_, err = linkKey(t.Context(), values{err: errors.New("disk I/O error")})
	require.ErrorContains(t, err, "disk I/O error")
}
