// Package store keeps what the relay must not lose: the journal, problems,
// posts, notices and commands, in SQLite. Store is the contract; the
// conformance suite in storetest holds it.
package store

import (
	"context"
	"errors"
	"time"

	"nms-alert-relay/internal/alert"
)

// Errors that callers tell apart.
var (
	// ErrNotFound is a thing that isn't there.
	ErrNotFound = errors.New("not found")
	// ErrBusy is a store that can't keep up: more writers wait than it lets in.
	ErrBusy = errors.New("the store can't keep up")
	// ErrClosed is a store that was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrRejected is something that the store takes in no state: the fault is in
	// what was to be written (or in what was once), and trying again is no use.
	ErrRejected = errors.New("the store can't take this")
	// ErrLocked is a store that another relay holds.
	ErrLocked = errors.New("another relay uses this store")
)

// EntryKind says how a journal entry's payload is to be read.
type EntryKind string

const (
	// EntryEvent is a payload of POST /v1/zabbix/events, as it came.
	EntryEvent EntryKind = "event"
	// EntryObservation is a JSON alert.Observation, in an Envelope.
	EntryObservation EntryKind = "observation"
	// EntryAction is a JSON alert.Update, in an Envelope: what the relay did in Zabbix.
	EntryAction EntryKind = "action"
	// EntryReroute names another room for a problem, in an Envelope: its own refuses it.
	EntryReroute EntryKind = "reroute"
)

// Envelope is the payload of the journal entries that the relay writes itself.
type Envelope struct {
	EventID     string             `json:"event_id"`
	Observation *alert.Observation `json:"observation,omitempty"`
	Update      *alert.Update      `json:"update,omitempty"`
	Room        string             `json:"room,omitempty"` // of a reroute
}

// Entry is one line of the journal.
type Entry struct {
	ID         int64
	Source     string
	Kind       EntryKind
	Payload    []byte
	ReceivedAt time.Time
	// SetAside is why the entry couldn't be applied; empty for all others.
	SetAside string
	Applied  bool
}

// Post is what one room has been told of one problem.
type Post struct {
	Key   alert.Key
	Room  string
	Route string // the route's name; "" for the default rooms, "send_to" for {ALERT.SENDTO}

	// Of the ledger.
	Desired    int64          // the problem's revision that the room should show
	Severity   alert.Severity // the problem's, for scheduling
	Open       bool           // likewise
	OpenedAt   time.Time      // likewise
	DirtySince time.Time      // since when the room is behind; zero when it isn't
	HoldUntil  time.Time      // not told before; zero as a rule (an update that waits for its problem)
	JoinedAt   time.Time      // when the room was first to be told of it
	// TellAfter is a delay of the route's, or the end of the room's quiet hours: not told
	// before, and not at all where the problem is over sooner. Zero as a rule.
	TellAfter  time.Time
	RemindAt   time.Time // when the ledger looks whether to remind; zero for never
	EscalateAt time.Time // when it looks whether to escalate; zero for never
	// LookAt is when the problem's suppression ends by itself, and the ledger looks at it: part of
	// DueAt, and not kept otherwise.
	LookAt    time.Time
	Escalated int // steps of the route's escalation taken since the clock was last set
	// Flap names what opens again and again, where this is one of many openings in a short
	// while: they are told in one digest. "" as a rule.
	Flap string

	// Of delivery.
	Cursor
}

// Pending says whether the room is behind and will be told by a message of the
// post's own. What is in a digest is the digest's to tell.
func (p Post) Pending() bool { return p.State == PostLive && p.Digest == 0 && p.Desired > p.Delivered }

// DueAt is when the ledger looks at the post again; zero for never.
func (p Post) DueAt() (due time.Time) {
	for _, at := range [...]time.Time{p.RemindAt, p.EscalateAt, p.LookAt} {
		if due.IsZero() || !at.IsZero() && at.Before(due) {
			due = at
		}
	}
	return due
}

// HeldUntil is when the room may be told of a problem that it doesn't know of yet.
func (p Post) HeldUntil() time.Time {
	if p.TellAfter.After(p.HoldUntil) {
		return p.TellAfter
	}
	return p.HoldUntil
}

