package graph

import "time"

const (
	// before is the least time before a problem that its graph shows.
	before = time.Hour
	// least and most bound what is shown after a problem's end.
	least, most = 10 * time.Minute, time.Hour
	// MaxWindow is the longest window that can be asked for.
	MaxWindow = 365 * 24 * time.Hour
	minWindow = time.Minute
)

// Window chooses the time that a graph shows. It follows the problem: it begins an hour, or half of the problem's length, before it. asked
// is the length that somebody asked for, 0 for none: it ends now, or for a resolved problem it is around that.
func Window(opened, resolved, now time.Time, asked time.Duration) (from, to time.Time) {
	asked = min(asked, MaxWindow)
	open := resolved.IsZero() || resolved.Before(opened) || resolved.After(now)
	if opened.IsZero() || opened.After(now) {
		opened = now
	}
	end := now
	if !open {
		end = resolved
	}
	length := end.Sub(opened)
	switch {
	case asked > 0 && open:
		return now.Add(-max(asked, minWindow)), now
	case asked > 0:
		asked = max(asked, minWindow)
		to = opened.Add(length/2 + asked/2)
		if to.After(now) {
			to = now
		}
		return to.Add(-asked), to
	}
	from = opened.Add(-max(before, length/2))
	if to = now; !open {
		if after := end.Add(min(max(length/4, least), most)); after.Before(now) {
			to = after
		}
	}
	if now.Sub(from) > MaxWindow {
		from = later(from, to.Add(-MaxWindow))
	}
	return from, to
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
