package render

import "time"

// MissingHeartbeat is a sign of life that doesn't come.
type MissingHeartbeat struct {
	Name     string
	Interval time.Duration
	Known    time.Time // when it was configured
	Last     time.Time // when it was last heard; zero for never
	Since    time.Time // when it counted as missing
	Until    time.Time // when it was heard again; zero while it is missing
	Missed   time.Time // when it counted as missing last
	Removed  bool      // it wasn't heard again: it isn't configured any more
	Times    int       // how often it was missing since then
	Stays    bool      // it came and went until then, and stays away now: another message says so
}

// HeartbeatMissing returns the message about it.
func (r *Renderer) HeartbeatMissing(m MissingHeartbeat, room Room) string {
	l, location := room.Lang, orUTC(room.Location)
	times := func(n int) string { return l.N(n, "%d time", "%d times") }
	name, at := limited(m.Name, maxLabel), func(t time.Time) string { return formatTime(l, t.In(location)) }
	message := l.T("⚠️ Heartbeat **%s** is missing: last heard %s", name, at(m.Last))
	switch {
	case m.Removed:
		out, _ := finish(l.T("⚪ Heartbeat **%s** is no longer configured: it was missing from %s to %s.", name, at(m.Since), at(m.Until)))
		return out
	case m.Stays:
		out, _ := finish(l.T("⚠️ Heartbeat **%s** came and went (missing %s since %s), and stays away since %s: see the newer message.", name, times(m.Times), at(m.Since), at(m.Missed)))
		return out
	case m.Times > 1 && m.Until.IsZero():
		message = l.T("⚠️ Heartbeat **%s** comes and goes: missing %s since %s", name, times(m.Times), at(m.Since))
	case m.Times > 1:
		message = l.T("✅ Heartbeat **%s** is back: missing %s from %s to %s", name, times(m.Times), at(m.Since), at(m.Until))
	case !m.Until.IsZero():
		message = l.T("✅ Heartbeat **%s** is back: missing from %s to %s", name, at(m.Since), at(m.Until))
	case m.Last.IsZero():
		message = l.T("⚠️ Heartbeat **%s** is missing: never heard since %s", name, at(m.Known))
	}
	out, _ := finish(message + l.T(", expected every %s.", formatDuration(l, m.Known, m.Known.Add(m.Interval))))
	return out
}
