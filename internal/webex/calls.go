package webex

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"

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
	header, err := c.do(ctx, k)
	out.TrackingID = c.trackingID(header)
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
		{"roomId", m.RoomID}, {"toPersonEmail", m.ToPersonEmail},
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
		return out, err
	}
	header, err := c.do(ctx, k)
	out.TrackingID = c.trackingID(header)
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

// Messages reads a room's messages, newest first, page by page for as long as take wants more. In a group room a bot may read only those
// that mention it.
func (c *Client) Messages(ctx context.Context, roomID string, direct bool, take func(page []Message) (more bool)) error {
	query := url.Values{"roomId": {roomID}}
	if !direct {
		query.Set("mentionedPeople", "me")
	}
	return eachPage(ctx, c, "GET /messages", "messages", query, take)
}

// Me reads the bot itself.
func (c *Client) Me(ctx context.Context) (Person, error) {
	return get[Person](ctx, c, "GET /people/me", "people", "me")
}

// GetPerson reads one person by id.
func (c *Client) GetPerson(ctx context.Context, id string) (Person, error) {
	return get[Person](ctx, c, "GET /people/{id}", "people", id)
}

// Rooms lists the rooms that the bot is in.
func (c *Client) Rooms(ctx context.Context) ([]Room, error) {
	return list[Room](ctx, c, "GET /rooms", "rooms")
}

// Room reads one room. The error is NotFound if the bot isn't in it.
func (c *Client) Room(ctx context.Context, id string) (Room, error) {
	return get[Room](ctx, c, "GET /rooms/{id}", "rooms", id)
}

// Knows reports whether Webex shows the bot a person with an address.
func (c *Client) Knows(ctx context.Context, email string) (bool, error) {
	found, err := listWhere[Person](ctx, c, "GET /people", "people", url.Values{"email": {email}})
	return len(found) > 0, err
}

// DirectRooms lists the direct chats that the bot used last: a page of them.
func (c *Client) DirectRooms(ctx context.Context) (rooms []Room, err error) {
	query := url.Values{"type": {"direct"}, "sortBy": {"lastactivity"}}
	err = eachPage(ctx, c, "GET /rooms", "rooms", query, func(page []Room) bool {
		rooms = page
		return false
	})
	return rooms, err
}

// Membership returns an account's membership of a room that the bot is in too. ok is false if the account isn't in it.
func (c *Client) Membership(ctx context.Context, roomID, personID string) (m Membership, ok bool, err error) {
	found, err := listWhere[Membership](ctx, c, "GET /memberships", "memberships", url.Values{"roomId": {roomID}, "personId": {personID}})
	if len(found) > 0 {
		m = found[0]
	}
	return m, len(found) > 0, err
}

// CreateRoom makes a space with the bot in it. Repeating it after an error with Unanswered may make two.
func (c *Client) CreateRoom(ctx context.Context, title string) (Room, error) {
	return write[Room](ctx, c, "POST /rooms", map[string]string{"title": title}, "rooms")
}

// AddMember adds the person with an address to a space. The error is Conflict if they are in it already.
func (c *Client) AddMember(ctx context.Context, roomID, email string) error {
	_, err := write[Membership](ctx, c, "POST /memberships", map[string]string{"roomId": roomID, "personEmail": email}, "memberships")
	return err
}

// Leave takes the bot out of a space. It returns nil if it isn't in it.
func (c *Client) Leave(ctx context.Context, roomID string) error {
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	m, ok, err := c.Membership(ctx, roomID, me.ID)
	if err == nil && ok {
		err = c.deleteMembership(ctx, m.ID)
	}
	if err != nil && ClassOf(err) == NotFound {
		return nil
	}
	return err
}

func (c *Client) deleteMembership(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{op: "DELETE /memberships/{id}", path: []string{"memberships", id}, want: shapeNothing})
	return err
}

// Webhooks lists the webhooks of the bot's token.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	return list[Webhook](ctx, c, "GET /webhooks", "webhooks")
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
