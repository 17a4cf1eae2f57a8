package store

import (
	"context"
	"time"
)

// CommandState is the state of a command.
type CommandState string

const (
	CommandReceived  CommandState = "received"  // claimed, nothing done yet
	CommandExecuting CommandState = "executing" // Zabbix is being asked; after a crash the outcome is unknown
	CommandRetrying  CommandState = "retrying"  // Zabbix is away; retried until the command expires
	CommandDone      CommandState = "done"
	CommandFailed    CommandState = "failed" // Zabbix refused it, or it was misspelt
	CommandDenied    CommandState = "denied"
	CommandExpired   CommandState = "expired"
)

// Command is a person's request: a record of who did what, and the guard against executing it twice.
type Command struct {
	ID        string // of the Webex message or attachment action
	Bot       string
	RoomID    string
	Room      string // configured name; "" in a direct chat
	ParentID  string // thread
	PersonID  string
	Email     string
	Name      string
	Text      string   // as written, or the button in words
	Action    string   // "ack", "close", …; "" if it couldn't be parsed
	Keys      []string // the problems it was about, such as "main/4711"
	State     CommandState
	Outcome   string // in plain words
	Attempts  int
	NotBefore time.Time
	CreatedAt time.Time // when the person wrote or pressed, once it was read from Webex; until then when it was claimed
	DoneAt    time.Time
	Trace     string // of the delivery that it was claimed for; "" while tracing is off
	Detail    []byte // state with which package command continues after a restart
}

// Direct reports whether a person gave the command in a direct chat. Without a room and a person it is an operator's, by the admin API,
// or the relay's own.
func (c Command) Direct() bool { return c.Room == "" && c.Email != "" }

// Commands keeps commands.
type Commands interface {
	// ClaimCommand writes a new command; false if its ID exists already.
	ClaimCommand(ctx context.Context, c Command) (bool, error)
	SaveCommand(ctx context.Context, c Command) error        // ErrNotFound
	Command(ctx context.Context, id string) (Command, error) // ErrNotFound
	// UnfinishedCommands returns the commands received, executing or retrying, oldest first.
	UnfinishedCommands(ctx context.Context) ([]Command, error)
	// RecentCommands returns the commands that are unfinished or ended at or after since, oldest
	// first. Commands created before createdSince are left out.
	RecentCommands(ctx context.Context, since, createdSince time.Time) ([]Command, error)
	// FindCommands returns the commands that pass a filter, newest first. Those that weren't understood, or were ignored,
	// are left out.
	FindCommands(ctx context.Context, f CommandFilter) ([]Command, error)
}

// CommandFilter selects commands. Its zero value selects all that were understood.
type CommandFilter struct {
	Since   time.Time
	Person  string // part of an address or name, in any case
	Problem string // a key or an event id
	// Rooms selects the commands given in one of these rooms, or about a problem that was posted to one; nil for all commands.
	Rooms   []string
	Actions []string // nil for all
	Offset  int
	Limit   int // 0 for none
}
