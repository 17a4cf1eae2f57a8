package config

import (
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// SendTo is the effect of {ALERT.SENDTO} on the rooms that routing found.
type SendTo string

// {ALERT.SENDTO} adds its rooms, replaces the routes' rooms, or has no effect.
const (
	SendToAdd    SendTo = "add"
	SendToOnly   SendTo = "only"
	SendToIgnore SendTo = "ignore"
)

// SendToRoutes is the {ALERT.SENDTO} that leaves the rooms to the routes: Zabbix requires some text in that field. No room
// may have this name.
const SendToRoutes = "routes"

// Presentation is how a problem looks in a room.
type Presentation string

// The presentations.
const (
	PresentThread Presentation = "thread"
	PresentCard   Presentation = "card"
	PresentLine   Presentation = "line"
)

// PersonRoom is the prefix of a room that isn't configured: the direct chat with a person named by {ALERT.SENDTO} or on duty,
// "person:alice@example.com". Posts are stored under that name.
const PersonRoom = alert.PersonRoom

// DirectRoom is the name of the direct chat with a person, by an address.
func DirectRoom(email string) string { return PersonRoom + strings.ToLower(email) }

// SpaceRoom is the prefix of a space that isn't configured, but bound in the chat: "space:", then the webexid.Key of its id.
const SpaceRoom = "space:"

// The beginnings of the names of rules that people make in chats. No route may have one.
const (
	SubscriptionRule = "subscription #"
	BindingRule      = "binding #"
	IncidentRule     = "incident #" // the space of an incident
)

// MadeInChat reports whether a rule was made in a chat.
func MadeInChat(rule string) bool {
	return strings.HasPrefix(rule, SubscriptionRule) || strings.HasPrefix(rule, BindingRule) || strings.HasPrefix(rule, IncidentRule)
}

// Room is one Webex space, or a direct chat with a person.
type Room struct {
	// Name of the room in this file, in logs and metrics. Renaming it makes it a new room.
	Name string `yaml:"name" validate:"required,name"`
	// Webex room id. `alert-relay rooms` lists the ids.
	ID string `yaml:"id" validate:"required,room_id"`
	// The bot that posts and listens there; it must be a member. Default: the first bot.
	Bot string `yaml:"bot"`
	// Time zone of times in the room's messages. Default: the top-level time_zone.
	TimeZone TimeZone `yaml:"time_zone"`
	// Language of the relay's messages in the room: en or de. Default: the top-level language.
	Language lang.Lang `yaml:"language" validate:"oneof=en de"`
	// thread: a message that is kept up to date, with card and history in its thread. card: the card is the message. line: one line.
	Presentation Presentation `yaml:"presentation" validate:"oneof=thread card line"`
	// As the top-level storm, for this room; keys left out are taken from there.
	Storm *Storm `yaml:"storm"` // Read always sets it
	// As the top-level flapping, for this room; keys left out are taken from there.
	Flapping *Flapping `yaml:"flapping"` // likewise
	// Quiet hours, in which less severe new problems aren't posted. Those still open are posted when the hours end.
	Quiet *Quiet `yaml:"quiet"`
	// The schedule of who is on duty for this room.
	Duty string `yaml:"duty"`
	// A regular report of what opened, was resolved and is still open.
	Report *Report `yaml:"report"`
}

// Report is when a room gets its report.
type Report struct {
	// Time of day, such as 08:00.
	At string `yaml:"at" validate:"required"`
	// weekdays, daily, weekends, or days and ranges of days, such as mon,thu or mon-fri. Default: daily.
	Days string `yaml:"days"`
	// Time zone of the time. Default: the room's.
	TimeZone TimeZone `yaml:"zone"`
}

// Schedule is the report's schedule as package assistant reads it.
func (r Report) Schedule() string { return r.At + " " + r.Days }

// LanguageOf is the language of what the relay writes in a room; "" is a direct chat.
func (c *Config) LanguageOf(room string) lang.Lang {
	for _, r := range c.Rooms {
		if r.Name == room && room != "" {
			return r.Language
		}
	}
	return c.Language
}

// Quiet is when a room gets no new problems below a severity. Those still open are posted when the hours end.
type Quiet struct {
	// The hours, in the room's time zone by default. Adjacent ranges count as one.
	When []When `yaml:"when" validate:"min=1,dive"`
	// Problems of this severity and above are posted at any hour. Default: disaster.
	Below alert.Severity `yaml:"below"`
}

// Match is a route's conditions.
type Match struct {
	ProblemMatch `yaml:",inline"`
	// Weekdays and hours.
	When []When `yaml:"when" validate:"dive"`
}

// ProblemMatch is conditions for problems. An empty condition holds; every condition given must hold; within a list one entry must
// hold (for tags: one without an exclamation mark, and none of those with it). Names and globs ignore case.
type ProblemMatch struct {
	// Names of sources.
	Sources []string `yaml:"sources"`
	// Globs for a host's technical or visible name, such as db*.
	Hosts []Glob `yaml:"hosts"`
	// Globs for host groups.
	Groups []Glob `yaml:"groups"`
	// Severities: high, ">=high", or a list.
	Severity SeverityMatch `yaml:"severity"`
	// Tags: "tag", "tag=value" (value is a glob), "!tag" or "!tag=value".
	Tags []TagRule `yaml:"tags"`
	// RE2 regular expression for the problem's name.
	Trigger Pattern `yaml:"trigger"`
	// The origins of the event.
	Origins []alert.Origin `yaml:"origins" validate:"dive,oneof=trigger discovery autoregistration internal service"`
}

// When is a part of the week in a time zone: {days: [mon-fri], hours: 08:00-18:00}.
type When struct {
	// Days and ranges of days, such as mon-fri. Default: every day.
	Days []Days `yaml:"days"`
	// Hours such as 08:00-18:00. A range across midnight, such as 22:00-06:00, belongs to the day on which it starts.
	Hours Hours `yaml:"hours"`
	// Time zone of days and hours.
	TimeZone TimeZone `yaml:"time_zone"`
}

// SeverityMatch is a set of severities, written ">=high", "high" or a list;
// empty matches all.
type SeverityMatch struct {
	Set map[alert.Severity]bool
}

// Has reports whether s is matched.
func (m SeverityMatch) Has(s alert.Severity) bool { return len(m.Set) == 0 || m.Set[s] }

// Route is one rule. The first that matches wins, unless it has continue.
type Route struct {
	// Name for logs and `alert-relay route`. Name routes with clocks (escalate, remind): posts remember their route by name.
	Name string `yaml:"name" validate:"label"`
	// Conditions; all must hold. Without any the route matches every problem.
	Match Match `yaml:"match"`
	// The rooms that matching problems go to.
	Rooms []string `yaml:"rooms" validate:"min=1"`
	// Whether to try the routes below too.
	Continue bool `yaml:"continue"`
	// How matching problems look. Default: the room's presentation.
	Presentation Presentation `yaml:"presentation" validate:"omitempty,oneof=thread card line"`
	// Directory whose templates override those of templates.dir.
	Templates string `yaml:"templates"`
	// Whether messages don't say how often a problem came before and what was written then.
	HideMemory bool `yaml:"hide_memory"`
	// Least severity of problems that get a graph of the item's history in their thread, or true for all. Default: none.
	Graph GraphFrom `yaml:"graph"`
	// Kinds of changes that are posted to the thread. Default: all.
	Tell []string `yaml:"tell" validate:"dive,oneof=opened acknowledged commented severity suppressed closed taken ranked other resolved cancelled"`
	// How long to wait before posting, at most 1d. A problem that resolves within this time is never posted.
	Delay Duration `yaml:"delay" validate:"least=0s,most=1d"`
	// Interval of reminders while nobody has acknowledged or suppressed an open problem, 1m to 30d. Default: never.
	Remind Duration `yaml:"remind" validate:"omitempty,least=1m,most=30d"`
	// How long an acknowledgement lasts, 5m to 30d. Then the room is asked whether somebody is still on it, and without an answer
	// the acknowledgement is taken back. Default: for good.
	AckExpires Duration `yaml:"ack_expires" validate:"omitempty,least=5m,most=30d"`
	// The schedule of who is on duty for this route's escalations. Default: the room's.
	Duty string `yaml:"duty"`
	// Steps for problems that nobody acknowledges, ordered by time.
	Escalate []Escalation `yaml:"escalate" validate:"dive"`
	Line     int          `yaml:"-"` // in the file
}

// Escalation is one step for problems that nobody acknowledged, timed from the first post in the route's rooms.
type Escalation struct {
	// Time after the first post, 1s to 7d.
	After Duration `yaml:"after" validate:"required,least=1s,most=7d"`
	// Rooms that get the problem too.
	Rooms []string `yaml:"rooms"`
	// E-mail addresses to mention, all for everybody in the room, or duty (duty:LAYER) for whoever is on duty then.
	Mention []string `yaml:"mention"`
	// Layer of the schedule whose person on duty gets the problem in a direct chat too, and is mentioned in the room.
	Duty string `yaml:"duty" validate:"omitempty,name"`
}
