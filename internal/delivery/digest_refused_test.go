package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A digest whose edit is refused while problems have joined that its message
// doesn't name gets a list that does. Where none joined, its message names all as it is.
func TestARefusedEditOwesTheList(t *testing.T) {
	now := time.Now()
	d := store.Digest{State: store.PostLive, MessageID: "M", Hash: "H", Complete: true, Open: 8, Joined: 8, Shown: 5, Edits: 1, Pending: true}
	refused := func(d store.Digest) Step {
		after, _, v := RefusedDigest(Step{Op: OpDigestEdit}, d, Doubts{}, &webex.Error{Status: 400}, time.Minute, now)
		require.Equal(t, VerdictReplan, v)
		after = ShownDigest(after) // nothing is resolved that the thread could tell
		require.Equal(t, after.Pending, owesFile(after))
		return NextDigest(after, Seen{}, now)
	}
	require.Equal(t, OpDigestFile, refused(d).Op)
	d.Shown = 8
	require.Equal(t, OpNone, refused(d).Op)
}
