package pace

import (
	"iter"
	"time"
)

// Limits tracks Webex's limits for one bot. Webex limits an account, and an account in one room, and a 429 doesn't
// name which. It pauses the whole bot, unless it must be the room's: since the bot was last paused, enough calls were
// answered elsewhere and none in the room, and this one came after a silence in which a limited account recovers.
// A room that was answered as well, but less often than the others, is slowed down.
//
// Rooms are named by their Webex id. Not safe for concurrent use.
type Limits struct {
	*Rate
	rooms    map[string]*roomLimit
	answered int       // calls
	last     time.Time // when a call last began or was answered
	before   time.Time // last, without the call that was picked last
	trial    string    // the suspect room whose call, after a silence, is in flight, and no other call began since
	yield    time.Time // until when the rooms that aren't suspect yield, at most

	// Since the last 429 that paused the bot:
	refused string    // the room that got it
	at      time.Time // when
	own     int       // calls answered in that room
	others  int       // calls answered elsewhere

	suspectsReady, othersReady bool // which rooms have something to send, or have a trial
}

// roomLimit is a room that got a 429.
type roomLimit struct {
	*Rate              // at most this fast
	kept     bool      // it keeps that pace after an answer
	suspect  bool      // it wasn't answered since its last 429
	refused  time.Time // when that was
	answered int       // how many calls of the bot had been answered then
	tried    time.Time // when its last call since then was picked
	alone    bool      // that call came after a silence, and no other began since
}

const (
	// othersProve is how many calls must be answered elsewhere since the bot was paused. Fewer don't distinguish a
	// limited room from a bot that is too fast, which is refused again after a few calls.
	othersProve = 20
	// yieldMost is how many calls elsewhere go before a suspect room's. A bot that is paused again and again doesn't
	// get to othersProve.
	yieldMost = 5 * othersProve
	// yieldLong is how long it yields after its wait, if the others aren't answered.
	yieldLong = 2 * time.Minute
	// yieldFor is when a room that yields is considered again; any answer does so earlier.
	yieldFor = time.Second
	// yieldAgain is how long the others don't yield again after they did in vain: the silence was broken by calls
	// that don't yield, or the suspect room's call hangs.
	yieldAgain = 10 * time.Second
	// silence is how long the bot is silent before a call in a suspect room, as a number of calls that it leaves out.
	// A limited account can take one then, since it took othersProve calls at about this pace.
	silence = 3
	// roomMemory is how long a room keeps a pace of its own after its last 429.
	roomMemory = 10 * time.Minute
	// roomSlow divides the growth of a room's pace.
	roomSlow = 3
)

// NewLimits starts at perSecond calls a second, as NewRate does.
func NewLimits(perSecond float64, now time.Time) *Limits {
	return &Limits{Rate: NewRate(perSecond, now), rooms: map[string]*roomLimit{}}
}

// SpeedIn is the bot's speed in a room, in calls a second.
func (l *Limits) SpeedIn(room string) float64 {
	if x := l.rooms[room]; x != nil {
		return min(l.perSecond, x.perSecond)
	}
	return l.perSecond
}

// HaveWork records which rooms have something to send, for OpensAt. id returns the Webex id of such a room.
func (l *Limits) HaveWork(rooms iter.Seq[string], id func(string) string, now time.Time) {
	l.suspectsReady, l.othersReady = l.trial != "", false
	if len(l.rooms) == 0 {
		return
	}
	for name := range rooms {
		if room := id(name); l.MayBegin(room, now) {
			suspect := l.suspects(room)
			l.suspectsReady = l.suspectsReady || suspect
			l.othersReady = l.othersReady || !suspect
		}
	}
	if l.suspectsReady && l.proven() && now.After(l.yield.Add(yieldAgain)) {
		l.yield = l.quiet().Add(yieldFor)
	}
}

// quiet is when the bot will have been silent for long enough.
func (l *Limits) quiet() time.Time {
	return l.last.Add(time.Duration(silence / l.perSecond * float64(time.Second)))
}

// OpensAt is when a room's limit, or another room that goes first, allows a call; zero for at once. A suspect room
// yields until enough calls were answered elsewhere. Then the others yield: its call has a silence before it and is alone.
func (l *Limits) OpensAt(room string, now time.Time) (at time.Time) {
	x, suspect, first := l.rooms[room], l.suspects(room), time.Time{}
	switch {
	case suspect && l.proven():
		first = l.quiet()
	case suspect && l.othersReady && l.answered-x.answered < yieldMost && now.Before(x.until.Add(yieldLong)):
		first = now.Add(yieldFor)
	case !suspect && l.proven() && l.suspectsReady:
		first = l.yield
	}
	if x != nil {
		at = x.ReadyAt(now)
	}
	if first.After(at) {
		at = first
	}
	return at
}

// suspects reports whether a room's last call got a 429.
func (l *Limits) suspects(room string) bool {
	x := l.rooms[room]
	return x != nil && x.suspect
}

// proven reports whether a 429 of a suspect room is its own, if its call comes after a silence. All answered calls
// were elsewhere.
func (l *Limits) proven() bool { return l.own+l.others >= othersProve }

