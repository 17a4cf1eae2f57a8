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
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// event takes one payload of Zabbix's webhook: 202 once it is in the journal
// and on disk.
func (r *Receiver) event(c *gin.Context) {
	now := r.opts.Now()
	proof, refused := r.keys.credentials(c.Request.Header, now)
	if refused != nil {
		r.refuseEvent(c, hangUp(refused), "", "")
		return
	}
	body, refused := r.eventBodies.read(c.Writer, c.Request, MaxBody)
	if refused != nil {
		r.refuseEvent(c, refused, "", "")
		return
	}
	key, refused := r.keys.check(&proof, body)
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
	entry := store.Entry{Source: source, Kind: store.EntryEvent, Payload: body, ReceivedAt: now}
	if _, err := r.opts.Journal.Append(c.Request.Context(), entry); err != nil {
		r.refuseEvent(c, unkept(err), source, payload.Kind())
		return
	}
	r.opts.Metrics.appendTime.Observe(r.opts.Now().Sub(start).Seconds())
	r.opts.Metrics.bodySize.Observe(float64(len(body)))
	if payload.Test {
		r.testAnswer(c, source, payload)
		return
	}
	r.eventAnswer(c, alert.Key{Source: source, EventID: payload.Macro("event.id")})
}

// sourceOf finds the source of a payload: its secret's, or where the secret
// serves several, the one that the payload names. It is the configuration's text: the name is in
// every key, and keys are held for long.
func sourceOf(k *key, named string) (string, *fault.Fault) {
	i := slices.Index(k.owners, named)
	switch {
	case named == "" && len(k.owners) == 1:
		return k.owners[0], nil
	case named == "":
		return "", &fault.Fault{Field: "source", What: "missing: the secret serves several sources",
			Hint: "the media type needs a parameter source, one of " + strings.Join(k.owners, ", ")}
	case i < 0:
		return "", &fault.Fault{Field: "source", What: fmt.Sprintf("%q isn't a source of this secret", text.Shorten(named, 40)),
			Hint: "want " + strings.Join(k.owners, ", ")}
	}
	return k.owners[i], nil
}

// unkept is the answer where the store doesn't take something.
func unkept(err error) *refusal {
	if errors.Is(err, store.ErrBusy) {
		return busy("the store can't keep up")
	}
	r := refuse(http.StatusServiceUnavailable, "it can't be stored", "try again; the relay's log says more")
	r.retryAfter, r.cause, r.reason = 10*time.Second, err, "store"
	return r
}

// refuseEvent answers, counts and logs an event that isn't taken.
func (r *Receiver) refuseEvent(c *gin.Context, refused *refusal, source string, kind alert.Kind) {
	r.opts.Refused(source, string(kind))
	r.logRefusal(c, "event refused", refused, source, "source", source)
	refused.answer(c)
}

// logRefusal logs a refusal, once a minute for each reason and whose it is: strangers can cause as many as they like.
func (r *Receiver) logRefusal(c *gin.Context, text string, refused *refusal, owner string, ids ...any) {
	ids = append(ids, "status", refused.status, "from", c.Request.RemoteAddr,
		"reason", refused.faults[:min(len(refused.faults), 5)].Error())
	if refused.cause != nil {
		ids = append(ids, "error", refused.cause)
	}
	r.refused.Warn(text+" "+owner+" "+refused.reason, text, ids...)
}

// eventAnswer says which problem it was, with the tags that Zabbix sets.
func (r *Receiver) eventAnswer(c *gin.Context, key alert.Key) {
	b := make([]byte, 0, 192)
	b = append(b, `{"problem":`...)
	b = appendJSON(b, key.String())
	if link := r.link(key); link != "" {
		b = append(b, `,"tags":{"relay_link":`...)
		b = appendJSON(b, link)
		b = append(b, '}')
	}
	write(c, http.StatusAccepted, append(b, '}'))
}

// tested is the answer to Zabbix's Test button.
type tested struct {
	Message string   `json:"message"` // first: Zabbix's Test window shows the answer as it comes
	Problem *string  `json:"problem"` // null
	Test    bool     `json:"test"`
	Rooms   []string `json:"rooms"`
	Unknown []string `json:"unknown,omitempty"` // what "Send to" holds that names nothing, in words
}

func (r *Receiver) testAnswer(c *gin.Context, source string, payload zabbix.Payload) {
	rooms, unknown := r.opts.TestRooms(source, payload), r.opts.UnknownSendTo(source, payload.Macro("alert.sendto"))
	t := tested{Test: true, Rooms: rooms, Message: fmt.Sprintf("The relay took this test of source %s.", source)}
	if len(rooms) > 0 {
		t.Message = fmt.Sprintf("The relay took this test of source %s: a test message goes to %s.", source, strings.Join(rooms, ", "))
	} else {
		t.Rooms = []string{}
	}
	if len(unknown) > 0 {
		t.Unknown = unknown
		t.Message += " Send to: " + strings.Join(unknown, "; ") + "."
	}
	r.opts.Log.Info("test taken", "source", source, "rooms", rooms)
	answer(c, http.StatusAccepted, t)
}
