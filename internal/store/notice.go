package store

import (
	"bytes"
	"context"
	"time"
)

// NoticeState is the state of a notice.
type NoticeState string

const (
	NoticePending NoticeState = "pending"
	NoticeSent    NoticeState = "sent"
	NoticeDead    NoticeState = "dead"
)

// NoticeKind is the purpose of a notice, which determines its urgency.
type NoticeKind string

// The kinds of notices, most urgent first.
const (
	NoticeAnswer   NoticeKind = "answer"   // to a command
	NoticeNotify   NoticeKind = "notify"   // from the notify API or `send`
	NoticeReminder NoticeKind = "reminder" // a reminder or report that is due
	NoticeTest     NoticeKind = "test"     // Zabbix's Test button
	NoticeSystem   NoticeKind = "system"   // from the relay about itself
	// NoticeCanary is posted, read back and deleted, and stays pending until then. It never becomes a dead letter.
	NoticeCanary NoticeKind = "canary"
	NoticeGraph  NoticeKind = "graph" // of a new problem, in its thread, or of an incident, in that of its review
)

// Notice is a message that isn't about a problem.
type Notice struct {
	ID       int64
	Kind     NoticeKind
	Sender   string // name of the notify token, for NoticeNotify; of a NoticeReminder, what it needs to be sent
	Room     string // configured name; or
	RoomID   string // a Webex room id, for an answer in a direct chat; or
	Person   string // an e-mail address; beside a RoomID: whose direct chat that is
	Bot      string // the bot that sends it: the room's, or the first one
	ParentID string // thread; of a notice with a Thread, set when it is sent
	Markdown string
	Text     string // instead of Markdown
	Card     []byte // JSON of an Adaptive Card; Markdown is its fallback
	// Dedup is the idempotency key within (Sender, Room or Person). A second notice with the same
	// key replaces the first one's body and edits its message.
	Dedup string
	// Thread joins the notices with the same one of a Sender in a Room or to a Person: the first one that is sent is the root, the
	// others are replies to it.
	Thread string
	// File is sent with the message, which can't be edited then: there is no Dedup. Only AddNotice uses its Content.
	File *File
	// Once identifies the request that adds the notice. It isn't part of the notice.
	Once  Once
	Trace string // of what it replies to, or of the request that sent it; "" while tracing is off

	State       NoticeState
	MessageID   string
	Version     int64 // of the body: raised when it is replaced
	SentVersion int64
	Edits       int
	Attempts    int
	NotBefore   time.Time
	LastError   string
	TrackingID  string
	CreatedAt   time.Time
	ChangedAt   time.Time
}

// HasButtons reports whether the notice's card has a button that is pressed in Webex.
func (n Notice) HasButtons() bool { return bytes.Contains(n.Card, []byte(`"Action.Submit"`)) }

// File is a file of a notice.
type File struct {
	Name    string
	Type    string // of its content: "text/plain"
	Content []byte
}

// Once makes a repeated request harmless: for OnceFor, the same Key of the same Sender is the same request.
type Once struct {
	Key    string // "" for none
	Digest string // of everything that was asked for
}

const (
	// OnceFor is how long a Once.Key is remembered.
	OnceFor = 24 * time.Hour
	// MaxFiles bounds the files that wait to be sent, in bytes.
	MaxFiles = 256 << 20
)

// Notices keeps notices.
type Notices interface {
	// AddNotice queues a notice and returns once it is on disk. If a notice with its Dedup exists, it replaces that
	// notice's body, makes it pending again and returns its id. The same request again, by its Once, changes nothing and
	// returns the same id. Errors: ErrKeyReused for another request with the same key, ErrFull if MaxFiles is reached.
	AddNotice(ctx context.Context, n Notice) (id int64, err error)
	Notice(ctx context.Context, id int64) (Notice, error) // ErrNotFound
	// NoticeFile returns the content of a notice's file. ErrNotFound once it was sent.
	NoticeFile(ctx context.Context, id int64) ([]byte, error)
	// ThreadRoot returns the message that a notice with a Thread replies to; "" if it is the first one.
	ThreadRoot(ctx context.Context, n Notice) (messageID string, err error)
	// CardNotices returns the notices with a card that were sent at or after since, and aren't to be sent again, oldest first.
	CardNotices(ctx context.Context, since time.Time) ([]Notice, error)
	// PendingNotices returns the notices still to be sent, oldest first.
	PendingNotices(ctx context.Context) ([]Notice, error)
	// SaveNotice writes delivery's progress with a notice: State, ParentID, MessageID, SentVersion, Edits, Attempts,
	// NotBefore, LastError and TrackingID. A notice whose body was replaced meanwhile stays pending. The file of one
	// that was sent is removed. ErrNotFound.
	SaveNotice(ctx context.Context, n Notice) error
}
