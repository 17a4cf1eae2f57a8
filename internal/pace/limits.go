package pace

import "time"

// Limits tracks Webex's limits for one bot. Webex limits an account, and an account in one room, and a 429 doesn't
// name which. So the first 429 pauses the whole bot. A second one in a row in the same room, although others were
// answered in between, gives that room a wait of its own: until the room is answered, or another room gets a 429, its
// 429s pause that room only, ownMost times. The next one then counts as a first one, since a busy account can refuse
// a room for ever. A room that was answered as well, but less often than the others, is slowed down. If account and
// room are limited at the same time, a 429 can be taken for the room's, and other rooms are called while the account
// should wait.
//
// Rooms are named by their Webex id. Not safe for concurrent use.
type Limits struct {
	*Rate
	rooms map[string]*roomLimit

	// Since the last 429 that paused the bot:
	refused string    // the room that got it
	at      time.Time // when
	own     int       // calls answered in that room
	others  int       // calls answered elsewhere
}

// roomLimit is a room with a wait of its own.
type roomLimit struct {
	*Rate
	refused time.Time // its last 429
	alone   int       // how many more 429s are its own; 0 if the next one pauses the bot
}

const (
	// othersProve is how many calls must be answered elsewhere between two 429s of a room. Fewer don't distinguish a
	// limited room from a bot that is too fast, which is refused again after a few calls.
	othersProve = 20
	// ownMost is how many 429s in a row are the room's own.
	ownMost = 20
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

// OpensAt is when the room's own limit allows a call; zero if it has none.
func (l *Limits) OpensAt(room string, now time.Time) time.Time {
	if x := l.rooms[room]; x != nil {
		return x.ReadyAt(now)
	}
	return time.Time{}
}

// Unlimited reports whether no room has a limit of its own, and none yields.
func (l *Limits) Unlimited() bool { return len(l.rooms) == 0 && l.refused == "" }

// Yields reports whether other rooms should be called before this one: their answers show whether its 429 was the
// account's.
func (l *Limits) Yields(room string) bool {
	return l.refused == room && l.own == 0 && l.others < othersProve
}

// TakeIn counts a call in a room that begins now.
func (l *Limits) TakeIn(room string, now time.Time) {
	l.Take(now)
	if x := l.rooms[room]; x != nil {
		x.Take(now)
	}
}

// GiveBackIn undoes TakeIn: no call was made.
func (l *Limits) GiveBackIn(room string, now time.Time) {
	l.GiveBack(now)
	if x := l.rooms[room]; x != nil {
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
	switch {
	case !started.After(l.at): // it was in flight before the 429
	case room == l.refused:
		l.own++
	default:
		l.others++
	}
	if x := l.rooms[room]; x != nil && started.After(x.refused) {
		x.alone = 0
		x.Succeeded(now)
	}
	for name, x := range l.rooms {
		if x.alone == 0 && now.Sub(x.until) > roomMemory {
			delete(l.rooms, name)
		}
	}
}

// LimitedIn records a 429 for a call in a room that began at started. It reports whether only that room
// has to wait; otherwise the whole bot does.
func (l *Limits) LimitedIn(room string, started, now time.Time, retryAfter time.Duration) (alone bool) {
	x := l.rooms[room]
	again := l.refused == room && started.After(l.at) && l.others >= max(othersProve, l.own)
	if x == nil && again {
		x = &roomLimit{Rate: l.paceIn(now)}
		l.rooms[room] = x
	}
	if x != nil {
		if x.alone > 0 {
			x.alone--
		} else if again && l.own == 0 {
			x.alone = ownMost
		}
		x.refused = now
		x.Limited(started, now, retryAfter)
		if x.alone > 0 {
			return true
		}
	}
	if l.refused == "" || started.After(l.at) {
		l.refused, l.at, l.own, l.others = room, now, 0, 0
		for _, x := range l.rooms {
			x.alone = 0 // the account may be limited as well
		}
	}
	l.Limited(started, now, retryAfter)
	return false
}

// paceIn is a new pace for the room that was refused twice: the rate at which it was called.
func (l *Limits) paceIn(now time.Time) *Rate {
	speed := l.perSecond
	if l.own > 0 {
		speed = min(speed, float64(l.own+1)/max(1, now.Sub(l.at).Seconds()))
	}
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
	return true
}

// PauseRoom restores a room's wait from a previous process.
func (l *Limits) PauseRoom(room string, until, now time.Time) {
	if !until.After(now) || !until.After(l.until) {
		return
	}
	x := &roomLimit{Rate: l.paceIn(now), refused: now, alone: ownMost}
	x.PauseUntil(until, now)
	l.rooms[room] = x
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
