// Package webex is a small client of the Webex REST API, with what else the
// relay must know about Webex: its limits, its markdown, its signatures.
package webex

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of Webex: the developer documentation of the messages API.
const (
	MaxMessageBytes = 7439      // of text and of markdown each, in bytes before encryption
	MaxEdits        = 10        // of one message
	MaxFileBytes    = 100 << 20 // of one attached file
)

// Message is one message as Webex returns it.
type Message struct {
	ID              string       `json:"id"`
	ParentID        string       `json:"parentId,omitempty"` // of a reply: the thread's root
	RoomID          string       `json:"roomId"`
	RoomType        string       `json:"roomType"` // "group" or "direct"
	Text            string       `json:"text,omitempty"`
	Markdown        string       `json:"markdown,omitempty"`
	HTML            string       `json:"html,omitempty"`
	Files           []string     `json:"files,omitempty"`
	Attachments     []Attachment `json:"attachments,omitempty"`
	PersonID        string       `json:"personId"`
	PersonEmail     string       `json:"personEmail"`
	MentionedPeople []string     `json:"mentionedPeople,omitempty"`
	Created         time.Time    `json:"created"`
	Updated         time.Time    `json:"updated,omitzero"`
}

// NewMessage is a message to post. One of RoomID, ToPersonID and ToPersonEmail
// says where; Markdown is the fallback where there is a card.
type NewMessage struct {
	RoomID        string       `json:"roomId,omitempty"`
	ToPersonID    string       `json:"toPersonId,omitempty"`
	ToPersonEmail string       `json:"toPersonEmail,omitempty"`
	ParentID      string       `json:"parentId,omitempty"`
	Text          string       `json:"text,omitempty"`
	Markdown      string       `json:"markdown,omitempty"`
	Attachments   []Attachment `json:"attachments,omitempty"`
	File          *File        `json:"-"` // sent as multipart/form-data
}

// File is a local file to attach.
type File struct {
	Name        string
	ContentType string
	Content     []byte
}

// CardContentType is the content type of an Adaptive Card.
const CardContentType = "application/vnd.microsoft.card.adaptive"

// Attachment is a card.
type Attachment struct {
	ContentType string `json:"contentType"`
	Content     any    `json:"content"` // an Adaptive Card, at most version 1.3
}

// Person is one Webex account.
type Person struct {
	ID          string   `json:"id"`
	Emails      []string `json:"emails"`
	DisplayName string   `json:"displayName"`
	NickName    string   `json:"nickName,omitempty"`
	OrgID       string   `json:"orgId,omitempty"`
	Type        string   `json:"type"` // "person" or "bot"
}

// Email is the person's first address in lower case.
func (p Person) Email() string {
	if len(p.Emails) == 0 {
		return ""
	}
	return strings.ToLower(p.Emails[0])
}

// Room is one space.
type Room struct {
	ID           string    `json:"id"`
	Title        string    `json:"title"`
	Type         string    `json:"type"`
	IsLocked     bool      `json:"isLocked,omitempty"`
	LastActivity time.Time `json:"lastActivity,omitzero"`
	Created      time.Time `json:"created,omitzero"`
}

// Membership is one person's place in one room.
type Membership struct {
	ID                string `json:"id"`
	RoomID            string `json:"roomId"`
	PersonID          string `json:"personId"`
	PersonEmail       string `json:"personEmail"`
	PersonDisplayName string `json:"personDisplayName"`
	IsModerator       bool   `json:"isModerator,omitempty"`
}

// Webhook is one registration with Webex.
type Webhook struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name"`
	TargetURL string    `json:"targetUrl"`
	Resource  string    `json:"resource,omitempty"` // "messages", "attachmentActions", "memberships", …
	Event     string    `json:"event,omitempty"`    // "created", "updated", "deleted", "all"
	Filter    string    `json:"filter,omitempty"`
	Secret    string    `json:"secret,omitempty"`
	Status    string    `json:"status,omitempty"` // "active" or "inactive"
	Created   time.Time `json:"created,omitzero"`
}

