package relay

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// values is a store of named values.
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

// Each store has one link key, so links in Zabbix stay valid after a restart.
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
