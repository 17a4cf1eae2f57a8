package step

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

func TestNextNotice(t *testing.T) {
	sent := store.Notice{State: store.NoticePending, MessageID: "m", Version: 2, SentVersion: 1}
	with := func(change func(*store.Notice)) store.Notice { n := sent; change(&n); return n }
	cases := []struct {
		promise string
		n       store.Notice
		op      Op
	}{
		{"a new one is posted", store.Notice{State: store.NoticePending, Version: 1}, OpNotice},
		{"a new body edits the message", sent, OpNoticeEdit},
		{"the same body is sent once", with(func(n *store.Notice) { n.SentVersion = 2 }), OpNone},
		{"after the tenth edit it is posted again", with(func(n *store.Notice) { n.Edits = 10 }), OpNotice},
		{"a card is replaced, after its old buttons are deleted", with(func(n *store.Notice) { n.Card = []byte("{}") }), OpDelete},
		{"not before its time", with(func(n *store.Notice) { n.NotBefore = noon.Add(1) }), OpWait},
		{"a dead letter stays unsent", with(func(n *store.Notice) { n.State = store.NoticeDead }), OpNone},
		{"a sent notice isn't sent again", with(func(n *store.Notice) { n.State = store.NoticeSent }), OpNone},
	}
	for _, tc := range cases {
		require.Equal(t, tc.op, NextNotice(tc.n, noon).Op, tc.promise)
	}
}

func TestRefusedNotice(t *testing.T) {
	n := store.Notice{State: store.NoticePending, MessageID: "m", Version: 2, SentVersion: 1, Edits: 3}
	for _, tc := range []struct {
		promise string
		op      Op
		status  int
		verdict Verdict
	}{
		{"429 changes nothing", OpNotice, 429, Retry},
		{"5xx is retried", OpNotice, 503, Retry},
		{"a refused post is a dead letter", OpNotice, 400, Dead},
		{"after a refused edit it is posted again", OpNoticeEdit, 400, Replan},
		{"a deleted message is posted again", OpNoticeEdit, 404, Replan},
		{"a card that can't be deleted is as good as gone", OpDelete, 403, Replan},
	} {
		after, _, verdict := RefusedNotice(Step{Op: tc.op}, n, Doubt{}, refusal(tc.status), time.Minute, noon)
		require.Equal(t, tc.verdict, verdict, tc.promise)
		if verdict == Replan {
			require.Contains(t, []Op{OpNotice}, NextNotice(after, noon).Op, tc.promise)
		}
	}
}
