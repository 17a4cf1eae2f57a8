package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/zabbix"
)

// event accepts one payload of Zabbix's webhook: 202 once it is in the journal and on disk.
func (r *Receiver) event(c *gin.Context) {
	now := r.opts.Now()
	proof, refused := r.keys.credentials(c.Request.Header, now)
	if refused != nil {
		r.refuseEvent(c, hangUp(refused), "", "")
		return
	}
	body, refused := r.limits.events.read(c, MaxBody, "remove macros with item values or history")
	if refused != nil {
		r.refuseEvent(c, refused, "", "")
		return
	}
	key, refused := r.keys.check(proof, body)
	if refused != nil {
		r.refuseEvent(c, refused, "", "")
		return
	}
	payload, found := zabbix.Parse(body)
	source, wrong := sourceOf(key, payload.Source)
	if wrong != nil {
		found = append(found, *wrong)
	}
	if len(found) > 0 {
		r.refuseEvent(c, invalid(found), source, payload.Kind())
		return
	}
	start := r.opts.Now()
	ctx, span := r.opts.Trace.Receive(c.Request.Context(), "receive event", c.Request.Header, now,
		tracing.About{Source: source, EventID: payload.Macro("event.id"), Kind: string(payload.Kind())})
	_, err := r.opts.Intake.Append(ctx, store.Entry{Source: source, Kind: store.EntryEvent, Payload: body, ReceivedAt: now})
	span.End(notStoredWord(err))
	if err != nil {
		r.refuseEvent(c, notStored(err), source, payload.Kind())
		return
	}
	r.opts.Metrics.appendTime.Observe(r.opts.Now().Sub(start).Seconds())
	r.opts.Metrics.bodySize.Observe(float64(len(body)))
	if payload.Test {
		r.testAnswer(c, source, payload.Macro("alert.sendto"))
		return
	}
	r.eventAnswer(c, alert.Key{Source: source, EventID: payload.Macro("event.id")})
}

// sourceOf returns the source of a payload: its secret's, or the one that the payload names if the secret serves several.
func sourceOf(k *key, named string) (string, *fault.Fault) {
	switch {
	case named == "" && len(k.owners) == 1:
		return k.owners[0], nil
	case named == "":
		return "", &fault.Fault{Field: "source", What: "missing: the secret serves several sources",
			Hint: "add a parameter source to the media type, one of " + strings.Join(k.owners, ", ")}
	case !slices.Contains(k.owners, named):
		return "", &fault.Fault{Field: "source", What: fmt.Sprintf("%q is not a source of this secret", text.Shorten(named, 40)),
			Hint: "expected " + text.Or(k.owners)}
	}
	return named, nil
}

// notStored is the answer if the store doesn't accept an event or a notice.
func notStored(err error) *refusal {
	switch {
	case errors.Is(err, store.ErrBusy):
		return busy("the store can't keep up")
	case errors.Is(err, context.Canceled): // nobody reads the answer; it isn't a fault of the relay's
		return hangUp(refuse(http.StatusRequestTimeout, "the sender hung up before it was stored", "wait longer for the answer"))
	}
	r := refuse(http.StatusServiceUnavailable, "cannot store it", "try again; see the relay's log")
	r.retryAfter, r.cause, r.reason = 10*time.Second, err, "store"
	return r
}

// notStoredWord is notStored for spans.
func notStoredWord(err error) string {
	if err == nil {
		return ""
	}
	return "not stored"
}

// refuseEvent answers, counts and logs an event that is not accepted.
func (r *Receiver) refuseEvent(c *gin.Context, refused *refusal, source string, kind alert.Kind) {
	r.opts.Intake.Refused(source, string(kind))
	r.logRefusal(c, "event refused", refused, source, "source", source)
	refused.answer(c)
}

// accepted is the answer to an event.
type accepted struct {
	Problem string            `json:"problem"`
	Tags    map[string]string `json:"tags,omitempty"` // set by Zabbix on the event
}

func (r *Receiver) eventAnswer(c *gin.Context, key alert.Key) {
	a := accepted{Problem: key.String()}
	if link := r.Link(key); link != "" {
		a.Tags = map[string]string{alert.LinkTag: link}
	}
	c.JSON(http.StatusAccepted, a)
}

// tested is the answer to Zabbix's Test button.
type tested struct {
	Message string   `json:"message"` // first, since Zabbix's Test window shows the answer as it is
	Problem *string  `json:"problem"` // null
	Test    bool     `json:"test"`
	Rooms   []string `json:"rooms"`
	Unknown []string `json:"unknown,omitempty"` // a sentence for each unknown name in "Send to"
}

func (r *Receiver) testAnswer(c *gin.Context, source, sendTo string) {
	rooms, unknown := r.opts.Intake.Test(source, sendTo)
	t := tested{Test: true, Rooms: rooms, Unknown: unknown, Message: fmt.Sprintf("The relay received this test of source %s.", source)}
	if len(rooms) > 0 {
		t.Message = fmt.Sprintf("The relay received this test of source %s and posts a test message to %s.", source, strings.Join(rooms, ", "))
	} else {
		t.Rooms = []string{}
	}
	if len(unknown) > 0 {
		t.Message += " Send to: " + strings.Join(unknown, "; ") + "."
	}
	r.opts.Log.Info("test received", "source", source, "rooms", rooms)
	c.JSON(http.StatusAccepted, t)
}