// PostState says whether a post is still served.
type PostState string

// The states of a post.
const (
	PostLive PostState = "live"
	PostDead PostState = "dead" // a dead letter: Webex refused it for good
)

// Cursor is how far delivery has got with a post. Each step that Webex took is
// saved at once, so that a crash repeats one call at most.
type Cursor struct {
	State       PostState
	Delivered   int64     // the problem's revision that the room shows in full
	Shown       int64     // the revision that the root shows
	ToldSeq     int       // the last timeline entry told (in the root or in the thread)
	RootID      string    // Webex message id; "" before the first message
	RootHash    string    // of the text that the root shows; "" where it is a card or isn\'t known
	CardID      string    // of the card in the thread; "" for none
	CardActions string    // which buttons that card has, as delivery writes it
	Edits       int       // of the root
	Digest      int64     // the digest that stands for this post; 0 for none
	Attempts    int       // failures in a row
	NotBefore   time.Time // no call before
	LastError   string
	TrackingID  string
	DeadAt      time.Time
	DeliveredAt time.Time // when the room last caught up
}

// NoticeState is where a notice stands.
type NoticeState string

// The states of a notice.
const (
	NoticePending NoticeState = "pending"
	NoticeSent    NoticeState = "sent"
	NoticeDead    NoticeState = "dead"
)

// NoticeKind says whom a notice serves, and with it how urgent it is.
type NoticeKind string

// The kinds of notices, the most urgent first.
const (
	NoticeAnswer NoticeKind = "answer" // to a command
	NoticeNotify NoticeKind = "notify" // of the notify API, and `send`
	NoticeTest   NoticeKind = "test"   // Zabbix's Test button
	NoticeSystem NoticeKind = "system" // the relay about itself
)

// Notice is a message that is not about a problem.
type Notice struct {
	ID       int64
	Kind     NoticeKind
	Sender   string // the notify token's name, for NoticeNotify
	Room     string // configured name; or
	RoomID   string // a Webex room id (an answer in a direct chat); or
	Person   string // an e-mail address
	Bot      string // who sends it: the room's bot, or the first one
	ParentID string // thread
	Markdown string
	Text     string // instead of Markdown
	Card     []byte // JSON of an Adaptive Card; Markdown is its fallback
	// Dedup is the idempotency key within (Sender, Room or Person). A second
	// notice with the same key replaces the body and edits the message.
	Dedup string

	State       NoticeState
	MessageID   string
	Version     int64 // of the body: goes up when it is replaced
	SentVersion int64
	Edits       int
	Attempts    int
	NotBefore   time.Time
	LastError   string
	TrackingID  string
	CreatedAt   time.Time
	ChangedAt   time.Time
}

// CommandState is where a command stands.
type CommandState string

// The states of a command.
const (
	CommandReceived  CommandState = "received"  // claimed, nothing done yet
	CommandExecuting CommandState = "executing" // Zabbix is being asked; after a crash its outcome isn't known
	CommandRetrying  CommandState = "retrying"  // Zabbix is away; tried again until it expires
	CommandDone      CommandState = "done"
	CommandFailed    CommandState = "failed" // Zabbix refused, or it was misspelt
	CommandDenied    CommandState = "denied"
	CommandExpired   CommandState = "expired"
)

// Command is one thing that a person asked for: the audit log, and the guard
// against doing it twice.
type Command struct {
	ID        string // of the Webex message or attachment action
	Bot       string
	RoomID    string
	Room      string // configured name; "" in a direct chat
	ParentID  string // the thread it was said in
	PersonID  string
	Email     string
	Name      string
	Text      string   // as said, or the button in words
	Action    string   // "ack", "close", …; "" where it couldn't be read
	Keys      []string // problems it was about, "main/4711"
	State     CommandState
	Outcome   string // in plain words
	Attempts  int
	NotBefore time.Time
	CreatedAt time.Time
	DoneAt    time.Time
	Detail    []byte // what the command package needs to go on after a restart
}

// Move gives all posts of a problem to another key.
type Move struct{ From, To alert.Key }

