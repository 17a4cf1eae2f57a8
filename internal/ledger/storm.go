package ledger

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Grouping is when the problems of a room share messages.
type Grouping struct {
	// In a storm new problems share a digest. There is a storm when more than Threshold problems wait to be posted,
	// or more than Pace (calls a second) sends within Window. A Threshold of 0 means never.
	Threshold int
	Window    time.Duration
	Pace      float64
	// Individual is the severity from which on a problem always has a message of its own.
	Individual alert.Severity
	// A trigger flaps from its FlapCount-th opening within FlapWindow on, until it hasn't opened for FlapWindow.
	// A FlapCount below 2 means never.
	FlapCount  int
	FlapWindow time.Duration
}

const (
	// recent is how long a new problem counts towards a storm, and a member that left its group towards a mass
	// action.
	recent = 10 * time.Second
	// More than burst new problems within burstTime wait for burstTime, to see whether a storm begins.
	burst     = 3
	burstTime = 500 * time.Millisecond
	// More than newFlaps triggers that begin to flap within recent are a storm.
	newFlaps = 3
	// A digest accepts problems until it was edited stormEdits times, is stormAge old or has had stormMembers: an
	// edit of an old message notifies nobody.
	stormEdits   = 5
	stormAge     = 10 * time.Minute
	stormMembers = 10_000
	// A flapping trigger's message accepts openings until it was edited flapEdits times or has had flapMembers: it
	// names each of them.
	flapEdits   = 8
	flapMembers = 100
	// groupLimit bounds how many waiting posts of a room are read at once.
	groupLimit = 1000
)

// Gathered is a post that joined a group.
type Gathered struct {
	Key    alert.Key
	Room   string
	Kind   store.GroupKind
	Joined int // posts that ever joined the group
}

// inflow is what decides whether a room is in a storm.
type inflow struct {
	fresh    int  // posts that wait for their first message and could share one
	joined   int  // posts that joined the room within recent
	behind   int  // posts that the room is behind with
	newFlaps int  // triggers that began to flap within recent
	ongoing  bool // a problem joined a digest within recent
}

// storm reports whether new problems share a digest.
func (g Grouping) storm(in inflow) bool {
	switch {
	case g.Threshold <= 0 || in.fresh == 0:
		return false
	case in.fresh > g.Threshold || in.newFlaps > newFlaps:
		return true
	case in.ongoing && in.joined > g.Threshold:
		return true
	}
	budget := g.Window.Seconds() * g.Pace
	return budget > 0 && (in.fresh > 1 || in.joined > burst) && float64(in.behind) > budget
}

// acceptsProblems reports whether a digest accepts more problems.
func acceptsProblems(g store.Group, now time.Time) bool {
	if g.State == store.PostDead || g.Joined >= stormMembers {
		return false
	}
	return awaitsMessage(g) || g.Open && g.Edits < stormEdits && now.Sub(g.OpenedAt) < stormAge
}

// acceptsOpenings reports whether a flapping trigger's message accepts another opening.
func acceptsOpenings(g store.Group, window time.Duration, now time.Time) bool {
	if g.State == store.PostDead || g.Joined >= flapMembers {
		return false
	}
	return awaitsMessage(g) || g.MessageID != "" && g.Edits < flapEdits && now.Sub(g.JoinedAt) < window
}

// awaitsMessage reports whether a group waits for its first message. One that all members left before that has shown its
// revision, and stays without.
func awaitsMessage(g store.Group) bool { return g.MessageID == "" && g.Revision > g.Shown }

// flaps reports whether an opening belongs to a flapping trigger: no other opening of the trigger is open, and either
// its message accepts another opening (taken), or enough openings precede it within the window.
func (g Grouping) flaps(own store.Opening, others []store.Opening, taken bool) bool {
	resolved := 0
	for _, o := range others {
		switch since := own.OpenedAt.Sub(o.OpenedAt); {
		case o.Key == own.Key:
		case o.Open:
			return false
		case since >= 0 && since < g.FlapWindow:
			resolved++
		}
	}
	return g.FlapCount >= 2 && (taken || 1+resolved >= g.FlapCount)
}

// gatherable reports whether a post may share a message: it may be posted now, and no message shows or showed it.
func (g Grouping) gatherable(p store.Post) bool {
	return p.Fresh() && !p.PendingSince.IsZero() && p.FromSeq == 0 && p.Severity < g.Individual
}
