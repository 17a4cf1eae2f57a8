package ledger

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func TestStorm(t *testing.T) {
	never, noPace, noWindow := defaults, defaults, defaults
	never.Threshold = 0
	noPace.Pace = 0
	noWindow.Window = 0
	for name, c := range map[string]struct {
		rules Grouping
		in    inflow
		want  bool
	}{
		"as many as the threshold":          {defaults, inflow{fresh: 10, joined: 10, behind: 10}, false},
		"more":                              {defaults, inflow{fresh: 11, joined: 11, behind: 11}, true},
		"storms are disabled":               {never, inflow{fresh: 5000, joined: 5000, behind: 5000, newFlaps: 9, ongoing: true}, false},
		"two, and the room is far behind":   {defaults, inflow{fresh: 2, behind: 26}, true},
		"two, and it catches up in time":    {defaults, inflow{fresh: 2, behind: 25}, false},
		"one, and the room is far behind":   {defaults, inflow{fresh: 1, joined: 1, behind: 26}, false},
		"one of several":                    {defaults, inflow{fresh: 1, joined: 4, behind: 26}, true},
		"the pace is unknown":               {noPace, inflow{fresh: 2, behind: 26}, false},
		"the pace is disabled":              {noWindow, inflow{fresh: 2, behind: 26}, false},
		"a storm continues":                 {defaults, inflow{fresh: 1, joined: 11, ongoing: true}, true},
		"a storm is over":                   {defaults, inflow{fresh: 1, joined: 10, ongoing: true}, false},
		"three triggers that begin to flap": {defaults, inflow{fresh: 1, newFlaps: 3}, false},
		"four":                              {defaults, inflow{fresh: 1, newFlaps: 4}, true},
		"nothing waits for a message":       {defaults, inflow{joined: 100, behind: 100, newFlaps: 9, ongoing: true}, false},
	} {
		require.Equal(t, c.want, c.rules.storm(c.in), name)
	}
}

func TestFlaps(t *testing.T) {
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	opening := func(id, minutes int, open bool) store.Opening {
		return store.Opening{Key: alert.Key{Source: "main", EventID: strconv.Itoa(id)}, OpenedAt: at(minutes), Open: open}
	}
	own := opening(9, 30, true)
	off := defaults
	off.FlapCount = 0
	for name, c := range map[string]struct {
		rules  Grouping
		others []store.Opening
		taken  bool
		want   bool
	}{
		"the first":                         {defaults, nil, false, false},
		"itself doesn't count":              {defaults, []store.Opening{own, own, own}, false, false},
		"the second":                        {defaults, []store.Opening{opening(1, 29, false)}, false, false},
		"the third":                         {defaults, []store.Opening{opening(1, 28, false), opening(2, 29, false)}, false, true},
		"another one is open":               {defaults, []store.Opening{opening(1, 27, false), opening(2, 28, false), opening(3, 29, true)}, true, false},
		"the others are too old":            {defaults, []store.Opening{opening(1, 15, false), opening(2, 29, false)}, false, false},
		"just within the window":            {defaults, []store.Opening{opening(1, 16, false), opening(2, 29, false)}, false, true},
		"arrived late, opened earlier":      {defaults, []store.Opening{opening(1, 31, false), opening(2, 32, false)}, false, false},
		"its trigger's message accepts it":  {defaults, []store.Opening{opening(1, 29, false)}, true, true},
		"flapping is disabled":              {off, []store.Opening{opening(1, 28, false), opening(2, 29, false)}, true, false},
		"openings in the same second count": {defaults, []store.Opening{opening(1, 30, false), opening(2, 30, false)}, false, true},
	} {
		require.Equal(t, c.want, c.rules.flaps(own, c.others, c.taken), name)
	}
}

func TestGroupsAcceptMembers(t *testing.T) {
	message := func(change func(*store.Group)) store.Group {
		g := store.Group{OpenedAt: epoch, JoinedAt: epoch, Joined: 11, Open: true, Revision: 1, GroupCursor: store.GroupCursor{State: store.PostLive, MessageID: "M", Edits: 2}}
		change(&g)
		return g
	}
	for name, c := range map[string]struct {
		g               store.Group
		after           time.Duration
		digest, flaping bool
	}{
		"a young message":            {message(func(*store.Group) {}), time.Minute, true, true},
		"an old one":                 {message(func(*store.Group) {}), 10 * time.Minute, false, true},
		"nothing joined recently":    {message(func(g *store.Group) { g.OpenedAt = epoch.Add(14 * time.Minute) }), 15 * time.Minute, true, false},
		"all is resolved":            {message(func(g *store.Group) { g.Open = false }), time.Minute, false, true},
		"edited often":               {message(func(g *store.Group) { g.Edits = 5 }), time.Minute, false, true},
		"edited very often":          {message(func(g *store.Group) { g.Edits = 8 }), time.Minute, false, false},
		"no message yet":             {message(func(g *store.Group) { g.MessageID, g.Open = "", false }), time.Hour, true, true},
		"emptied before its message": {message(func(g *store.Group) { g.MessageID, g.Open, g.Edits, g.Shown = "", false, 0, 1 }), time.Minute, false, false},
		"refused for good":           {message(func(g *store.Group) { g.State = store.PostDead }), time.Minute, false, false},
		"a hundred openings":         {message(func(g *store.Group) { g.Joined = 100 }), time.Minute, true, false},
		"ten thousand problems":      {message(func(g *store.Group) { g.Joined = 10_000 }), time.Minute, false, false},
		"the same without message":   {message(func(g *store.Group) { g.Joined, g.MessageID = 10_000, "" }), time.Minute, false, false},
	} {
		require.Equal(t, c.digest, acceptsProblems(c.g, epoch.Add(c.after)), name)
		require.Equal(t, c.flaping, acceptsOpenings(c.g, 15*time.Minute, epoch.Add(c.after)), name)
	}
}
