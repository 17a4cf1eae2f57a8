package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/go-playground/validator/v10"

	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// maxMessage is Webex's limit for text and for markdown, in bytes. A test holds that it is webex.MaxMessageBytes.
const maxMessage = 7439

// maxUnknown bounds the unknown fields in one answer.
const maxUnknown = 20

// notification is the body of POST /v1/notify.
type notification struct {
	Room     string `json:"room" validate:"required_without=Person,omitempty,max=64"`
	Person   string `json:"person" validate:"excluded_with=Room,omitempty,max=254,email"`
	Markdown string `json:"markdown" validate:"required_without=Text,omitempty,words,bytes"`
	Text     string `json:"text" validate:"excluded_with=Markdown,omitempty,words,bytes"`
	Key      string `json:"key" validate:"omitempty,max=200,line"`
}

var notificationFields = []string{"room", "person", "markdown", "text", "key"}

var notificationRules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	for tag, ok := range map[string]func(string) bool{
		"words": func(s string) bool { return strings.TrimSpace(s) != "" },
		"bytes": func(s string) bool { return len(s) <= maxMessage },
		"line":  func(s string) bool { return !strings.ContainsFunc(s, text.Dangerous) },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }); err != nil {
			panic(err) // an invalid tag of ours: any test finds it
		}
	}
	return v
})

// parseNotification reads a body and names every fault.
func parseNotification(body []byte) (notification, fault.Faults) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		what := "not a JSON object"
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			what = "not JSON: " + syntax.Error()
		}
		return notification{}, fault.Faults{{What: what, Hint: `expected {"room": "noc", "markdown": "**done**"}`}}
	}
	var n notification
	into := map[string]*string{"room": &n.Room, "person": &n.Person, "markdown": &n.Markdown, "text": &n.Text, "key": &n.Key}
	var found fault.Faults
	for _, name := range notificationFields {
		raw, ok := fields[name]
		if !ok || bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := json.Unmarshal(raw, into[name]); err != nil {
			found = append(found, fault.Fault{Field: name, What: "not a string"})
		}
	}
	var unknown []string
	for name := range fields {
		if into[name] == nil {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown[:min(len(unknown), maxUnknown)] {
		found = append(found, fault.Fault{Field: text.Shorten(name, 40), What: "unknown", Hint: "expected " + text.Or(notificationFields)})
	}
	if len(found) > 0 {
		return n, found // faults of the form would be reported twice
	}
	if found := n.faults(); len(found) > 0 {
		return n, found // among them its size: withoutAll gets no longer text
	}
	n.Markdown, n.Text = withoutAll(n.Markdown), withoutAll(n.Text)
	return n, n.faults() // again: it may have grown
}

func (n notification) faults() fault.Faults {
	var broken validator.ValidationErrors
	if !errors.As(notificationRules().Struct(n), &broken) {
		return nil
	}
	var found fault.Faults
	for _, e := range broken {
		f := fault.Fault{Field: strings.ToLower(e.Field())}
		switch e.Tag() {
		case "required_without":
			f.What, f.Hint = "missing", "expected room or person, and markdown or text"
		case "excluded_with":
			f.What = "conflicts with " + strings.ToLower(e.Param())
			f.Hint = "use one of them"
		case "max":
			f.What = fmt.Sprintf("longer than %s characters", e.Param())
		case "bytes":
			f.What = fmt.Sprintf("%d bytes, Webex accepts %d", len(fmt.Sprint(e.Value())), maxMessage)
			f.Hint = "split it, or send the beginning and a link"
		case "words":
			f.What = "empty"
		case "line":
			f.What = "contains control characters"
		case "email":
			f.What = "not an e-mail address"
		}
		found = append(found, f)
	}
	return found
}

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
	}
	return nil
}

// notify accepts one message of the notify API.
func (r *Receiver) notify(c *gin.Context) {
	key, refused := r.tokens.authorise(c.Request.Header)
	if refused != nil {
		refused.faults[0].Hint = "send Authorization: Bearer TOKEN"
		r.refuseNotice(c, hangUp(refused), "")
		return
	}
	sender := r.senders[key.owners[0]]
	body, refused := r.noticeBodies.read(c, MaxBody, fmt.Sprintf("Webex accepts %d bytes in a message", maxMessage))
	if refused != nil {
		r.refuseNotice(c, refused, sender.Name)
		return
	}
	n, found := parseNotification(body)
	if len(found) > 0 {
		r.refuseNotice(c, invalid(found), sender.Name)
		return
	}
	if refused := sender.may(n); refused != nil {
		r.refuseNotice(c, refused, sender.Name)
		return
	}
	now := r.opts.Now()
	id, err := r.opts.Notices.AddNotice(c.Request.Context(), store.Notice{
		Kind: store.NoticeNotify, Sender: sender.Name, Room: n.Room, Person: strings.ToLower(n.Person), Bot: r.opts.Notices.BotOf(n.Room),
		Markdown: n.Markdown, Text: n.Text, Dedup: n.Key, State: store.NoticePending, CreatedAt: now, ChangedAt: now,
	})
	if err != nil {
		r.refuseNotice(c, notStored(err), sender.Name)
		return
	}
	r.opts.Log.Info("notice accepted", "notice", id, "sender", sender.Name, "room", n.Room, "person", n.Person, "key", n.Key)
	c.JSON(http.StatusAccepted, struct {
		ID string `json:"id"`
	}{fmt.Sprintf("notice:%d", id)})
}

func (r *Receiver) refuseNotice(c *gin.Context, refused *refusal, sender string) {
	r.logRefusal(c, "notice refused", refused, sender, "sender", sender)
	refused.answer(c)
}
