package receiver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

const (
	// formOverhead is how many bytes a form may have besides its file.
	formOverhead = 64 << 10
	// uploadTime bounds how long a form may take to arrive: longer than other bodies.
	uploadTime = 2 * time.Minute
	answerTime = time.Minute
)

// may returns nil if the sender may send the notice.
func (s Sender) may(n notification) *refusal {
	switch {
	case n.Person != "" && !s.Persons:
		return refuse(http.StatusForbidden, "this token may not write to people", "set persons: true in the relay's configuration")
	case n.Room != "" && !slices.Contains(s.Rooms, n.Room):
		hint := "it may write to no room"
		if len(s.Rooms) > 0 {
			hint = "it may write to " + strings.Join(s.Rooms, ", ")
		}
		refused := refuse(http.StatusForbidden, fmt.Sprintf("this token may not write to room %q", n.Room), hint)
		refused.reason = "room"
		return refused
	case n.File != nil && s.MaxFile <= 0:
		return refuse(http.StatusForbidden, "this token may not send files", "set max_file_mib in the relay's configuration")
	case n.File != nil && int64(len(n.File.Content)) > s.MaxFile:
		return s.fileTooLarge()
	}
	return nil
}

func (s Sender) fileTooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the file is larger than %d bytes", s.MaxFile),
		"send a part of it, or a link; max_file_mib in the relay's configuration is the limit")
}

// notify accepts one message of the notify API.
func (r *Receiver) notify(c *gin.Context) {
	key, refused := r.tokens.bearer(c.Request.Header)
	if refused != nil {
		r.refuseNotice(c, hangUp(refused), "")
		return
	}
	sender := r.senders[key.owners[0]]
	now := r.opts.Now()
	if wait := r.limits.senders.wait(sender, now); wait > 0 {
		refused := busy(fmt.Sprintf("more than %d messages a minute", sender.PerMinute))
		refused.retryAfter = (wait + time.Second - 1).Truncate(time.Second)
		r.refuseNotice(c, hangUp(refused), sender.Name)
		return
	}
	body, refused := r.notifyBody(c, sender)
	if refused != nil {
		r.refuseNotice(c, refused, sender.Name)
		return
	}
	n, found := parseNotification(c.Request.Header, body)
	if len(found) > 0 {
		r.refuseNotice(c, invalid(found), sender.Name)
		return
	}
	if refused := sender.may(n); refused != nil {
		r.refuseNotice(c, refused, sender.Name)
		return
	}
	shown, found := n.shown(sender.MentionAll, func(s alert.Severity) string { return r.opts.Label(n.Room, s) })
	if len(found) > 0 {
		r.refuseNotice(c, invalid(found), sender.Name)
		return
	}
	ctx, span := r.opts.Trace.Receive(c.Request.Context(), "receive notice", c.Request.Header, now, tracing.About{Sender: sender.Name, Room: n.Room})
	id, err := r.opts.Notices.AddNotice(ctx, store.Notice{
		Kind: store.NoticeNotify, Sender: sender.Name, Room: n.Room, Person: strings.ToLower(n.Person), Bot: r.opts.Notices.BotOf(n.Room),
		Markdown: shown.Markdown, Text: shown.Text, Dedup: n.Key, Thread: n.Thread, File: n.File, Once: n.once(),
		State: store.NoticePending, CreatedAt: now, ChangedAt: now,
	})
	span.Set(tracing.About{Notice: id})
	span.End(notStoredWord(err))
	if err != nil {
		r.refuseNotice(c, noticeNotStored(err), sender.Name)
		return
	}
	r.opts.Metrics.notices.WithLabelValues(sender.Name, resultAccepted).Inc()
	r.opts.Log.Info("notice accepted", "notice", id, "sender", sender.Name, "room", n.Room, "person", n.Person, "key", n.Key)
	c.JSON(http.StatusAccepted, struct {
		ID string `json:"id"`
	}{fmt.Sprintf("notice:%d", id)})
}

// notifyBody reads the body of a message. Only a form can have a file, and may be as large as that.
func (r *Receiver) notifyBody(c *gin.Context, sender Sender) ([]byte, *refusal) {
	if _, form := formBoundary(c.Request.Header); !form {
		return r.limits.notices.read(c, MaxBody, fmt.Sprintf("Webex accepts %d bytes in a message", maxMessage))
	}
	// If the writer can't do it, like a test's recorder, the server's own deadlines stay. That of the answer began with the request.
	deadlines := http.NewResponseController(c.Writer)
	_ = deadlines.SetReadDeadline(time.Now().Add(uploadTime))
	_ = deadlines.SetWriteDeadline(time.Now().Add(uploadTime + answerTime))
	body, refused := r.limits.files.read(c, sender.MaxFile+formOverhead, "")
	if refused != nil && refused.status == http.StatusRequestEntityTooLarge {
		return nil, hangUp(sender.fileTooLarge())
	}
	return body, refused
}

// noticeNotStored is the answer if the store doesn't accept a notice.
func noticeNotStored(err error) *refusal {
	switch {
	case errors.Is(err, store.ErrKeyReused):
		return refuse(http.StatusUnprocessableEntity, "the idempotency key was used for another message",
			"use a new key for each message, the same one only to repeat a request")
	case errors.Is(err, store.ErrFull):
		refused := busy("too many files wait to be sent")
		refused.retryAfter = time.Minute
		return refused
	}
	return notStored(err)
}

func (r *Receiver) refuseNotice(c *gin.Context, refused *refusal, sender string) {
	r.opts.Metrics.notices.WithLabelValues(sender, resultRefused).Inc()
	r.logRefusal(c, "notice refused", refused, sender, "sender", sender)
	refused.answer(c)
}
