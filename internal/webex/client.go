package webex

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

func lower(s string) string { return strings.ToLower(s) }

// Options make a Client.
type Options struct {
	BaseURL   string // "https://webexapis.com/v1"
	Token     string
	Transport http.RoundTripper // proxy and CA; nil for the default
	Timeout   time.Duration     // of one call; 30 s by default
	Log       *slog.Logger
	// Observe is told of every call when it ends: for metrics. status is 0 where there was no answer.
	Observe func(op string, status int, took time.Duration)
}

// Client calls the Webex REST API as one bot. It never retries by itself:
// whoever calls it decides, by the error's Class. Every method returns an *Error
// where Webex, or the way to it, failed.
type Client struct{ opts Options }

// New makes a client.
func New(opts Options) *Client { return &Client{opts: opts} }

// The methods, all with ctx first:
//
//	CreateMessage(NewMessage) (Message, error)
//	EditMessage(id, roomID, markdown string) (Message, error)
//	DeleteMessage(id string) error                // nil where it is gone already
//	GetMessage(id string) (Message, error)
//	ListMessages(MessageQuery) ([]Message, error) // the newest first; stops at q.Max or q.Since
//	Me() (Person, error); GetPerson(id) (Person, error); PeopleByEmail(email) ([]Person, error)
//	Rooms() ([]Room, error); GetRoom(id) (Room, error); CreateRoom(title) (Room, error)
//	Memberships(roomID) ([]Membership, error); AddMember(roomID, email string) (Membership, error); RemoveMember(membershipID) error
//	Webhooks() ([]Webhook, error); CreateWebhook(Webhook) (Webhook, error); UpdateWebhook(Webhook) (Webhook, error); DeleteWebhook(id) error
//	GetAttachmentAction(id) (AttachmentAction, error)

// MessageQuery says which messages of a room to list.
type MessageQuery struct {
	RoomID      string
	MentionedMe bool // needed by a bot in a group room
	ParentID    string
	Since       time.Time // stop at messages older than this
	Max         int       // 0: no limit
}

var _ = context.Background
