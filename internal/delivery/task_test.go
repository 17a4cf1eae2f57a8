package delivery

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

// A new digest goes first, then one whose message says the wrong state, then other changes: both when the store
// reports it and once its next step is known.
func TestUrgencyOfDigests(t *testing.T) {
	for name, c := range map[string]struct {
		message      string
		open, saysIt bool // saysIt: the message says that all are resolved
		op           step.Op
		want         int
	}{
		"no message yet":                        {"", true, false, step.OpGroup, classNew},
		"it says resolved and a problem opened": {"M", true, true, step.OpGroupEdit, classWrong},
		"it says open and all is resolved":      {"M", false, false, step.OpGroupEdit, classWrong},
		"other changes of an open one":          {"M", true, false, step.OpGroupEdit, classUpdate},
		"other changes of a resolved one":       {"M", false, true, step.OpGroupEdit, classUpdate},
		"a list":                                {"M", true, false, step.OpGroupList, classUpdate},
	} {
		d := &Delivery{Options: Options{Rooms: someRooms, Bots: []Bot{{Name: "noc"}}}}
		g := store.Group{ID: 1, Room: "noc", Revision: 2, Open: c.open, PendingSince: time.Unix(1, 0), GroupCursor: store.GroupCursor{MessageID: c.message, Shown: 1, SaysResolved: c.saysIt}}
		require.Equal(t, c.want, d.newGroupTask(g).Class, name)
		require.Equal(t, c.want, groupUrgency(step.Step{Op: c.op}, g).Class, name)
	}
}

// A queued digest that becomes wrong goes before all but replies and new problems.
func TestAQueuedDigestThatBecomesWrongMovesUp(t *testing.T) {
	g := store.Group{ID: 1, Room: "noc", Revision: 2, Open: true, GroupCursor: store.GroupCursor{MessageID: "M", Shown: 1}}
	d := &Delivery{Options: Options{Rooms: someRooms, Bots: []Bot{{Name: "noc"}}, Metrics: NewMetrics(prometheus.NewRegistry())}}
	b := newBot(d, d.Bots[0])
	b.enqueue([]*task{d.newGroupTask(g)}, false)
	g.SaysResolved = true
	b.enqueue([]*task{d.newGroupTask(g)}, false)
	require.Equal(t, classWrong, b.queue.Get("group:1").Class)
}
