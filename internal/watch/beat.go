package watch

import "time"

// Beat is what is stored of a heartbeat.
type Beat struct {
	Rooms []string  `json:"rooms,omitempty"` // that have the message of Silent
	Known time.Time `json:"known"`           // when it was first configured
	Last  time.Time `json:"last,omitzero"`   // zero: never heard
	// Silent is the trouble that the message shows. It goes on while the heartbeat comes and goes; Count is how often it was missing.
	Silent Condition `json:"silent,omitzero"`
	Missed time.Time `json:"missed,omitzero"` // when it counted as missing last
	Back   time.Time `json:"back,omitzero"`   // when it was heard again after that; zero while it is missing
	Stays  bool      `json:"stays,omitempty"` // Silent ended because the heartbeat stays away: a message of its own says so
}

// calm is how long a heartbeat that was missing must be heard until it isn't one that comes and goes, and how long one that comes and goes
// must be missing until the rooms get a new message.
const calm = 10 * time.Minute

// Missing reports whether it is missing now.
func (b Beat) Missing() bool { return b.Silent.Open() && b.Back.IsZero() }

// heard is the state after a sign of life.
func (b Beat) heard(now time.Time) Beat {
	b.Last = now
	if !b.Missing() {
		return b
	}
	b.Back = now
	if b.Silent.Count <= 1 {
		b.Silent.Until, b.Silent.Queued = now, false
	}
	return b
}

// next is the state once deadline has passed, or not. It changes again at a time, zero for never, unless something is heard.
//
// One that is missing again within calm is shown by the message that is there: each further message would be one more that tells nothing
// new. That is edited when the count has doubled, since each edit is one of ten.
func (b Beat) next(deadline, now time.Time) (next Beat, at time.Time) {
	switch c := &b.Silent; {
	case b.Missing() && c.Count <= 1:
		return b, time.Time{}
	case b.Missing():
		if at = b.Missed.Add(calm); now.Before(at) {
			return b, at
		}
		c.Until, c.Queued, b.Stays = now, false, true
		return b, now
	case b.Stays:
		b.Silent, b.Stays = Condition{Since: b.Missed, Count: 1, Posted: 1}, false
		return b, time.Time{}
	case !now.Before(deadline):
		b.Missed = now
		if again := !b.Back.IsZero() && now.Sub(b.Back) <= calm; !again || c.Since.IsZero() {
			b.Silent, b.Back = Condition{Since: now, Count: 1, Posted: 1}, time.Time{}
			return b, time.Time{}
		}
		ended := !c.Open()
		c.Until, b.Back = time.Time{}, time.Time{}
		if c.Count = max(c.Count, 1) + 1; ended || c.Count >= 2*c.Posted {
			c.Posted, c.Queued = c.Count, false
		}
		return b, now.Add(calm)
	case c.Open():
		if at = b.Back.Add(calm); now.Before(at) {
			if deadline.Before(at) {
				at = deadline
			}
			return b, at
		}
		c.Until, c.Queued = b.Back, false
		return b, deadline
	}
	return b, deadline
}
