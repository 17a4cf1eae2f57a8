package webex

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"time"

	"nms-alert-relay/internal/text"
)

// CreateMessage posts a message; with a File as multipart/form-data, which can't have a card. Repeating it after an error with
// Unanswered may post it twice: Webex has no idempotency key.
func (c *Client) CreateMessage(ctx context.Context, m NewMessage) (Message, error) {
	const op = "POST /messages"
	var out Message
	k, err := jsonCall(op, m, &out, "messages")
	if m.File != nil {
		if len(m.Attachments) > 0 {
			return Message{}, &Error{Op: op, Status: http.StatusBadRequest, Message: "not sent: a message can have a local file or a card, not both"}
		}
		k, err = fileCall(op, m, &out)
	}
	if err != nil {
		return Message{}, err
	}
	_, err = c.do(ctx, k)
	return out, err
}

func fileCall(op string, m NewMessage, into any) (call, error) {
	if len(m.File.Content) > MaxFileBytes {
		return call{}, &Error{Op: op, Status: http.StatusBadRequest, Message: fmt.Sprintf("not sent: the file has %d bytes, Webex accepts %d", len(m.File.Content), MaxFileBytes)}
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	// Writing to a buffer doesn't fail.
	for _, field := range []struct{ name, value string }{
		{"roomId", m.RoomID}, {"toPersonId", m.ToPersonID}, {"toPersonEmail", m.ToPersonEmail},
		{"parentId", m.ParentID}, {"text", m.Text}, {"markdown", m.Markdown},
	} {
		if field.value != "" {
			_ = form.WriteField(field.name, field.value)
		}
	}
	ctype := m.File.ContentType
	if ctype == "" {
		ctype = "application/octet-stream"
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", multipart.FileContentDisposition("files", m.File.Name))
	header.Set("Content-Type", text.Line(ctype))
	part, _ := form.CreatePart(header)
	_, _ = part.Write(m.File.Content)
	_ = form.Close()
	return call{op: op, path: []string{"messages"}, body: body.Bytes(), ctype: form.FormDataContentType(), into: into}, nil
}

// EditMessage replaces the text of one of the bot's own messages. Webex refuses the eleventh edit, and any edit of a message with a
// file or a card.
func (c *Client) EditMessage(ctx context.Context, id, roomID, markdown string) (Message, error) {
	var out Message
	k, err := jsonCall("PUT /messages/{id}", map[string]string{"roomId": roomID, "markdown": markdown}, &out, "messages", id)
	if err != nil {
		return Message{}, err
	}
	_, err = c.do(ctx, k)
	return out, err
}

// DeleteMessage deletes one of the bot's own messages. It returns nil if the message is gone already.
func (c *Client) DeleteMessage(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{op: "DELETE /messages/{id}", path: []string{"messages", id}, want: shapeNothing})
	if err != nil && ClassOf(err) == NotFound {
		return nil
	}
	return err
}

// GetMessage reads one message: in a group room only the bot's own and those that mention it. It can be NotFound for a moment after
// its webhook.
func (c *Client) GetMessage(ctx context.Context, id string) (Message, error) {
	return get[Message](ctx, c, "GET /messages/{id}", "messages", id)
}

// MessageQuery selects messages of a room.
type MessageQuery struct {
	RoomID      string
	MentionedMe bool // needed by a bot in a group room
	ParentID    string
	Since       time.Time // stop at messages older than this
	Max         int       // 0: no limit
}

// ListMessages lists a room's messages, the newest first, up to q.Max or the first one older than q.Since.
func (c *Client) ListMessages(ctx context.Context, q MessageQuery) ([]Message, error) {
	size := pageSize
	if q.Max > 0 && q.Max < size {
		size = q.Max
	}
	query := url.Values{"roomId": {q.RoomID}, "max": {strconv.Itoa(size)}}
	if q.MentionedMe {
		query.Set("mentionedPeople", "me")
	}
	if q.ParentID != "" {
		query.Set("parentId", q.ParentID)
	}
	var out []Message
	err := list(ctx, c, "GET /messages", query, func(m Message) bool {
		if !m.Created.IsZero() && m.Created.Before(q.Since) {
			return false
		}
		out = append(out, m)
		return q.Max == 0 || len(out) < q.Max
	}, "messages")
	return out, err
}

// Me reads the bot itself.
func (c *Client) Me(ctx context.Context) (Person, error) {
	return get[Person](ctx, c, "GET /people/me", "people", "me")
}

// GetPerson reads one person by id.
func (c *Client) GetPerson(ctx context.Context, id string) (Person, error) {
	return get[Person](ctx, c, "GET /people/{id}", "people", id)
}

// PeopleByEmail finds the people with an address: none or one.
func (c *Client) PeopleByEmail(ctx context.Context, email string) ([]Person, error) {
	var out []Person
	err := list(ctx, c, "GET /people", url.Values{"email": {email}}, all(&out), "people")
	return out, err
}

// Rooms lists the rooms that the bot is in.
func (c *Client) Rooms(ctx context.Context) ([]Room, error) {
	var out []Room
	err := list(ctx, c, "GET /rooms", url.Values{"max": {strconv.Itoa(pageSize)}}, all(&out), "rooms")
	return out, err
}

// GetRoom reads one room. The error is NotFound if the bot isn't in it.
func (c *Client) GetRoom(ctx context.Context, id string) (Room, error) {
	return get[Room](ctx, c, "GET /rooms/{id}", "rooms", id)
}

// CreateRoom creates a group room with the bot in it.
func (c *Client) CreateRoom(ctx context.Context, title string) (Room, error) {
	return write[Room](ctx, c, "POST /rooms", map[string]string{"title": title}, "rooms")
}

// Memberships lists the people in a room.
func (c *Client) Memberships(ctx context.Context, roomID string) ([]Membership, error) {
	var out []Membership
	err := list(ctx, c, "GET /memberships", url.Values{"roomId": {roomID}, "max": {strconv.Itoa(pageSize)}}, all(&out), "memberships")
	return out, err
}

// AddMember adds a person to a room. The error is Conflict if they are in it already.
func (c *Client) AddMember(ctx context.Context, roomID, email string) (Membership, error) {
	return write[Membership](ctx, c, "POST /memberships", map[string]string{"roomId": roomID, "personEmail": email}, "memberships")
}

// RemoveMember ends a membership.
func (c *Client) RemoveMember(ctx context.Context, membershipID string) error {
	_, err := c.do(ctx, call{op: "DELETE /memberships/{id}", path: []string{"memberships", membershipID}, want: shapeNothing})
	return err
}

// Webhooks lists the webhooks of the bot's token.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var out []Webhook
	err := list(ctx, c, "GET /webhooks", url.Values{"max": {strconv.Itoa(pageSize)}}, all(&out), "webhooks")
	return out, err
}

