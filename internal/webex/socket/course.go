package socket

import (
	"time"

	"nms-alert-relay/internal/pace"
)

// Reason is why a connection ended, or couldn't be opened: a value of a metric's label.
type Reason string

// The reasons.
const (
	Closed       Reason = "closed"       // by Webex, cleanly
	Lost         Reason = "lost"         // the network, or Webex, broke it
	Silent       Reason = "no_pong"      // Webex didn't answer a ping
	Stale        Reason = "stale_device" // Webex doesn't know the address any more
	Unregistered Reason = "registration" // the catalog or the service for devices failed
	Limited      Reason = "rate_limited" // Webex told the bot to wait
	Unauthorized Reason = "unauthorized" // the token isn't valid
	Forbidden    Reason = "forbidden"    // Webex refuses this bot a websocket, or the handshake's form
	Replaced     Reason = "replaced"     // somebody else connected with the same device
	Renewed      Reason = "renewed"      // by plan: the new connection was open before
	Stopped      Reason = "stopped"      // the relay stops, or the bot no longer listens by websocket
)

// Reasons are those that lead to another connection.
var Reasons = []Reason{Closed, Lost, Silent, Stale, Unregistered, Limited, Unauthorized, Forbidden, Replaced, Renewed}

// End is how a connection ended.
type End struct {
	Reason     Reason
	RetryAfter time.Duration // what Webex asked for; 0 for nothing
	Err        error         // nil for Renewed and Stopped
}

// closeReason returns the reason of a close code. Some gateways drop the code and keep the text.
func closeReason(code int, said string) Reason {
	if code == 1005 && said == "replaced" {
		code = 4000
	}
	switch code {
	case 1000, 1001, 1005:
		return Closed
	case 4000:
		return Replaced
	case 4001: // announced before
		return Closed
	case 4400, 4403:
		return Forbidden
	case 4401, 1008: // 1008: it didn't receive the token in time, or refuses it
		return Unauthorized
	}
	return Lost
}

const (
	healthy  = time.Minute // a connection this old resets the backoff
	minWait  = 2 * time.Second
	maxWait  = 4 * time.Minute
	maxFresh = 3 // registrations in a row

	// refusedWait is the wait after a refusal that somebody must end: a token, a permission.
	refusedWait = 5 * time.Minute
	// ReplacedWait is the wait after another client took the connection over. Two relays that share a device take turns at this
	// pace, instead of every second.
	ReplacedWait = time.Hour
)

// Course decides what follows the end of a connection. The zero value is a start.
type Course struct {
	failures int // in a row
	fresh    int // registrations in a row because of an address that didn't work
}

// Step is what to do next.
type Step struct {
	Wait     time.Duration
	Register bool // refresh the device before
	Fresh    bool // make a new device
}

// Next returns what follows an end, after the connection was open for a time. random is in [0, 1).
func (c Course) Next(e End, open time.Duration, random float64) (Course, Step) {
	if open >= healthy {
		c = Course{}
	}
	switch e.Reason {
	case Replaced:
		return Course{}, Step{Wait: ReplacedWait, Register: true}
	case Unauthorized, Forbidden:
		return c, Step{Wait: max(refusedWait, e.RetryAfter), Register: true}
	}
	c.failures++
	s := Step{Wait: max(pace.Backoff(c.failures, minWait, maxWait, random), e.RetryAfter)}
	switch {
	case e.Reason == Unregistered || e.Reason == Limited:
		s.Register = true
	case e.Reason != Stale && e.Reason != Closed:
	case c.fresh < maxFresh:
		c.fresh++
		s.Register, s.Fresh = true, e.Reason == Stale && c.fresh > 1
	default: // it isn't the device
		c.fresh = 0
		s.Wait = max(s.Wait, maxWait)
	}
	return c, s
}
