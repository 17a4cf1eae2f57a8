// Package webex is a client of the Webex REST API, and knows Webex's limits, markdown, cards and signatures.
package webex

import "strings"

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
	Created         Time         `json:"created"`
	Updated         Time         `json:"updated,omitzero"`
	// TrackingID is that of the call that posted or edited it, for Webex's support.
	TrackingID string `json:"-"`
}

// NewMessage is a message to post, to RoomID or ToPersonEmail. Markdown is the fallback text of a card.
type NewMessage struct {
	RoomID        string       `json:"roomId,omitempty"`
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
	Type        string   `json:"type"` // "person" or "bot"
}

// Email returns the person's first address in lower case.
func (p Person) Email() string {
	if len(p.Emails) == 0 {
		return ""
	}
	return strings.ToLower(p.Emails[0])
}

// Room is one space.
type Room struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Type  string `json:"type"` // "group" or "direct"
	// AnnouncementOnly says that only moderators may post, and ReadOnly that nobody may: a compliance officer closed it.
	AnnouncementOnly bool `json:"isAnnouncementOnly"`
	ReadOnly         bool `json:"isReadOnly"`
	LastActivity     Time `json:"lastActivity,omitzero"`
	Created          Time `json:"created,omitzero"`
}

// Membership is one account in one space.
type Membership struct {
	ID        string `json:"id"`
	RoomID    string `json:"roomId"`
	PersonID  string `json:"personId"`
	Moderator bool   `json:"isModerator"`
}

// Webhook is one webhook registered with Webex.
type Webhook struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	TargetURL string `json:"targetUrl"`
	Resource  string `json:"resource,omitempty"` // "messages", "attachmentActions", "memberships", …
	Event     string `json:"event,omitempty"`    // "created", "updated", "deleted", "all"
	Filter    string `json:"filter,omitempty"`
	Secret    string `json:"secret,omitempty"`
	Status    string `json:"status,omitempty"` // "active" or "inactive"
}

// Envelope is the part of a webhook's delivery that the relay uses. It has no text: read the resource by Data.ID.
type Envelope struct {
	Resource string       `json:"resource"`
	Event    string       `json:"event"`
	Data     EnvelopeData `json:"data"`
}

// EnvelopeData names the resource.
type EnvelopeData struct {
	ID          string `json:"id"`
	MessageID   string `json:"messageId,omitempty"`
	RoomID      string `json:"roomId,omitempty"`
	RoomType    string `json:"roomType,omitempty"`
	PersonID    string `json:"personId,omitempty"`
	PersonEmail string `json:"personEmail,omitempty"`
	Created     Time   `json:"created,omitzero"`
}

// AttachmentAction is one press of a card's button. Inputs come from the client: they are untrusted.
type AttachmentAction struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	MessageID string         `json:"messageId"`
	Inputs    map[string]any `json:"inputs"`
	PersonID  string         `json:"personId"`
	RoomID    string         `json:"roomId"`
}
