package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// Heartbeats records signs of life.
type Heartbeats interface {
	// Beat returns once it is on disk, with the time by which the next one is expected. store.ErrNotFound: none has that name.
	Beat(ctx context.Context, name string) (expectedBy time.Time, err error)
	Names() []string
}

// heartbeat accepts a sign of life of the notify API. Any sender may give any: its body isn't read.
func (r *Receiver) heartbeat(c *gin.Context) {
	key, refused := r.tokens.bearer(c.Request.Header)
	if refused != nil {
		r.refuseHeartbeat(c, hangUp(refused), "")
		return
	}
	sender, name := key.owners[0], c.Param("name")
	expected, err := r.opts.Heartbeats.Beat(c.Request.Context(), name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.refuseHeartbeat(c, r.unknownHeartbeat(name), sender)
	case err != nil:
		r.refuseHeartbeat(c, notStored(err), sender)
	default:
		r.opts.Log.Debug("heartbeat", "heartbeat", name, "sender", sender)
		c.JSON(http.StatusAccepted, struct {
			Heartbeat  string    `json:"heartbeat"`
			ExpectedBy time.Time `json:"expected_by"` // the next one
		}{name, expected.UTC().Truncate(time.Second)})
	}
}

func (r *Receiver) unknownHeartbeat(name string) *refusal {
	names, hint := r.opts.Heartbeats.Names(), "add it to heartbeats in the relay's configuration"
	if len(names) > 0 {
		hint = "configured: " + text.Some(names, 10) + "; " + hint
	}
	return refuse(http.StatusNotFound, fmt.Sprintf("unknown heartbeat %q", text.Shorten(name, 100)), hint)
}

func (r *Receiver) refuseHeartbeat(c *gin.Context, refused *refusal, sender string) {
	r.logRefusal(c, "heartbeat refused", refused, sender, "sender", sender)
	refused.answer(c)
}
