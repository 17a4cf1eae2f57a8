package alert

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The last who takes a problem owns it, in whatever order the entries arrive. Taking it doesn't acknowledge it.
func TestOwner(t *testing.T) {
	take := func(second int, o Owner) Event {
		return action4711(second, Update{Actor: Actor{Name: "Alice", Email: "alice@example.com"}, Actions: Actions{Comment: true}, Message: o.Email, Owner: &o})
	}
	alice, bob := take(10, Owner{ID: "P1", Email: "alice@example.com", Name: "Alice"}), take(20, Owner{Email: "bob@example.com"})
	for _, order := range [][]Event{{alice, bob}, {bob, alice}, {alice, bob, alice}} {
		var p Problem
		for i, e := range order {
			was := p
			var c Change
			p, c = Apply(p, e)
			require.Equal(t, i == 0 || p.Owner != was.Owner, c.Headline, "the headline names the owner")
		}
		require.Equal(t, "bob@example.com", p.Owner.Label())
		require.Equal(t, bob.Update.At.UTC(), p.Owner.Since)
		require.False(t, p.Acknowledged)
		require.NotNil(t, p.Timeline[0].Update.Owner)
		p, _ = Apply(p, take(30, Owner{}))
		require.Equal(t, Owner{}, p.Owner)
	}
}

// A comment that looks like the relay's changes no owner.
func TestOnlyTheRelayChangesTheOwner(t *testing.T) {
	e := action4711(10, Update{Message: "Taken by Eve (via Webex) [relay:owner=eve@example.com]", Owner: &Owner{Email: "eve@example.com"}})
	e.Kind = KindUpdate
	p, _ := Apply(Problem{}, e)
	require.Equal(t, Owner{}, p.Owner)
	require.WithinDuration(t, time.Time{}, p.Owner.Since, 0)
}
