package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// ReminderKind is what happens when a reminder is due. Package assistant has a function for each.
type ReminderKind string

// The kinds of reminders.
const (
	ReminderProblem ReminderKind = "remind" // of a problem, in its person's direct chat
	ReminderReport  ReminderKind = "report" // the report of a person or of a room
)

// ReminderKinds are all of them.
var ReminderKinds = []ReminderKind{ReminderProblem, ReminderReport}

// Reminder is a message that is due at a time, once or by a schedule.
type Reminder struct {
	ID   int64 // given by the store, never twice
	Kind ReminderKind
	// Room is where it is posted, as in Post.Room: a room's name, or "person:ADDRESS".
	Room   string
	RoomID string // the Webex room in which it was made
	Bot    string // configured name
	// Who made it: their rights count. Empty for one of the configuration.
	Person, Email, Name string // Webex person id, address, display name
	Problem             alert.Key
	Words               string // the person's own
	Schedule            string // as package assistant reads it: "08:00 weekdays"; "" for once
	Zone                string // time zone of the schedule
	Command             string // what made it: one command makes one reminder
	CreatedAt           time.Time

	Due    time.Time // zero if it isn't due any more: it was posted, or removed
	Last   time.Time // when it was due before; zero for never
	Notice int64     // that was posted last; 0 for none
}

// Reminders keeps them.
type Reminders interface {
	// AddReminder writes a new one and returns its id, or that of the one that the same command made before.
	AddReminder(ctx context.Context, r Reminder) (id int64, err error)
	Reminder(ctx context.Context, id int64) (Reminder, error) // ErrNotFound
	// NextReminders returns those that have a Due, the first due first. A limit of 0 stands for none.
	NextReminders(ctx context.Context, limit int) ([]Reminder, error)
	// ReminderByMessage returns the one whose last notice is this Webex message. ErrNotFound.
	ReminderByMessage(ctx context.Context, messageID string) (Reminder, error)
	// SaveReminder writes Schedule, Zone, Due, Last and Notice of a reminder whose Due is still was. ErrConflict if it
	// has another; ErrNotFound.
	SaveReminder(ctx context.Context, r Reminder, was time.Time) error
	// PostReminder is SaveReminder and AddNotice in one: the notice is added exactly if the reminder is written. The reminder's Notice is
	// the id of it.
	PostReminder(ctx context.Context, r Reminder, was time.Time, n Notice) (id int64, err error)
}
