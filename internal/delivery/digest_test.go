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

var someStorm = config.Storm{Threshold: 10, Window: config.Duration(5 * time.Second), Individual: alert.Disaster}

// A room is in a storm by the number of posts or by the time that sending takes.
func TestStorm(t *testing.T) {
	for name, c := range map[string]struct {
		storm     config.Storm
		behind    int
		perSecond float64
		want      bool
	}{
		"quiet":              {someStorm, 1, 5, false},
		"the threshold":      {someStorm, 10, 5, false},
		"above it":           {someStorm, 11, 5, true},
		"slow":               {someStorm, 6, 1, true},
		"slow, and one":      {someStorm, 1, 0.1, false},
		"no window":          {config.Storm{Threshold: 10}, 6, 0.2, false},
		"not configured":     {config.Storm{}, 10000, 5, false},
		"fast, in the limit": {config.Storm{Threshold: 1000, Window: config.Duration(5 * time.Second)}, 500, 100, false},
	} {
		require.Equal(t, c.want, Storm(c.storm, c.behind, c.perSecond), name)
	}
}

// What came is gathered until it is quiet, or for gatherMost; a burst that was
// none is let go; a storm ends when it rains less.
func TestGather(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f := Inflow{Settings: someStorm}
	f.Arrived(2, now)
	require.False(t, f.Burst(now))
	f.Arrived(2, now.Add(burstTime))
	require.True(t, f.Burst(now.Add(burstTime)), "four within half a second")
	f.First = now
	op, _ := f.Gather(now.Add(burstTime))
	require.Equal(t, GatherRelease, op)
	require.False(t, f.Judge(4, 5, now))
	require.True(t, f.Judge(11, 5, now))

	op, _ = f.Gather(now)
	require.Equal(t, GatherJoin, op, "at once: the digest gathers")

	for at := now; at.Sub(now) < gatherMost; at = at.Add(gatherQuiet / 5) {
		f.Arrived(1, at)
		require.True(t, f.Until().After(at))
		require.LessOrEqual(t, f.Until().Sub(now), gatherMost)
	}
	at := now.Add(gatherMost)
	f.First = at
	f.Arrived(1, at)
	require.Equal(t, at.Add(gatherQuiet), f.Until())
	require.True(t, f.Judge(1, 5, at), "it still rains")
	require.False(t, f.Judge(1, 5, at.Add(calm)))
	f.First = time.Time{}
	require.Zero(t, f.Until(), "all is told")
}

// While it rains a digest that may takes in what comes; the fold is told so now and then.
func TestGathers(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	d := store.Digest{State: store.PostLive, MessageID: "M", Open: true, CreatedAt: now}
	require.Zero(t, Gathers(d, false, now))
	d.GathersUntil = Gathers(d, true, now)
	require.Equal(t, now.Add(gatherLease), d.GathersUntil)
	require.Equal(t, d.GathersUntil, Gathers(d, true, now.Add(gatherLease/2)), "it is told already")
	require.Equal(t, now.Add(gatherLease/2+gatherLease+time.Second), Gathers(d, true, now.Add(gatherLease/2+time.Second)))
	require.Equal(t, d.GathersUntil, Gathers(d, false, now.Add(time.Second)), "it ends by itself")
	for name, change := range map[string]func(*store.Digest){
		"edits": func(d *store.Digest) { d.Edits = joinEdits }, "large": func(d *store.Digest) { d.Joined = joinMost }, "flapping": func(d *store.Digest) { d.Flap = "main/13579" },
	} {
		full := d
		change(&full)
		require.Zero(t, Gathers(full, true, now), name)
	}
	d.Edits = joinEdits - 1
	require.Zero(t, TakenDigest(step.Step{Op: OpDigestEdit}, d, "M", "H", true, now).GathersUntil, "closed with its last edit for that")
}

