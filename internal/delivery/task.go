package delivery

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

// task is a post, a group or a notice that is behind.
type task = queue.Item[work]

// work is the subject of a task: one of post, group and notice is set. It holds neither cursor nor problem: both are
// read when it is the task's turn, so that nothing stale is sent.
type work struct {
	bot    *bot
	about  []any // identifies it in the log
	post   *postTask
	group  *groupTask
	notice *noticeTask
	traced traced // used by the worker that serves the task
}

// The classes of tasks, the most urgent first.
const (
	classAnswer = iota // answers to commands: somebody is looking at the room
	classNew           // problems that are new in their room
	classWrong         // messages that say open although all are resolved, or the reverse
	classUpdate        // other changes
	classCard          // buttons
	classRest          // notices that aren't answers
)

// groupRank places a new digest right after a new disaster.
const groupRank = int(alert.Disaster - alert.High)

func rankOf(s alert.Severity) int { return int(alert.Disaster - s) }

// urgencyOf is the urgency of a call, which may be a guess. wrong is set if the room's message, if there is one, says open
// of what is resolved, or the reverse.
func urgencyOf(op step.Op, wrong bool, rank int, since time.Time) queue.Urgency {
	u := queue.Urgency{Class: classUpdate, Rank: rank, Since: since}
	switch op {
	case step.OpGroup, step.OpGroupAgain:
		u.Class = classNew
	case step.OpRoot:
		if !wrong {
			u.Class = classNew
		}
	case step.OpEdit, step.OpGroupEdit, step.OpGroupDrop:
		if wrong {
			u.Class = classWrong
		}
	case step.OpCard, step.OpDelete:
		u.Class = classCard
	}
	return u
}

// noticeKinds are the kinds of notices, the most urgent first.
var noticeKinds = []store.NoticeKind{store.NoticeAnswer, store.NoticeNotify, store.NoticeReminder, store.NoticeTest, store.NoticeSystem, store.NoticeCanary, store.NoticeGraph}
