package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/go-playground/validator/v10"

	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tracing"
)

// maxMessage is Webex's limit for text and for markdown, in bytes. A test checks that it equals webex.MaxMessageBytes.
const maxMessage = 7439

// maxUnknown bounds the unknown fields in one answer.
const maxUnknown = 20

// notification is the body of POST /v1/notify.
type notification struct{ Room, Person, Markdown, Text, Key string }

var notificationFields = []string{"room", "person", "markdown", "text", "key"}

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
		return n, found // also of its size, so that withoutAll never gets a longer text
	}
	n.Markdown, n.Text = withoutAll(n.Markdown), withoutAll(n.Text)
	return n, n.faults() // again: it may have grown
}

// addresses checks e-mail addresses.
var addresses = validator.New()

// faults names the first mistake in each field.
func (n notification) faults() (found fault.Faults) {
	const either, one, split = "expected room or person, and markdown or text", "use one of them", "split it, or send the beginning and a link"
	blank := func(s string) bool { return s != "" && strings.TrimSpace(s) == "" }
	size := func(s string) string { return fmt.Sprintf("%d bytes, Webex accepts %d", len(s), maxMessage) }
	for _, rule := range []struct {
		broken bool
		fault.Fault
	}{
		{n.Room == "" && n.Person == "", fault.Fault{Field: "room", What: "missing", Hint: either}},
		{utf8.RuneCountInString(n.Room) > 64, fault.Fault{Field: "room", What: "longer than 64 characters"}},
		{n.Room != "" && n.Person != "", fault.Fault{Field: "person", What: "conflicts with room", Hint: one}},
		{utf8.RuneCountInString(n.Person) > 254, fault.Fault{Field: "person", What: "longer than 254 characters"}},
		{n.Person != "" && addresses.Var(n.Person, "email") != nil, fault.Fault{Field: "person", What: "not an e-mail address"}},
		{n.Markdown == "" && n.Text == "", fault.Fault{Field: "markdown", What: "missing", Hint: either}},
		{blank(n.Markdown), fault.Fault{Field: "markdown", What: "empty"}},
		{len(n.Markdown) > maxMessage, fault.Fault{Field: "markdown", What: size(n.Markdown), Hint: split}},
		{n.Markdown != "" && n.Text != "", fault.Fault{Field: "text", What: "conflicts with markdown", Hint: one}},
		{blank(n.Text), fault.Fault{Field: "text", What: "empty"}},
		{len(n.Text) > maxMessage, fault.Fault{Field: "text", What: size(n.Text), Hint: split}},
		{utf8.RuneCountInString(n.Key) > 200, fault.Fault{Field: "key", What: "longer than 200 characters"}},
		{strings.ContainsFunc(n.Key, text.Dangerous), fault.Fault{Field: "key", What: "contains control characters"}},
	} {
		if rule.broken && (len(found) == 0 || found[len(found)-1].Field != rule.Field) {
			found = append(found, rule.Fault)
		}
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
	body, refused := r.limits.notices.read(c, MaxBody, fmt.Sprintf("Webex accepts %d bytes in a message", maxMessage))
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
	ctx, span := r.opts.Trace.Receive(c.Request.Context(), "receive notice", c.Request.Header, now, tracing.About{Sender: sender.Name, Room: n.Room})
	id, err := r.opts.Notices.AddNotice(ctx, store.Notice{
		Kind: store.NoticeNotify, Sender: sender.Name, Room: n.Room, Person: strings.ToLower(n.Person), Bot: r.opts.Notices.BotOf(n.Room),
		Markdown: n.Markdown, Text: n.Text, Dedup: n.Key, State: store.NoticePending, CreatedAt: now, ChangedAt: now,
	})
	span.Set(tracing.About{Notice: id})
	span.End(notStoredWord(err))
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
