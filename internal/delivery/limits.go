package delivery

import "time"

// Limits is what one bot knows of what Webex allows it: its pace (the Rate),
// and which rooms were told to wait. Webex limits an account, and an account in
// one room, and its 429 doesn't say which it was. So a 429 is taken for the
// account's, which is never wrong towards Webex: the whole bot waits. Only where
// there is evidence that the account may call (RoomsOwn) it is the room's alone. Rooms
// are named by what Webex calls them. It isn't safe for concurrent use.
type Limits struct {
	*Rate
	rooms map[string]*roomLimit // those that were refused lately
	begun time.Time             // when the last call began

	// While a call is under way whose refusal would be evidence nothing else begins, for
	// it could reach Webex first.
	tried string // the room that it is in; "" for none
	hold  time.Time

	// Since the bot was refused last:
	refused string         // in which room that was
	calls   map[string]int // answered since, by room
}

// roomLimit is one room that was refused.
type roomLimit struct {
	until time.Time // no call before
	since time.Time // when it was refused last
	alone bool      // it is limited by itself, as far as we know: its 429 is its own
	pace  *Rate     // its own, if it had to be slowed; nil for none

	// Its first call after a pause is a trial.
	trial    bool
	trying   bool     // that call is under way
	others   int      // calls in other rooms that began and were answered since it was refused
	alike    [3]int   // those, by kind
	chance   float64  // of the trials in a row that were refused; 0 for none
	evidence Evidence // of the trial
}

// callKind is what a call does to a message: an account may have a limit for each.
type callKind int

const (
	callCreate callKind = iota
	callChange
	callRemove
)

// Evidence is what tells whether a 429 is the room's alone.
type Evidence struct {
	Others int           // calls in other rooms that Webex answered since the last 429
	Alike  int           // of those, that were of the same kind as the refused one
	Quiet  time.Duration // how long no call had begun when the refused one did
	Known  bool          // that the room is limited by itself was proved before
	// Chance is how likely it is that the trials before were all refused by chance; 0 for none before.
	Chance float64
}

const (
	chanceLeast = 1. / 300 // of a proof, of a wait of chanceWait at most; it may be the larger the longer
	chanceWait  = 10 * time.Second
	chanceMost  = 1. / 10         // the wait is, up to this
	othersProve = 25              // after so many answers elsewhere the others are made to wait for a trial; two of those are a proof, one where it is of minutes
	othersKnown = 5               // the same, where the room is known already
	quietProves = 3 * time.Second // an account that was answered may call again after so long, whatever its limit
	quietKnown  = time.Second     // the same, where the room is known already
	trialHold   = 2 * time.Second // nobody waits longer for the answer to a trial
	trialMost   = time.Minute     // a trial is put off no longer than this for its evidence
	// shareMost is how large a share of the calls a room may have that is slowed since it was refused twice.
	shareMost = 0.8
	// roomRemembered is for how long after its pause a room counts as one that was refused.
	roomRemembered = 10 * time.Minute
	roomSlow       = 3. // the pace of a room grows by so much more slowly than a bot's
)

// quiet is how long the bot must be quiet before a call in a room, so that the
// account can't be why that is refused: 0 where it always can. That needs no guess
// of the account's limit, or of what of it was saved up.
func (e Evidence) quiet() time.Duration {
	switch {
	case e.Others == 0:
		return 0
	case e.Known:
		return quietKnown
	}
	return quietProves
}

// RoomsOwn says whether a 429 is the room's and not the account's. It is where,
// after everybody was told to wait because of this room, Webex answered in other
// rooms, and then refused this one again, the same kind of call, after a silence
// in which any account may call again. An account may also refuse for no reason
// that can be seen: the fewer the answers elsewhere, the more such trials it takes.
//
// Each trial that proves nothing has everybody wait as long as Webex says, wait, while a wrong
// guess costs a request or two that come too early, however long that is. So the longer
// the wait the less it takes: of an hour, one trial after eight answers elsewhere.
func RoomsOwn(e Evidence, wait time.Duration) bool {
	most := min(chanceMost, max(1, wait.Seconds()/chanceWait.Seconds())*chanceLeast)
	return e.silent() && (e.Known || e.chance() <= most)
}

// chance is how likely it is that this refusal, and those of the trials before, are by chance,
// where it is one in so many as were answered elsewhere meanwhile.
func (e Evidence) chance() float64 {
	before := e.Chance
	if before == 0 {
		before = 1
	}
	if e.Alike == 0 || !e.silent() {
		return before
	}
	return before / float64(e.Alike+2)
}

func (e Evidence) silent() bool { return e.quiet() > 0 && e.Quiet >= e.quiet() }