// Fold is one transaction of the ledger.
type Fold struct {
	Moved    []Move           // done first
	Applied  []int64          // journal entries that are done with
	SetAside map[int64]string // journal entries that can't be applied, with the reason
	Problems []alert.Problem  // to write whole
	// Posts are written in the ledger's columns; the cursor is written for new
	// posts only. DirtySince counts only where the room isn't behind already: delivery
	// may have caught up since the ledger read the post. Desired counts as the problem's revision where
	// it asks for nothing to be told (Delivered, as the ledger read it) and the room has been told meanwhile.
	// CommitFold sets Digest, Delivered and ToldSeq of those that a digest took in (Digest.GathersUntil).
	Posts   []Post
	Notices []Notice // new ones: test notices
}

// Filter selects problems.
type Filter struct {
	Source       string
	Open         bool     // open ones only
	Rooms        []string // that one of these rooms was told of, or will be after a delay; nil for all
	Severity     map[alert.Severity]bool
	Host         string // glob over the technical or visible name, in lower case
	Acknowledged *bool
	Search       string // substring of the name, any case
	Limit        int
}

// Suppression says whether an open problem is suppressed.
type Suppression struct {
	Key        alert.Key
	Suppressed bool
}

// Stats are counts that are exact when asked.
type Stats struct {
	JournalPending  int64
	SetAside        int64
	PostsPending    int64 // posts that are behind and will be told, and digests
	NoticesPending  int64
	DeadPosts       int64
	DeadDigests     int64
	DeadLists       int64 // of digests that live
	DeadNotices     int64
	OpenProblems    map[alert.Severity]int64
	CommandsPending int64
	// OldestPending is the oldest of journal entries, posts, digests and notices; zero for
	// none. A post that is held counts from the end of that, and not before.
	OldestPending time.Time
}

// DeadLetter is a post, digest, a digest's list, or notice that Webex refused for good.
type DeadLetter struct {
	ID         string // "post:main/4711@noc", "digest:3", "list:3" or "notice:12"
	Room       string
	Key        alert.Key
	NoticeID   int64
	DigestID   int64
	List       bool // of DigestID the list alone
	Reason     string
	TrackingID string
	At         time.Time
}

