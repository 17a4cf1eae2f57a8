package config_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
)

// A route accepts every kind of line that the renderer has, and no other.
func TestTellAcceptsTheRenderersKinds(t *testing.T) {
	parse := func(kind string) error {
		_, err := config.Parse("relay.yaml", fmt.Appendf(nil, `webex: {bots: [{name: noc, token_env: X}]}
rooms: [{name: noc, id: ROOM}]
notify: [{name: ci, token_env: Y, persons: true}]
default_rooms: noc
routes: [{rooms: noc, tell: %s}]
`, kind), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
		return err
	}
	for _, kind := range render.TellKinds {
		require.NoError(t, parse(kind))
	}
	require.ErrorContains(t, parse("updated"), `relay.yaml:5: routes[0].tell[0]: unknown value "updated"`)
}