// TakeIn counts a call in a room that is picked now.
func (l *Limits) TakeIn(room string, now time.Time) {
	l.Take(now)
	before := l.last
	l.Began(room, now)
	l.before = before
	x := l.rooms[room]
	if x == nil {
		return
	}
	x.Take(now)
	if x.suspect {
		x.tried, x.alone = now, l.proven()
		if x.alone {
			l.trial, l.yield = room, l.quiet().Add(yieldFor)
		}
	}
}

// Began records that a call in a room, or ("") in none, begins: it breaks the silence of another room's trial.
func (l *Limits) Began(room string, now time.Time) {
	if l.trial != "" && l.trial != room {
		if x := l.rooms[l.trial]; x != nil { // it may have been answered, and forgotten
			x.alone = false
		}
		l.trial = ""
	}
	l.last = now
}

// EndIn records the end of what TakeIn began. made is false if no call was made: then it doesn't count.
func (l *Limits) EndIn(room string, made bool, now time.Time) {
	x := l.rooms[room]
	if made && x != nil && x.refused.Before(x.tried) {
		x.suspect = false // no 429, whatever else came
	}
	if l.trial == room {
		l.trial = ""
		if made {
			l.yield = time.Time{}
		} else {
			l.last = l.before // the silence goes on
		}
	}
	if made {
		return
	}
	l.GiveBack(now)
	if x != nil {
		x.GiveBack(now)
	}
}

// MayBegin reports whether a call in a room may begin now: a 429 may have come since it was scheduled.
func (l *Limits) MayBegin(room string, now time.Time) bool {
	x := l.rooms[room]
	return !now.Before(l.until) && (x == nil || !now.Before(x.until))
}

// Answered records that Webex accepted a call in a room that began at started.
func (l *Limits) Answered(room string, started, now time.Time) {
	l.Succeeded(now)
	l.before, l.last = now, now
	l.answered++
	switch {
	case !started.After(l.at): // it was in flight before the 429
	case room == l.refused:
		l.own++
	default:
		l.others++
	}
	if x := l.rooms[room]; x != nil && started.After(x.refused) {
		x.suspect = false
		x.Succeeded(now)
	}
	for name, x := range l.rooms {
		if !x.suspect && (!x.kept || now.Sub(x.until) > roomMemory) {
			delete(l.rooms, name)
		}
	}
}

// LimitedIn records a 429 for a call in a room that began at started. It reports whether only that room
// has to wait; otherwise the whole bot does.
func (l *Limits) LimitedIn(room string, started, now time.Time, retryAfter time.Duration) (alone bool) {
	x := l.rooms[room]
	if x == nil {
		x = &roomLimit{Rate: l.paceIn(l.perSecond, now)}
		l.rooms[room] = x
	}
	alone = x.suspect && x.alone && !started.Before(x.tried)
	slower := l.refused == room && started.After(l.at) && l.own > 0 && l.others >= max(othersProve, l.own)
	if !x.kept && (alone || slower) {
		speed := l.perSecond
		if slower {
			speed = min(speed, float64(l.own+1)/max(1, now.Sub(l.at).Seconds()))
		}
		x.Rate, x.kept = l.paceIn(speed, now), true
	}
	x.Limited(started, now, retryAfter)
	x.suspect, x.refused, x.answered = true, now, l.answered
	if !alone {
		l.Pause(room, started, now, retryAfter)
	}
	return alone
}

// Pause records a 429 that pauses the whole bot, for a call in a room or ("") in none.
func (l *Limits) Pause(room string, started, now time.Time, retryAfter time.Duration) {
	if started.After(l.at) {
		l.refused, l.at, l.own, l.others = room, now, 0, 0
		for _, x := range l.rooms {
			x.alone = false
		}
	}
	l.Limited(started, now, retryAfter)
}

// paceIn is a new pace for a room.
func (l *Limits) paceIn(speed float64, now time.Time) *Rate {
	r := NewRate(max(l.floor, speed), now)
	r.floor, r.ceiling, r.slow = l.floor, l.ceiling, roomSlow
	return r
}

// BeginBeside reports whether a call that isn't delivery's, in no room, may begin now, and counts it.
func (l *Limits) BeginBeside(now time.Time) bool {
	if now.Before(l.until) {
		return false
	}
	l.Take(now)
	l.Began("", now)
	return true
}

// PauseRoom restores a room's wait from a previous process.
func (l *Limits) PauseRoom(room string, until, now time.Time) {
	if !until.After(now) || !until.After(l.until) {
		return
	}
	x := &roomLimit{Rate: l.paceIn(l.perSecond, now), kept: true, suspect: true, refused: now}
	x.PauseUntil(until, now)
	l.rooms[room] = x
	l.others = othersProve // the previous process had the proof
}

// PausedRooms are the rooms that must wait longer than the bot, and until when.
func (l *Limits) PausedRooms(now time.Time) map[string]time.Time {
	paused := map[string]time.Time{}
	for room, x := range l.rooms {
		if now.Before(x.until) && x.until.After(l.until) {
			paused[room] = x.until
		}
	}
	return paused
}