// Digests step by step.
func TestNextDigest(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	live := store.Digest{ID: 1, State: store.PostLive, MessageID: "M", Joined: 20, Shown: 20, Open: true, Complete: true, CreatedAt: now.Add(-time.Hour), SpokeAt: now.Add(-time.Hour)}
	for name, c := range map[string]struct {
		change func(d *store.Digest)
		seen   Seen
		want   step.Op
		in     time.Duration
	}{
		"caught up":                {func(*store.Digest) {}, Seen{}, step.OpNone, 0},
		"dead":                     {func(d *store.Digest) { d.State = store.PostDead; d.MessageID = "" }, Seen{}, step.OpNone, 0},
		"new":                      {func(d *store.Digest) { d.MessageID = "" }, Seen{Changed: now}, OpDigest, 0},
		"new, gathering":           {func(d *store.Digest) { d.MessageID = "" }, Seen{Gathers: now.Add(time.Second)}, step.OpWait, time.Second},
		"new, flapping":            {func(d *store.Digest) { d.MessageID, d.Flap = "", "main/13579" }, Seen{Gathers: now.Add(time.Second)}, OpDigest, 0},
		"gathering again":          {func(d *store.Digest) { d.Joined++ }, Seen{Gathers: now.Add(time.Second)}, step.OpWait, time.Second},
		"gathered again":           {func(d *store.Digest) { d.Joined++ }, Seen{Gathers: now}, OpDigestEdit, 0},
		"backs off":                {func(d *store.Digest) { d.MessageID, d.NotBefore = "", now.Add(time.Second) }, Seen{}, step.OpWait, time.Second},
		"changed":                  {func(d *store.Digest) { d.Behind, d.BehindSince = true, now.Add(-time.Second) }, Seen{}, OpDigestEdit, 0},
		"changing":                 {func(d *store.Digest) { d.Behind, d.BehindSince = true, now }, Seen{Changed: now}, step.OpWait, changeQuiet},
		"looking takes long":       {func(d *store.Digest) { d.Behind, d.BehindSince = true, now.Add(-changeMost) }, Seen{Looked: now, Took: time.Second}, step.OpWait, lookRest * time.Second},
		"changing for long":        {func(d *store.Digest) { d.Behind, d.BehindSince = true, now.Add(-changeMost) }, Seen{Changed: now}, OpDigestEdit, 0},
		"edited a moment ago":      {func(d *store.Digest) { d.Behind, d.BehindSince, d.Edits, d.SpokeAt = true, now, 3, now }, Seen{Differs: true}, step.OpWait, 16 * time.Second},
		"whether it says anything": {func(d *store.Digest) { d.Behind, d.BehindSince, d.Edits, d.SpokeAt = true, now, 3, now }, Seen{}, OpDigestLook, 0},
		"looked a moment ago":      {func(d *store.Digest) { d.Behind, d.BehindSince, d.Edits, d.SpokeAt = true, now, 3, now }, Seen{Looked: now}, step.OpWait, lookLeast},
		"who joined is told":       {func(d *store.Digest) { d.Behind, d.BehindSince, d.Joined, d.Edits, d.SpokeAt = true, now, 21, 3, now }, Seen{}, step.OpWait, joinSpacing},
		"all resolved": {func(d *store.Digest) {
			d.Behind, d.BehindSince, d.Open, d.Edits, d.SpokeAt = true, now.Add(-time.Second), false, 8, now
		}, Seen{}, OpDigestEdit, 0},
		"one left":             {func(d *store.Digest) { d.Left = 1 }, Seen{}, OpDigestEdit, 0},
		"its list":             {func(d *store.Digest) { d.Complete = false }, Seen{}, OpDigestFile, 0},
		"its list, in a storm": {func(d *store.Digest) { d.Complete = false; d.CreatedAt = now }, Seen{Arrived: now}, step.OpWait, fileQuiet},
		"rain without end":     {func(d *store.Digest) { d.Complete = false }, Seen{Arrived: now, Parked: true}, OpDigestFile, 0},
		"the list grew": {func(d *store.Digest) {
			d.Complete, d.Listed, d.CreatedAt = false, 15, now.Add(-joinAge/2)
		}, Seen{Arrived: now}, step.OpWait, fileAgain},
		"it takes in no more": {func(d *store.Digest) { d.Complete, d.SpokeAt, d.Edits = false, now, joinEdits }, Seen{Arrived: now.Add(-time.Hour)}, step.OpWait, fileQuiet},
		"listed":              {func(d *store.Digest) { d.Complete, d.Listed = false, 20 }, Seen{}, step.OpNone, 0},
	} {
		d := live
		c.change(&d)
		s := NextDigest(d, c.seen, now)
		require.Equal(t, c.want, s.Op, name)
		if c.want == step.OpWait {
			require.Equal(t, c.in, s.Until.Sub(now), name)
		}
	}
}