// NewLimits starts at perSecond calls a second, as NewRate does.
func NewLimits(perSecond float64, now time.Time) *Limits {
	return &Limits{Rate: NewRate(perSecond, now), rooms: map[string]*roomLimit{}, calls: map[string]int{}}
}

// SpeedIn is how fast the bot may call in a room, in calls a second.
func (l *Limits) SpeedIn(room string) float64 {
	if x := l.rooms[room]; x != nil && x.pace != nil {
		return min(l.perSecond, x.pace.perSecond)
	}
	return l.perSecond
}

// OpensAt is when the next call in a room may be made, as far as that room is
// concerned: now or earlier, or later. busy says that something can be said in a
// room that isn't on trial: one that is lets the others go first.
func (l *Limits) OpensAt(room string, busy bool, now time.Time) time.Time {
	if l.tried != "" && l.tried != room && now.Before(l.hold) {
		return l.hold
	}
	x := l.rooms[room]
	switch {
	case x == nil:
		return time.Time{}
	case now.Before(x.until):
		return x.until
	case !x.trial && x.pace != nil:
		return x.pace.ReadyAt(now)
	case !x.trial:
		return time.Time{}
	case x.trying:
		return now.Add(quietProves) // its end comes first
	}
	most := x.until.Add(trialMost)
	if quiet := l.evidence(x, now).quiet(); quiet > 0 && l.begun.Add(quiet).Before(most) {
		return l.begun.Add(quiet)
	}
	if busy {
		return most // as a rule one of them is answered before
	}
	return time.Time{}
}

// Unlimited says that no room was refused lately.
func (l *Limits) Unlimited() bool { return len(l.rooms) == 0 }

// OnTrial says whether a room's next call is a trial.
func (l *Limits) OnTrial(room string) bool { return l.rooms[room] != nil && l.rooms[room].trial }

// Free says whether a room takes calls now and isn't on trial.
func (l *Limits) Free(room string, now time.Time) bool {
	x := l.rooms[room]
	return (x == nil || !x.trial) && !l.OpensAt(room, false, now).After(now)
}

func (l *Limits) evidence(x *roomLimit, now time.Time) Evidence {
	return Evidence{Others: x.others, Quiet: now.Sub(l.begun), Known: x.alone, Chance: x.chance}
}

// Trial says whether a room is to be tried now with nothing else said before, and from when on.
func (l *Limits) Trial(room string, now time.Time) (at time.Time, ok bool) {
	x := l.rooms[room]
	if x == nil || !x.trial || x.trying || now.Before(x.until) || x.others < othersProve && !(x.alone && x.others >= othersKnown) {
		return time.Time{}, false
	}
	return l.begun.Add(l.evidence(x, now).quiet()), true
}

// TakeIn counts a call in a room that is about to begin.
func (l *Limits) TakeIn(room string, now time.Time) {
	l.Take(now)
	if x := l.rooms[room]; x != nil {
		if x.pace != nil {
			x.pace.Take(now)
		}
		if x.trying = x.trial; x.trial && l.evidence(x, now).silent() {
			l.tried, l.hold = room, now.Add(trialHold)
		}
	}
}

// tryEnds ends a trial's being under way.
func (l *Limits) tryEnds(room string) (wasTrying bool) {
	if l.tried == room {
		l.tried = ""
	}
	x := l.rooms[room]
	if x == nil || !x.trying {
		return false
	}
	x.trying = false
	return true
}

// GiveBackIn takes back a TakeIn: no call was made after all.
func (l *Limits) GiveBackIn(room string, now time.Time) {
	l.GiveBack(now)
	l.tryEnds(room)
	if x := l.rooms[room]; x != nil && x.pace != nil {
		x.pace.GiveBack(now)
	}
}

// Begin says whether a call in a room may begin now. It may not where Webex
// told the bot, or the room, to wait since it was planned.
func (l *Limits) Begin(room string, k callKind, now time.Time) bool {
	x := l.rooms[room]
	if now.Before(l.until) || x != nil && now.Before(x.until) {
		return false
	}
	if x != nil && x.trial {
		x.evidence = l.evidence(x, now)
		x.evidence.Alike = x.alike[k]
	}
	l.begun = now
	return true
}

// Ended takes in that a call in a room ended in neither of the ways that tell
// about limits. letIn says that Webex refused it for what it says: the room takes calls.
func (l *Limits) Ended(room string, letIn bool) {
	if l.tryEnds(room) && letIn {
		x := l.rooms[room]
		x.trial, x.alone, x.chance = false, false, 0
	}
}