// Envelope is what Webex posts to a webhook's target. It carries no text: the
// resource is to be read with Data.ID.
type Envelope struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Resource  string       `json:"resource"`
	Event     string       `json:"event"`
	Filter    string       `json:"filter,omitempty"`
	OrgID     string       `json:"orgId,omitempty"`
	CreatedBy string       `json:"createdBy,omitempty"`
	AppID     string       `json:"appId,omitempty"`
	OwnedBy   string       `json:"ownedBy,omitempty"`
	Status    string       `json:"status,omitempty"`
	ActorID   string       `json:"actorId,omitempty"`
	Data      EnvelopeData `json:"data"`
}

// EnvelopeData names the resource.
type EnvelopeData struct {
	ID          string    `json:"id"`
	Type        string    `json:"type,omitempty"` // of attachment actions: "submit"
	MessageID   string    `json:"messageId,omitempty"`
	RoomID      string    `json:"roomId,omitempty"`
	RoomType    string    `json:"roomType,omitempty"`
	PersonID    string    `json:"personId,omitempty"`
	PersonEmail string    `json:"personEmail,omitempty"`
	Created     time.Time `json:"created,omitzero"`
}

// AttachmentAction is one press of a card's button. Inputs come from the
// client: they are untrusted.
type AttachmentAction struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	MessageID string         `json:"messageId"`
	Inputs    map[string]any `json:"inputs"`
	PersonID  string         `json:"personId"`
	RoomID    string         `json:"roomId"`
	Created   time.Time      `json:"created"`
}

// Class is what a failed call means for whoever made it.
type Class int

const (
	// Temporary faults pass: the network, a time-out, 5xx, 423, and any answer that isn't
	// Webex's own (Error.Foreign). Try again with backoff.
	Temporary Class = iota + 1
	// RateLimited is 429: not one call before Error.RetryAfter is over.
	RateLimited
	// Unauthorized is 401: the token is bad. Alarm, and don't hammer.
	Unauthorized
	// NotFound is 404 and 410: the room, message or person is gone, or the bot isn't in it.
	NotFound
	// Conflict is 409: it is so already.
	Conflict
	// Forbidden is 403: the bot may not do this in this room.
	Forbidden
	// Refused is any other 4xx: the same call will never succeed.
	Refused
)

// Error is a call that failed.
type Error struct {
	Op         string        // "POST /messages"
	Status     int           // HTTP status; 0 if there was no answer. Decide by Class, not by this.
	Message    string        // Webex's reason, or what went wrong on the way
	Hint       string        // what to do about it, where that is known
	TrackingID string        // what Webex's support asks for
	RetryAfter time.Duration // of a 429 (10 s where Webex doesn't say), or of a 423 or 503 that says so; at most a day
	// Unanswered says that Webex may have done what was asked: the request was sent, and
	// Webex's answer didn't arrive. Repeating the call may do it twice.
	Unanswered bool
	// Foreign says that something between the relay and Webex answered instead of Webex: a
	// proxy, a firewall, a login page. Such an answer is never final, whatever its status.
	Foreign bool
	Err     error // the fault beneath where there was no answer
}

func (e *Error) Error() string {
	text := "webex: " + e.Op + ": "
	if e.Status != 0 {
		text += fmt.Sprintf("%d ", e.Status)
	}
	text += e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	if e.TrackingID != "" {
		text += " (tracking id " + e.TrackingID + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Class says what to do about it.
func (e *Error) Class() Class {
	switch {
	case e.Status == 429: // whoever says so: waiting does no harm
		return RateLimited
	case e.Foreign:
		return Temporary
	case e.Status == 401:
		return Unauthorized
	case e.Status == 404 || e.Status == 410:
		return NotFound
	case e.Status == 409:
		return Conflict
	case e.Status == 403:
		return Forbidden
	case e.Status < 400 || e.Status >= 500 || e.Status == 407 || e.Status == 408 || e.Status == 423:
		return Temporary
	}
	return Refused
}

// ClassOf is the class of any error that a Client returned; an error that
// isn't an *Error is Temporary.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class()
	}
	return Temporary
}
