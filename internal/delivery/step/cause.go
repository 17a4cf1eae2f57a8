package step

import (
	"slices"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// CauseWait is when a group of symptoms looks again whether the room shows their cause.
const CauseWait = time.Second

// CauseMessage returns the message of a cause in a room, in whose thread its symptoms are shown. "" stands for none: they get
// a message of their own. ready is false while the cause's first message is still to be posted.
func CauseMessage(posts []store.Post, room string) (id string, ready bool) {
	i := slices.IndexFunc(posts, func(p store.Post) bool { return p.Room == room })
	if i < 0 {
		return "", true
	}
	p := posts[i]
	return p.RootID, p.RootID != "" || p.Group != 0 || p.State == store.PostDead || !p.Pending()
}

// WithoutParent reports whether a message that a thread refused is worth another attempt outside of it: somebody may have
// deleted the message that began the thread.
func WithoutParent(err error) bool {
	switch webex.ClassOf(err) {
	case webex.Temporary, webex.RateLimited, webex.Unauthorized, webex.Forbidden:
		return false
	}
	return true
}
