package delivery

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/store"
)

// task is a post or a notice that is behind, or the digests of a room.
type task = queue.Item[work]

// work is what a task is about: one of post, notice and digest is set. Of the worker that holds the task.
type work struct {
	version int64 // the newest that is known of what to show: Post.Desired, Notice.Version
	post    *postTask
	notice  *noticeTask
	digest  *digestTask
}

// The classes of tasks, the most urgent first.
const (
	classAnswer = iota // answers to commands: somebody is looking at the room
	classNew           // problems that their room doesn't know of
	classUpdate        // recoveries, changes
	classCard          // buttons
	classRest          // notices that answer nobody
)

// urgencyOf orders the work of a problem.
func urgencyOf(class int, s alert.Severity, since time.Time) queue.Urgency {
	return queue.Urgency{Class: class, Rank: int(alert.Disaster - s), Since: since}
}

// noticeRank is the rank of a notice's kind.
func noticeRank(kind store.NoticeKind) int {
	for i, k := range []store.NoticeKind{store.NoticeAnswer, store.NoticeNotify, store.NoticeTest, store.NoticeSystem} {
		if k == kind {
			return i
		}
	}
	return len(kind)
}