// CreateWebhook registers a webhook by its name, target, resource, event, filter and secret.
func (c *Client) CreateWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	w = Webhook{Name: w.Name, TargetURL: w.TargetURL, Resource: w.Resource, Event: w.Event, Filter: w.Filter, Secret: w.Secret}
	return write[Webhook](ctx, c, "POST /webhooks", w, "webhooks")
}

// UpdateWebhook changes name, target, secret and status of the webhook w.ID; Webex changes nothing else. The status "active"
// re-enables a disabled one.
func (c *Client) UpdateWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	body := Webhook{Name: w.Name, TargetURL: w.TargetURL, Secret: w.Secret, Status: w.Status}
	return write[Webhook](ctx, c, "PUT /webhooks/{id}", body, "webhooks", w.ID)
}

// DeleteWebhook removes a webhook. The error is NotFound if it is gone already.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{op: "DELETE /webhooks/{id}", path: []string{"webhooks", id}, want: shapeNothing})
	return err
}

// GetAttachmentAction reads one press of a card's button.
func (c *Client) GetAttachmentAction(ctx context.Context, id string) (AttachmentAction, error) {
	return get[AttachmentAction](ctx, c, "GET /attachment/actions/{id}", "attachment", "actions", id)
}

func get[T any](ctx context.Context, c *Client, op string, path ...string) (out T, err error) {
	_, err = c.do(ctx, call{op: op, path: path, into: &out})
	return out, err
}

func write[T any](ctx context.Context, c *Client, op string, in any, path ...string) (out T, err error) {
	k, err := jsonCall(op, in, &out, path...)
	if err != nil {
		return out, err
	}
	_, err = c.do(ctx, k)
	return out, err
}