// A digest takes in more while it is young, has edits left, and isn't over.
func TestTakes(t *testing.T) {
	now := time.Now()
	require.True(t, Takes(store.Digest{State: store.PostLive, CreatedAt: now.Add(-time.Hour)}, now), "not posted yet")
	posted := store.Digest{State: store.PostLive, MessageID: "M", Open: true, CreatedAt: now}
	require.True(t, Takes(posted, now))
	require.False(t, Takes(posted, now.Add(joinAge)))
	for name, change := range map[string]func(*store.Digest){
		"edits": func(d *store.Digest) { d.Edits = joinEdits }, "over": func(d *store.Digest) { d.Open = false }, "dead": func(d *store.Digest) { d.State = store.PostDead },
	} {
		d := posted
		change(&d)
		require.False(t, Takes(d, now), name)
	}
	require.Less(t, joinEdits, webex.MaxEdits-keptForTheEnd, "what joined can be shown")
}

// Who leaves: what somebody acted on by itself, what became severe; not what is
// over, what was done to all, or more at once than the room can take.
func TestLeavers(t *testing.T) {
	problems := map[alert.Key]alert.Problem{}
	post := func(n int, change func(*alert.Problem)) store.Post {
		p := alert.Problem{Key: key(n), State: alert.StateOpen, Severity: alert.High, Revision: 1}
		addEntry(&p, alert.EntryOpened, "")
		change(&p)
		problems[key(n)] = p
		return store.Post{Key: key(n), Cursor: store.Cursor{Digest: 1, ToldSeq: 1}}
	}
	posts := []store.Post{
		post(1, func(*alert.Problem) {}), post(2, ack), post(3, say("on it")), post(4, severity(alert.Disaster)), post(5, resolve),
		post(6, func(p *alert.Problem) { ack(p); resolve(p) }),
		post(7, func(p *alert.Problem) { ack(p); p.Timeline[1].Update.Wide = true }),
	}
	told := post(8, ack)
	told.ToldSeq = 2
	posts = append(posts, told)
	require.ElementsMatch(t, []alert.Key{key(2), key(3), key(4)}, keysOf(Leavers(posts, problems, someStorm, false)))
	of := map[alert.Key]*alert.Problem{}
	for k, p := range problems {
		of[k] = &p
	}
	delete(of, key(1))
	require.Equal(t, map[alert.Key]bool{key(5): true, key(7): true, key(8): true}, stay(posts, of, someStorm), "those that aren't worth a look, as far as is known")
	for n := range 11 {
		posts = append(posts, post(100+n, ack))
	}
	require.Equal(t, []alert.Key{key(4)}, keysOf(Leavers(posts, problems, someStorm, false)))
}

// What a refusal does to a digest.
func TestRefusedDigest(t *testing.T) {
	now := time.Now()
	d := store.Digest{State: store.PostLive, MessageID: "M", Hash: "H", Edits: 2}
	refuse := func(op step.Op, status int, doubts digestDoubts) (store.Digest, step.Verdict) {
		after, _, v := RefusedDigest(step.Step{Op: op}, d, doubts, &webex.Error{Status: status}, time.Minute, now)
		return after, v
	}
	after, v := refuse(OpDigestEdit, 429, digestDoubts{})
	require.Equal(t, d, after)
	require.Equal(t, step.Retry, v)
	after, v = refuse(OpDigestEdit, 503, digestDoubts{})
	require.Equal(t, step.Retry, v)
	require.Equal(t, now.Add(time.Minute), after.NotBefore)
	after, v = refuse(OpDigestEdit, 404, digestDoubts{})
	require.Equal(t, step.Replan, v)
	require.Empty(t, after.MessageID, "somebody deleted it: it is posted anew")
	_, v = refuse(OpDigestEdit, 404, digestDoubts{PostedAnew: true})
	require.Equal(t, step.Dead, v, "once")
	after, v = refuse(OpDigestEdit, 400, digestDoubts{})
	require.Equal(t, step.Replan, v)
	require.Equal(t, webex.MaxEdits, after.Edits)
	_, v = refuse(OpDigest, 404, digestDoubts{})
	require.Equal(t, step.Gone, v)
	_, v = refuse(OpDigest, 400, digestDoubts{})
	require.Equal(t, step.Dead, v)
	after, v = refuse(OpDigestFile, 400, digestDoubts{})
	require.Equal(t, step.Replan, v)
	require.Empty(t, after.Hash, "an edit finds out whether it still lives")
	_, v = refuse(OpDigestFile, 400, digestDoubts{ThreadProved: true})
	require.Equal(t, step.Dead, v)
}
