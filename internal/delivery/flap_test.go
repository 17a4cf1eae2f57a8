package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A message takes in openings until its edits are nearly spent, it names as many
// as it can, or the trigger was quiet for the window.
func TestTakesOpening(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f := config.Flapping{Count: 3, Window: config.Duration(15 * time.Minute)}
	live := store.Digest{State: store.PostLive, Flap: "main/trigger/17", MessageID: "M", Joined: 4, CreatedAt: now.Add(-time.Hour)}
	for name, c := range map[string]struct {
		change func(*store.Digest)
		ago    time.Duration
		want   bool
	}{
		"goes on":         {func(*store.Digest) {}, time.Minute, true},
		"closed meantime": {func(d *store.Digest) { d.Open = false }, time.Minute, true},
		"quiet":           {func(*store.Digest) {}, 15 * time.Minute, false},
		"not posted yet":  {func(d *store.Digest) { d.MessageID = "" }, time.Hour, true},
		"dead":            {func(d *store.Digest) { d.State = store.PostDead }, 0, false},
		"edited often":    {func(d *store.Digest) { d.Edits = flapJoinEdits }, 0, false},
		"full":            {func(d *store.Digest) { d.Joined = flapOpenings }, 0, false},
		"full, unposted":  {func(d *store.Digest) { d.MessageID, d.Joined = "", flapOpenings }, 0, false},
	} {
		d := live
		c.change(&d)
		require.Equal(t, c.want, TakesOpening(d, now.Add(-c.ago), f, now), name)
	}
	require.Less(t, flapJoinEdits, webex.MaxEdits-keptForTheEnd, "what joined can be shown, and its end")
}

// Edits are further apart the more were used, also when all is closed for a
// moment: only what stays so is told sooner. The one that is kept for the end is for that.
func TestFlappingIsEditedSeldom(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		edits, open   int
		spoke, change time.Duration // ago
		want          time.Duration // from now; 0: at once
	}{
		"the first":              {0, 1, 5 * time.Second, 2 * time.Second, 5 * time.Second},
		"late":                   {0, 1, time.Minute, 2 * time.Second, 0},
		"the fourth":             {3, 1, 20 * time.Second, 2 * time.Second, time.Minute},
		"the ninth":              {8, 1, time.Minute, 2 * time.Second, 4 * time.Minute},
		"closed":                 {3, 0, 20 * time.Second, 2 * time.Second, flapCalm - 2*time.Second},
		"closed and stays so":    {7, 0, 2 * time.Minute, flapCalm, 0},
		"closed and early on":    {0, 0, 5 * time.Second, 2 * time.Second, 5 * time.Second},
		"closed a moment ago":    {0, 0, time.Minute, 0, changeQuiet},
		"closed, a moment later": {6, 0, 4 * time.Minute, time.Minute - time.Second, time.Second},
	} {
		d := store.Digest{State: store.PostLive, Flap: "F", MessageID: "M", Joined: 5, Said: 5, Shown: 4, Complete: true, Edits: c.edits, Open: c.open > 0,
			SpokeAt: now.Add(-c.spoke), Behind: true, BehindSince: now.Add(-c.change)}
		s := NextDigest(d, Seen{Changed: d.BehindSince}, now)
		if c.want == 0 {
			require.Equal(t, OpDigestEdit, s.Op, name)
			continue
		}
		require.Equal(t, step.OpWait, s.Op, name)
		require.Equal(t, c.want, s.Until.Sub(now), name)
	}
}

// People are notified of a severe problem that opened again, once, while it is
// open, and not twice in a minute.
func TestAgainAt(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	post := func(n int, ago time.Duration, s alert.Severity, open bool) store.Post {
		return store.Post{Key: key(n), Severity: s, Open: open, JoinedAt: now.Add(-ago)}
	}
	d := store.Digest{Flap: "F", MessageID: "M", Joined: 3, Said: 2}
	old, older := post(2, 5*time.Minute, alert.Disaster, false), post(1, 10*time.Minute, alert.Disaster, false)
	for name, c := range map[string]struct {
		change func(*store.Digest)
		posts  []store.Post
		want   time.Duration // ago
	}{
		"severe":             {func(*store.Digest) {}, []store.Post{post(3, time.Second, alert.Disaster, true), old, older}, time.Second},
		"not severe":         {func(*store.Digest) {}, []store.Post{older, old, post(3, time.Second, alert.High, true)}, -1},
		"closed again":       {func(*store.Digest) {}, []store.Post{older, old, post(3, time.Second, alert.Disaster, false)}, -1},
		"said":               {func(d *store.Digest) { d.Said = 3 }, []store.Post{older, old, post(3, time.Second, alert.Disaster, true)}, -1},
		"not posted":         {func(d *store.Digest) { d.MessageID = "" }, []store.Post{post(3, time.Second, alert.Disaster, true)}, -1},
		"a storm's":          {func(d *store.Digest) { d.Flap = "" }, []store.Post{post(3, time.Second, alert.Disaster, true)}, -1},
		"within the minute":  {func(*store.Digest) {}, []store.Post{older, post(2, 20*time.Second, alert.High, true), post(3, time.Second, alert.Disaster, true)}, -40 * time.Second},
		"the others left":    {func(*store.Digest) {}, []store.Post{post(3, time.Second, alert.Disaster, true)}, time.Second},
		"all of them left":   {func(*store.Digest) {}, nil, -1},
		"an open one, still": {func(d *store.Digest) { d.Said = 1 }, []store.Post{older, post(2, 5*time.Minute, alert.Disaster, true), post(3, time.Second, alert.Disaster, false)}, 5 * time.Minute},
	} {
		d := d
		c.change(&d)
		at := AgainAt(d, c.posts, alert.Disaster)
		if c.want == -1 {
			require.Zero(t, at, name)
			continue
		}
		require.Equal(t, now.Add(-c.want), at, name)
		d.State, d.Complete, d.Shown = store.PostLive, true, 3
		s := NextDigest(d, Seen{Again: at}, now)
		if at.After(now) {
			require.Equal(t, step.Step{Op: step.OpWait, Reason: step.ReasonDebounce, Until: at}, s, name)
		} else {
			require.Equal(t, OpDigestAgain, s.Op, name)
			require.Zero(t, AgainAt(TakenDigest(s, d, "L", "", false, now), c.posts, alert.Disaster), name)
		}
	}
}

// An opening that becomes a disaster stays: the room knows that it flaps. Who is acted on leaves.
func TestLeaversOfAFlappingTrigger(t *testing.T) {
	problems := map[alert.Key]alert.Problem{}
	var posts []store.Post
	for n, change := range []func(*alert.Problem){severity(alert.Disaster), ack, resolve} {
		p := alert.Problem{Key: key(n), State: alert.StateOpen, Severity: alert.High, Revision: 1}
		addEntry(&p, alert.EntryOpened, "")
		change(&p)
		problems[p.Key] = p
		posts = append(posts, store.Post{Key: p.Key, Cursor: store.Cursor{Digest: 1, ToldSeq: 1}})
	}
	require.Equal(t, []alert.Key{key(1)}, keysOf(Leavers(posts, problems, someStorm, true)))
}