// Answered takes in that Webex took a call in a room that began at started.
func (l *Limits) Answered(room string, k callKind, started, now time.Time) {
	l.Succeeded(now)
	l.calls[room]++
	tried := l.tryEnds(room)
	for name, x := range l.rooms {
		switch {
		case name != room:
			if x.trial && started.After(x.since) && !started.Before(l.until) {
				x.others++
				x.alike[k]++
			}
		case tried:
			x.trial, x.alone, x.chance = false, false, 0 // what kept it out is over
		}
		if name == room && x.pace != nil {
			x.pace.Succeeded(now)
		}
		if now.Sub(x.until) > roomRemembered {
			delete(l.rooms, name)
		}
	}
}

// LimitedIn takes in a 429 for a call in a room that began at started. It says
// whether that was the room's alone; else the whole bot waits.
func (l *Limits) LimitedIn(room string, started, now time.Time, retryAfter time.Duration) (alone bool) {
	x := l.rooms[room]
	if x == nil {
		x = &roomLimit{}
		l.rooms[room] = x
	}
	x.since = now
	tried := l.tryEnds(room)
	undisturbed := tried && !l.begun.After(started) // nobody can have overtaken it
	proof := undisturbed && RoomsOwn(x.evidence, retryAfter)
	chance := 1.
	if undisturbed {
		chance = x.evidence.chance()
	}
	if x.pace != nil {
		x.pace.Limited(started, now, retryAfter)
	}
	// What is known holds where nothing can contradict it: calls that were under way together,
	// and nobody else that called.
	if proof || x.alone && (!tried || x.evidence.Others == 0) {
		if x.pace == nil {
			x.pace = l.paceIn(l.perSecond, now)
			x.pace.Limited(started, now, retryAfter)
		}
		x.alone, x.trial, x.until = true, true, x.pace.until
		x.others, x.alike = 0, [3]int{}
		return true
	}
	if l.cut.IsZero() || started.After(l.cut) {
		if perSecond, ok := l.slows(room, now); ok && x.pace == nil {
			x.pace = l.paceIn(perSecond, now)
			x.pace.known = perSecond
			x.pace.Limited(started, now, retryAfter)
		}
		l.refused = room
		clear(l.calls)
	}
	l.Limited(started, now, retryAfter)
	x.until, x.trial = l.until, true
	for _, y := range l.rooms {
		// It may be that the account is limited as well: what is known of rooms is to be proved again.
		if y.alone {
			y.alone, y.trial = false, true
		}
		y.others, y.alike, y.trying, y.chance = 0, [3]int{}, false, 0
	}
	x.chance = chance
	return false
}

// slows says whether a room gets a pace of its own, so that it doesn't slow the others for
// ever: it was refused twice in a row while others were answered. If that was by chance, it has a smaller
// share for some minutes. perSecond is how fast it was.
func (l *Limits) slows(room string, now time.Time) (perSecond float64, ok bool) {
	calls, all := l.calls[room]+1, 1
	for _, n := range l.calls {
		all += n
	}
	if l.refused != room || float64(calls) > shareMost*float64(all) {
		return 0, false
	}
	return max(l.floor, min(l.perSecond, float64(calls)/max(1, now.Sub(l.cut).Seconds()))), true
}

// paceIn is a pace in a room, that begins with perSecond.
func (l *Limits) paceIn(perSecond float64, now time.Time) *Rate {
	r := NewRate(perSecond, now)
	r.floor, r.ceiling, r.slow = l.floor, l.ceiling, roomSlow
	return r
}

// BeginBeside says whether a call that isn't delivery's, in no room, may begin now;
// where it does, delivery calls the later for it.
func (l *Limits) BeginBeside(now time.Time) bool {
	if now.Before(l.until) {
		return false
	}
	l.Take(now)
	l.begun = now
	return true
}

// LimitedBeside takes in a 429 for such a call: that is the account's.
func (l *Limits) LimitedBeside(started, now time.Time, retryAfter time.Duration) {
	l.refused = ""
	l.Limited(started, now, retryAfter)
	for _, x := range l.rooms {
		x.others, x.alike = 0, [3]int{}
	}
}

// PauseRoom goes on with a wait that an earlier process was told for a room. A
// room that waits longer than its bot was limited by itself.
func (l *Limits) PauseRoom(room string, until, now time.Time) {
	if most := now.Add(pauseMost); until.After(most) {
		until = most
	}
	if !until.After(now) || !until.After(l.until) {
		return
	}
	x := &roomLimit{until: until, alone: true, trial: true, pace: l.paceIn(l.perSecond, now)}
	x.pace.PauseUntil(until, now)
	l.rooms[room] = x
}

// PausedRooms are the rooms that wait though the bot needn't, and until when.
func (l *Limits) PausedRooms(now time.Time) map[string]time.Time {
	paused := map[string]time.Time{}
	for room, x := range l.rooms {
		if now.Before(x.until) && x.until.After(l.until) {
			paused[room] = x.until
		}
	}
	return paused
}