// Store is the contract. All times are kept in UTC to the microsecond. Methods
// return ErrClosed after Close.
type Store interface {
	// Append writes one entry to the journal and returns once it is on disk.
	// Calls that come together share one commit. ErrBusy when too many wait.
	// When ctx ends first, its error is returned, and the entry may be written
	// all the same. The payload must not be changed afterwards, whatever is returned.
	Append(ctx context.Context, e Entry) (id int64, err error)
	// Pending gives entries neither applied nor set aside, the oldest first.
	PendingEntries(ctx context.Context, limit int) ([]Entry, error)
	// Entries gives journal entries with id > after, for replay and the console.
	Entries(ctx context.Context, after int64, limit int) ([]Entry, error)
	// SetAsideEntries gives the entries that couldn't be applied, the newest first.
	SetAsideEntries(ctx context.Context, limit int) ([]Entry, error)
	// RetryEntry makes an entry that was set aside pending again. ErrNotFound.
	RetryEntry(ctx context.Context, id int64) error

	// Problems gives the problems with these keys; unknown ones are left out.
	// ErrRejected when one of them can't be read any more.
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	// RecentProblems gives those of the limit problems that the relay learned of last of
	// which a room was to be told since then (Post.JoinedAt), the newest first.
	RecentProblems(ctx context.Context, since time.Time, limit int) ([]alert.Problem, error)
	// FindProblems gives problems by filter, the worst first, then the newest.
	FindProblems(ctx context.Context, f Filter) ([]alert.Problem, error)
	// CountProblems counts what FindProblems would return without a limit.
	CountProblems(ctx context.Context, f Filter) (int, error)
	// UnobservedProblems gives the keys of open problems of triggers that the API never
	// answered about (Problem.Observed), the worst first.
	UnobservedProblems(ctx context.Context, limit int) ([]alert.Key, error)
	// Suppressions gives the source's open problems of triggers, the worst first, and whether
	// each is suppressed at that moment.
	Suppressions(ctx context.Context, source string, at time.Time) ([]Suppression, error)
	// KeysByEventID gives the problems with this event id in any source.
	KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error)
	// CommitFold writes one batch of the ledger, whole or not at all. ErrRejected
	// when something in the batch can't be kept.
	CommitFold(ctx context.Context, f Fold) error

	// PostsOf gives every post of these problems.
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]Post, error)
	// PendingPosts gives the posts of these rooms that are behind (Post.Pending); nil
	// for every room, also such as aren't configured. Unless dueBefore is zero, posts are left out whose
	// NotBefore is later, or HeldUntil if the problem is open and the room doesn't know of it.
	PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]Post, error)
	// DuePosts gives the posts whose RemindAt or EscalateAt isn't after now, the longest due first.
	DuePosts(ctx context.Context, now time.Time, limit int) ([]Post, error)
	// SavePost writes a post's cursor, and clears DirtySince when
	// Delivered reaches Desired as it stands in the store by then. With its first RootID
	// Desired is the problem's revision: what was told isn't held back any more. ErrNotFound, also
	// where the cursor's root shows another problem by now (Fold.Moved).
	SavePost(ctx context.Context, key alert.Key, room string, c Cursor) error
	// PostByMessage finds the post that the message with this Webex id shows or showed: as its
	// root or card, also one that was replaced since, or a notice in the thread of one. It is
	// found until the post is pruned. ErrNotFound.
	PostByMessage(ctx context.Context, messageID string) (Post, error)

	Digests

	// AddNotice queues a notice and returns once it is on disk. With a Dedup that
	// is known already it replaces that notice's body (raising Version, making it
	// pending again) and gives its id.
	AddNotice(ctx context.Context, n Notice) (id int64, err error)
	Notice(ctx context.Context, id int64) (Notice, error)
	// PendingNotices gives the notices still to be sent, the oldest first.
	PendingNotices(ctx context.Context) ([]Notice, error)
	// SaveNotice writes what delivery knows of a notice: State, MessageID,
	// SentVersion, Edits, Attempts, NotBefore, LastError, TrackingID. A notice whose
	// Version has grown beyond SentVersion stays pending.
	SaveNotice(ctx context.Context, n Notice) error

	// ClaimCommand writes a new command; false when its ID is known already.
	ClaimCommand(ctx context.Context, c Command) (bool, error)
	SaveCommand(ctx context.Context, c Command) error
	Command(ctx context.Context, id string) (Command, error) // ErrNotFound
	// UnfinishedCommands gives those received, executing or retrying, the oldest first.
	UnfinishedCommands(ctx context.Context) ([]Command, error)
	// RecentCommands gives the commands that are unfinished or ended at or after since, the oldest
	// first. Commands claimed before claimedSince are left out.
	RecentCommands(ctx context.Context, since, claimedSince time.Time) ([]Command, error)
	// Commands is the audit log, the newest first.
	Commands(ctx context.Context, limit int) ([]Command, error)

	DeadLetters(ctx context.Context) ([]DeadLetter, error)
	// ReplayDead makes a dead letter live and pending again. ErrNotFound.
	ReplayDead(ctx context.Context, id string) error
	// DropDead removes a dead letter on purpose. ErrNotFound.
	DropDead(ctx context.Context, id string) error

	// Value and SetValue keep small things by name: a webhook's secret, the
	// newest message heard in a room.
	Value(ctx context.Context, name string) (string, error) // ErrNotFound
	SetValue(ctx context.Context, name, value string) error

	// Prune removes what is past its retention, at most limit rows of each kind, and returns
	// how many rows it removed: 0 means that nothing is left to remove. It removes:
	//   - applied journal entries received before journalBefore;
	//   - problems that are over and were last written before problemsBefore, with their posts
	//     and digests, and notices sent before it;
	//   - finished commands, and journal entries set aside, before auditBefore.
	// What a room is still to be told stays. So do dead letters, with all that replaying one
	// needs (its problem, its posts, its digest), until somebody replays or drops them.
	Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error)

	Stats(ctx context.Context) (Stats, error)
	// Ping says whether the store can be written to.
	Ping(ctx context.Context) error
	Close() error
}
