package delivery

import (
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// The steps of digests, besides step.OpNone and step.OpWait.
const (
	OpDigest      step.Op = "digest"       // post the message that stands for many
	OpDigestEdit  step.Op = "digest_edit"  // bring it up to date; in the thread, where its edits are spent
	OpDigestFile  step.Op = "digest_file"  // attach the complete list in its thread
	OpDigestNudge step.Op = "digest_nudge" // remind of its problems, or say that they escalated, in its thread
	OpDigestLine  step.Op = "digest_line"  // what OpDigestEdit becomes in the thread: how it is now
	// OpDigestLook finds out whether what changed is anything that the message says, before an edit may be made.
	OpDigestLook step.Op = "digest_look"
	// OpDigestAgain tells in the thread that a severe problem opened again.
	OpDigestAgain step.Op = "digest_again"
)

const (
	// gatherQuiet is how long nothing new may come before what was gathered is told,
	// gatherMost how long it is gathered at most.
	gatherQuiet = time.Second
	gatherMost  = 3 * time.Second
	// More than burst new problems within burstTime wait for burstTime to see
	// whether a storm begins: it costs a moment, and saves the room a message and a card for each.
	burst     = 3
	burstTime = 500 * time.Millisecond
	// calm is over how long more than the threshold of new problems keep a storm going.
	calm = 10 * time.Second
	// A digest takes in more while it has been edited less than joinEdits times and
	// is younger than joinAge: nobody is alarmed by the edit of an old message.
	joinEdits = 5
	joinAge   = 10 * time.Minute
	// joinMost bounds what is held of one digest in memory, and its list.
	joinMost = 50_000
	// gatherLease is how long the fold puts new problems into a digest by itself, without hearing
	// again that it rains.
	gatherLease = 4 * time.Second
)

// Storm says whether a room that is so many new problems behind gets them in a
// digest: more than the threshold, or more than its bot sends in the window at
// its present pace. No threshold: never.
func Storm(s config.Storm, behind int, perSecond float64) bool {
	if s.Threshold <= 0 || behind < 2 {
		return false
	}
	window := time.Duration(s.Window).Seconds()
	return behind > s.Threshold || window > 0 && float64(behind) > window*perSecond
}

// Inflow is how new problems come to one room, and whether it is in a storm.
type Inflow struct {
	Settings config.Storm
	Storm    bool
	First    time.Time // when the first of those that the room isn't told of came; zero for none
	Last     time.Time // when a new problem came last
	recent   []time.Time
}

// Arrived takes in new problems.
func (f *Inflow) Arrived(n int, now time.Time) {
	f.Last = now
	most := max(min(f.Settings.Threshold, 1000), burst) + 1
	for range min(n, most) {
		f.recent = append(f.recent, now)
	}
	if extra := len(f.recent) - most; extra > 0 {
		f.recent = append(f.recent[:0], f.recent[extra:]...)
	}
}

// more says whether more than n problems came within d.
func (f *Inflow) more(n int, d time.Duration, now time.Time) bool {
	i := len(f.recent) - 1 - n
	return i >= 0 && now.Sub(f.recent[i]) <= d
}

// Judge says whether the room is in a storm, with behind problems that it
// doesn't know of. A storm goes on while it rains as hard as it takes to begin one.
func (f *Inflow) Judge(behind int, perSecond float64, now time.Time) bool {
	f.Storm = Storm(f.Settings, behind, perSecond) || f.Storm && f.more(min(f.Settings.Threshold, 1000), calm, now)
	return f.Storm
}

// Burst says whether a storm may be about to begin.
func (f *Inflow) Burst(now time.Time) bool { return f.more(burst, burstTime, now) }

// Gathered is what becomes of the problems that were gathered for a room.
type Gathered string

// What becomes of them.
const (
	GatherHold    Gathered = "hold"    // more may come
	GatherJoin    Gathered = "join"    // into a digest
	GatherRelease Gathered = "release" // it was no storm: each is told by itself
)

// Gather says what to do with what was gathered, and with GatherHold until when.
func (f *Inflow) Gather(now time.Time) (Gathered, time.Time) {
	if f.Storm {
		return GatherJoin, time.Time{}
	}
	if until := f.First.Add(burstTime); now.Before(until) {
		return GatherHold, until
	}
	return GatherRelease, time.Time{}
}

// Until is until when a digest gathers before it tells of new problems.
func (f *Inflow) Until() time.Time {
	if f.First.IsZero() {
		return time.Time{}
	}
	if quiet, most := f.Last.Add(gatherQuiet), f.First.Add(gatherMost); quiet.Before(most) {
		return quiet
	}
	return f.First.Add(gatherMost)
}

// Gathers says until when the fold is to put new problems into a digest by itself.
func Gathers(d store.Digest, storm bool, now time.Time) time.Time {
	switch {
	case d.Flap != "" || !Takes(d, now):
		return time.Time{}
	case storm && d.GathersUntil.Before(now.Add(gatherLease/2)):
		return now.Add(gatherLease).Truncate(time.Microsecond)
	}
	return d.GathersUntil
}

// Takes says whether a digest may take in more problems.
func Takes(d store.Digest, now time.Time) bool {
	switch {
	case d.State != store.PostLive || d.Joined >= joinMost:
		return false
	case d.MessageID == "":
		return true
	}
	return d.Open && d.Edits < joinEdits && now.Sub(d.CreatedAt) < joinAge
}

// Seen is what delivery saw of a room's digests and needn't outlive the process:
// a restart tells at once what it might have gathered.
type Seen struct {
	Changed time.Time     // when the last change of a problem in a digest came
	Arrived time.Time     // when the last new problem came
	Looked  time.Time     // when the problems of a digest were read last
	Took    time.Duration // and how long that took
	Parked  bool          // there are problems gathered that may join
	Gathers time.Time     // until when more are gathered before they are told; zero for not
	Again   time.Time     // when OpDigestAgain is due; zero for never
	Differs bool          // what changed is to be said, in the next edit
}

const (
	changeQuiet   = time.Second // changes closer than this are gathered
	changeMost    = 6 * time.Second
	resolvedMost  = 3 * time.Second // what is all resolved waits no longer
	lookLeast     = 2 * time.Second // between two readings of all problems
	lookRest      = 8               // or so many times as long as one took: of a hundred thousand it takes seconds
	spacingLeast  = 2 * time.Second // between a digest's message and its first edit; it doubles
	spacingMost   = 10 * time.Minute
	joinSpacing   = 3 * time.Second // the same for what the room doesn't know of yet
	leftSpacing   = time.Minute     // the same for who left, where no edit is left
	fileQuiet     = 1500 * time.Millisecond
	fileAgain     = 3 * time.Second
	fileAtMost    = time.Minute // a list isn't put off longer, however long it rains
	digestBatch   = 500         // problems read at once
	sortAfter     = 300 * time.Millisecond
	keptForTheEnd = 1 // edit
)

// NextDigest says what to do next for a digest. Gathering makes one edit of many
// changes, and the longer the more edits were used, since Webex allows ten: the last is kept for when
// all is resolved. That, and a first message, wait for little. The list is attached
// once the digest has settled, and once more where it grew since.
func NextDigest(d store.Digest, seen Seen, now time.Time) step.Step {
	switch {
	case d.State == store.PostDead:
		return step.Step{Op: step.OpNone, Reason: step.ReasonDead}
	case now.Before(d.NotBefore):
		return step.Step{Op: step.OpWait, Reason: step.ReasonBackoff, Until: d.NotBefore}
	case d.MessageID == "" && d.Flap == "" && now.Before(seen.Gathers):
		return step.Step{Op: step.OpWait, Reason: step.ReasonDebounce, Until: seen.Gathers}
	case d.MessageID == "":
		return step.Step{Op: OpDigest, Reason: step.ReasonNew}
	case d.Shown < 0:
		return step.Step{Op: OpDigestEdit, Reason: step.ReasonProbe}
	}
	until := seen.Again
	if !until.IsZero() && !now.Before(until) {
		return step.Step{Op: OpDigestAgain, Reason: step.ReasonNew}
	}
	if d.Behind || d.Shown < d.Joined+d.Left {
		at := editAt(d, seen)
		if !now.Before(at) {
			return step.Step{Op: OpDigestEdit, Reason: step.ReasonChanged}
		}
		if look := lookAt(d, seen); d.Flap == "" && !seen.Differs && d.Shown >= d.Joined+d.Left && look.Before(at) {
			if !now.Before(look) {
				return step.Step{Op: OpDigestLook, Reason: step.ReasonChanged}
			}
			at = look
		}
		if until.IsZero() || at.Before(until) {
			until = at
		}
	}
	if owesFile(d) {
		at := fileAt(d, seen, now)
		if !now.Before(at) {
			return step.Step{Op: OpDigestFile, Reason: step.ReasonNew}
		}
		if until.IsZero() || at.Before(until) {
			until = at
		}
	}
	if until.IsZero() {
		return step.Step{Op: step.OpNone, Reason: step.ReasonCaughtUp}
	}
	return step.Step{Op: step.OpWait, Reason: step.ReasonDebounce, Until: until}
}

// owesFile says whether the list is still to be attached: the message doesn't
// name all, and no list does.
func owesFile(d store.Digest) bool { return !d.Complete && d.Listed < d.Joined }

// lookAt is when what changed may be read: once no more comes, as far as anybody can tell.
func lookAt(d store.Digest, seen Seen) time.Time {
	at := changedAt(d, seen)
	if again := seen.Looked.Add(max(lookLeast, lookRest*seen.Took)); again.After(at) {
		at = again
	}
	return at
}

func changedAt(d store.Digest, seen Seen) time.Time {
	first := d.BehindSince
	if first.IsZero() {
		first = d.SpokeAt
	}
	at, most := seen.Changed.Add(changeQuiet), first.Add(changeMost)
	if !d.Open {
		most = first.Add(resolvedMost)
	}
	if most.Before(at) {
		return most
	}
	return at
}

func editAt(d store.Digest, seen Seen) time.Time {
	at := changedAt(d, seen)
	if d.Flap != "" {
		at = flapEditAt(d, seen, at)
	} else if d.Open {
		spacing := min(spacingMost, spacingLeast<<min(d.Edits, 20))
		switch {
		case d.Shown >= d.Joined+d.Left:
		case d.Edits < digestEdits(true):
			spacing = min(spacing, joinSpacing)
		default:
			spacing = min(spacing, leftSpacing)
		}
		if spaced := d.SpokeAt.Add(spacing); spaced.After(at) {
			at = spaced
		}
	}
	if d.Flap == "" && d.Shown < d.Joined && seen.Gathers.After(at) {
		at = seen.Gathers
	}
	if look := lookAt(d, seen); look.After(at) {
		return look
	}
	return at
}

func fileAt(d store.Digest, seen Seen, now time.Time) time.Time {
	quiet := fileQuiet
	if d.Listed > 0 {
		quiet = fileAgain
	}
	if !Takes(d, now) && d.Shown >= d.Joined {
		return d.SpokeAt.Add(quiet) // however it rains: into another one
	}
	at := seen.Arrived.Add(quiet)
	if seen.Parked {
		at = now.Add(quiet)
	}
	if most := d.CreatedAt.Add(fileAtMost); d.Listed == 0 && most.Before(at) {
		return most
	}
	return at
}

// digestEdits is how many edits may have been used up to now.
func digestEdits(open bool) int {
	if open {
		return webex.MaxEdits - keptForTheEnd
	}
	return webex.MaxEdits
}

// Leavers are the posts of a digest that are to be told by themselves from now on,
// since their problems became as severe as that takes (which openings of a flapping
// trigger don't: the room knows it), or since somebody acted on
// them. Where somebody acted on more than the threshold of them at once they stay: the digest tells.
func Leavers(posts []store.Post, problems map[alert.Key]alert.Problem, s config.Storm, flap bool) []store.Post {
	var severe, acted []store.Post
	for _, post := range posts {
		p := problems[post.Key]
		if post.Digest == 0 || p.Revision == 0 || !p.Open() {
			continue
		}
		if p.Severity >= s.Individual && !flap {
			severe = append(severe, post)
			continue
		}
		if actedOn(p, post.ToldSeq) {
			acted = append(acted, post)
		}
	}
	if len(acted) > s.Threshold && !flap {
		acted = nil
	}
	return append(severe, acted...)
}

// actedOn says whether somebody did something to a problem that wasn't told up to an entry.
func actedOn(p alert.Problem, told int) bool {
	return slices.ContainsFunc(p.Timeline, func(e alert.Entry) bool { return e.Seq > told && e.Update != nil && !e.Update.Wide })
}

// stay are those of the posts that no Leavers are among, of whatever digest, as far as that is known.
func stay(posts []store.Post, problems map[alert.Key]*alert.Problem, s config.Storm) map[alert.Key]bool {
	of := map[alert.Key]bool{}
	for _, post := range posts {
		if p := problems[post.Key]; p != nil && p.Severity < s.Individual && !actedOn(*p, post.ToldSeq) {
			of[post.Key] = true
		}
	}
	return of
}

// TakenDigest is a digest after a step that Webex took; hash and complete are of
// the text that its message shows now, or its thread.
func TakenDigest(s step.Step, d store.Digest, id, hash string, complete bool, now time.Time) store.Digest {
	d.Attempts, d.NotBefore, d.LastError, d.TrackingID = 0, time.Time{}, "", ""
	switch s.Op {
	case OpDigest:
		d.MessageID, d.Hash, d.Complete, d.Edits, d.Listed, d.Said = id, hash, complete, 0, 0, d.Joined
	case OpDigestEdit:
		d.Hash, d.Complete = hash, complete
		d.Edits++
	case OpDigestLine:
		d.Hash, d.Complete = hash, d.Complete || complete
	case OpDigestAgain:
		d.Said = d.Joined
		return d
	case OpDigestFile:
		d.Listed = d.Joined
		d = listLives(d)
		d.Pending = d.Shown < d.Joined+d.Left
		return d
	}
	if d.Complete || s.Op == OpDigest { // it needs no list, or the new message has none yet
		d = listLives(d)
	}
	d.SpokeAt = now
	if !Takes(d, now) {
		d.GathersUntil = time.Time{}
	}
	return ShownDigest(d)
}

// listLives is a digest whose list isn't a dead letter (any more).
func listLives(d store.Digest) store.Digest {
	d.ListDeadAt, d.ListError, d.ListTrackingID = time.Time{}, "", ""
	return d
}

// DeadList is a digest whose thread refused its list for good: that is a dead letter
// of its own. The digest stands, and owes no list until it takes in more.
func DeadList(d store.Digest, now time.Time) store.Digest {
	d.ListDeadAt, d.ListError, d.ListTrackingID = now, d.LastError, d.TrackingID
	d.Attempts, d.NotBefore, d.LastError, d.TrackingID = 0, time.Time{}, "", ""
	d.Listed, d.Pending = d.Joined, true // whatever else it owes is found out next
	return d
}

// ShownDigest is a digest whose message, with its thread, tells all that it will.
func ShownDigest(d store.Digest) store.Digest {
	d.Shown, d.Gone = d.Joined+d.Left, ""
	d.Pending = owesFile(d)
	return d
}

// RefusedDigest is a digest after a call that failed, and what to do.
func RefusedDigest(s step.Step, d store.Digest, doubts digestDoubts, err error, delay time.Duration, now time.Time) (store.Digest, digestDoubts, step.Verdict) {
	f, class := step.Fault(err), webex.ClassOf(err)
	if s.Op == OpDigest && transient(class) && doubts.RootID != "" {
		d = doubts.keptOf(d) // as with posts
		doubts.RootID, doubts.PostedAnew = "", false
	}
	if class == webex.RateLimited || class == webex.Unauthorized {
		return d, doubts, step.Retry
	}
	d.LastError, d.TrackingID = err.Error(), f.TrackingID
	if class == webex.Temporary {
		if s.Op == OpDigestEdit && f.Unanswered {
			d.Hash = "" // Webex may have taken it, or not: nobody knows what it shows
			if d.Attempts == 0 && d.Edits < webex.MaxEdits-1 {
				d.Edits++ // as with posts
			}
		}
		d.Attempts++
		d.NotBefore = now.Add(delay)
		return d, doubts, step.Retry
	}
	switch {
	// A list may be refused so though the room takes messages: files aren't welcome everywhere.
	case class == webex.Forbidden && s.Op != OpDigestFile, s.Op == OpDigest && class == webex.NotFound:
		return doubts.keptOf(d), doubts, step.Gone // it wasn't deleted: it is there still
	case s.Op == OpDigest, class == webex.NotFound && doubts.PostedAnew:
		return d, doubts, step.Dead
	case class == webex.NotFound: // somebody deleted it
		doubts.PostedAnew, doubts.RootID = true, d.MessageID
		return doubts.believedOf(d), doubts, step.Replan
	case s.Op == OpDigestEdit:
		d.Edits = webex.MaxEdits // more than we knew of: the thread tells
		if d.Shown < 0 {
			// The message lives, which was all that was asked.
			d.Shown = doubts.Shown
			return d, doubts, step.Replan
		}
		if d.Shown < d.Joined+d.Left {
			d.Complete = false // of who joined since, the list
		}
		return d, doubts, step.Replan
	}
	// A reply that is refused for itself, or whose root somebody deleted: an edit tells which, also one too many.
	if !doubts.ThreadProved {
		doubts.ThreadProved, doubts.Shown = true, d.Shown
		d.Hash, d.Shown, d.Pending, d.Edits = "", -1, true, min(d.Edits, digestEdits(d.Open)-1)
		return d, doubts, step.Replan
	}
	// Whoever replays a dead letter asks anew; of a word that is lost there is none.
	doubts.ThreadProved = s.Op == OpDigestAgain || s.Op == OpDigestNudge
	return d, doubts, step.Dead
}

// digestDoubts is what failed calls suggest about a digest.
type digestDoubts struct {
	ThreadProved bool
	Shown        int
	PostedAnew   bool
	RootID       string
}

func transient(c webex.Class) bool {
	return c == webex.RateLimited || c == webex.Unauthorized || c == webex.Temporary
}

// keptOf is kept of a digest.
func (d digestDoubts) keptOf(of store.Digest) store.Digest {
	if of.MessageID == "" {
		of.MessageID = d.RootID
	}
	return of
}

// believedOf is believed of a digest.
func (d digestDoubts) believedOf(of store.Digest) store.Digest {
	if d.RootID != "" && of.MessageID == d.RootID {
		of.MessageID, of.Hash, of.Pending = "", "", true
	}
	return of
}

// DeadDigest is a digest that Webex refused for good, with all of its posts.
func DeadDigest(d store.Digest, reason, trackingID string, now time.Time) store.Digest {
	d = listLives(d) // one letter stands for all
	d.State, d.LastError, d.TrackingID, d.DeadAt = store.PostDead, reason, trackingID, now
	return d
}
