package delivery

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
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
		d := withOneBot()
		g := store.Group{ID: 1, Room: "noc", Revision: 2, Open: c.open, PendingSince: time.Unix(1, 0), GroupCursor: store.GroupCursor{MessageID: c.message, Shown: 1, SaysResolved: c.saysIt}}
		require.Equal(t, c.want, d.newGroupTask(g).Class, name)
		require.Equal(t, c.want, urgencyOf(c.op, step.Wrong(g), groupRank, g.PendingSince).Class, name)
	}
}

// A post that is found pending has the class of the step that it probably needs.
func TestUrgencyOfPosts(t *testing.T) {
	for name, c := range map[string]struct {
		root string
		open bool
		op   step.Op
		want int
	}{
		"new":                            {"", true, step.OpRoot, classNew},
		"resolved":                       {"M", false, step.OpEdit, classWrong},
		"changed":                        {"M", true, step.OpEdit, classUpdate},
		"an entry for the thread":        {"M", true, step.OpLines, classUpdate},
		"resolved, perhaps never posted": {"", false, step.OpEdit, classWrong},
	} {
		d := withOneBot()
		v := &view{post: store.Post{Key: key(1), Room: "noc", Severity: alert.High, Open: c.open, PendingSince: time.Unix(1, 0), Cursor: store.Cursor{RootID: c.root}}}
		v.problem = alert.Problem{State: alert.StateResolved, Severity: alert.High}
		if c.open {
			v.problem.State = alert.StateOpen
		}
		known := v.urgency(step.Step{Op: c.op})
		require.Equal(t, c.want, known.Class, name)
		require.Equal(t, known, d.newPostTask(v.post).Urgency, name)
	}
	require.Equal(t, classUpdate, urgencyOf(step.OpRoot, true, 0, time.Time{}).Class, "a resolved problem that was never posted isn't new")
	require.Equal(t, classCard, urgencyOf(step.OpCard, false, 0, time.Time{}).Class)
}

func withOneBot() *Delivery {
	d := &Delivery{Options: Options{Rooms: someRooms, Metrics: NewMetrics(prometheus.NewRegistry())}}
	d.SetBots([]Bot{{Name: "noc"}}, 4, func() {})
	return d
}

// A queued digest that becomes wrong goes before all but replies and new problems.
func TestAQueuedDigestThatBecomesWrongMovesUp(t *testing.T) {
	g := store.Group{ID: 1, Room: "noc", Revision: 2, Open: true, GroupCursor: store.GroupCursor{MessageID: "M", Shown: 1}}
	d := withOneBot()
	b := d.bot("noc")
	b.enqueue([]*task{d.newGroupTask(g)}, false)
	g.SaysResolved = true
	b.enqueue([]*task{d.newGroupTask(g)}, false)
	require.Equal(t, classWrong, b.queue.Get("group:1").Class)
}
