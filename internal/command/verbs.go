package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// Verb is the full name of a command's verb.
type Verb string

// The verbs.
const (
	Ack         Verb = "ack"
	Unack       Verb = "unack"
	Comment     Verb = "comment"
	Close       Verb = "close"
	Severity    Verb = "severity"
	Suppress    Verb = "suppress"
	Unsuppress  Verb = "unsuppress"
	Symptom     Verb = "symptom"
	Cause       Verb = "cause"
	Take        Verb = "take"
	Assign      Verb = "assign"
	Mine        Verb = "mine"
	More        Verb = "more"
	Rooms       Verb = "rooms"
	MuteRoute   Verb = "mute"
	UnmuteRoute Verb = "unmute"
	Who         Verb = "who"
	Show        Verb = "show"
	Why         Verb = "why"
	History     Verb = "history"
	Graph       Verb = "graph"
	Problems    Verb = "problems"
	Audit       Verb = "audit"
	Maintenance Verb = "maintenance"
	Approve     Verb = "approve"
	Token       Verb = "token"
	Forget      Verb = "forget"
	Run         Verb = "run"
	Do          Verb = "do"

	Subscribe     Verb = "subscribe"
	Subscriptions Verb = "subscriptions"
	Unsubscribe   Verb = "unsubscribe"
	Bind          Verb = "bind"
	Unbind        Verb = "unbind"

	Remind    Verb = "remind"
	Snooze    Verb = "snooze"
	Reminders Verb = "reminders"
	Unremind  Verb = "unremind"
	Timezone  Verb = "timezone"
	Report    Verb = "report"
	Handover  Verb = "handover"

	Room      Verb = "room"
	Join      Verb = "join"
	Part      Verb = "part"
	Note      Verb = "note"
	Role      Verb = "role"
	Check     Verb = "check"
	Incident  Verb = "incident"
	Incidents Verb = "incidents"
	Review    Verb = "review"
	Conclude  Verb = "conclude"

	Help Verb = "help"
)

// verb is an entry of the table of verbs.
type verb struct {
	name     Verb
	aliases  []string
	role     config.Role // the least role that may use it
	usage    string
	does     lang.Key // for help: "acknowledges …"
	examples []string
	object   string // the words after the id in an example: " high"

	problems bool // it is about problems, named by their ids or by the thread
	optional bool // it has an answer without a problem too
	spans    bool // it may have a length, and parse reads the ids too
	button   bool // cards have a button for it, though it isn't an act
	lasts    bool // it needs a length ("2h"), and parse reads the ids too
	sets     bool // its answer changes something
	prose    bool // its words are its purpose, so a number or a link among them isn't read as an id
	// parse reads the words after the verb. For a verb about problems the ids have been read.
	parse func(n Names, v *verb, said spoken, t named) (Request, *misunderstanding)

	// A verb is carried out in one of four ways.

	// act is what Zabbix records about problems.
	act *act
	// work is done in a lane: any other calls, which are repeated or looked up after a failure and may need an approval.
	work *worker
	// handle has its effect in the store, replies itself, with a card or a file, and returns the outcome in the audit log.
	handle func(e *Executor, ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error)
	// confirms returns the question that asks for a confirmation before handle, or a refusal. nil: none is needed.
	confirms func(e *Executor, s scope, c store.Command, r Request) (q confirmation, refusal string, err error)
	// answer returns a reply in markdown, and the outcome in the audit log; "" for the reply itself.
	answer func(ctx context.Context, e *Executor, s scope, r Request, targets []target, room render.Room) (reply, outcome string, err error)
}

// The roles in the table of verbs.
const (
	viewer   = config.RoleViewer
	operator = config.RoleOperator
)

// act is the action of a verb on a problem in Zabbix.
type act struct {
	// find finds the problems of a verb that doesn't name them, and may reply. nil: they are named by their ids or by the thread.
	find func(e *Executor, ctx context.Context, s scope, c *store.Command, r Request) ([]target, *refusal, error)
	// actions are those that Zabbix will record, besides the message. was is the severity before.
	actions func(r Request, was alert.Severity) alert.Actions
	// The words of replies: "Couldn't INFINITIVE 4711", "✅ DONE 4711 AFTER".
	infinitive, done lang.Key
	// after follows the problem's title. moment writes a time in the room's zone.
	after  func(l lang.Lang, r Request, moment func(time.Time) string) string
	button bool // cards have a button for it
	write  bool // the relay's user in Zabbix needs write permission on the host
	// verified reports whether Zabbix has done it, if that is some time after the call.
	verified func(r Request, o alert.Observation) bool
	owns     bool // it changes the owner
	closes   bool // it closes the problem
}

// verbs is the table, in the order of help. It is filled by init because its entries refer to functions
// that read it.
var verbs []verb

func init() {
	verbs = slices.Concat([]verb{
		{
			name: Ack, aliases: []string{"acknowledge"}, role: operator,
			usage: "ack [ID …] [WORDS]", does: "acknowledges problems in Zabbix, under your name and with your words",
			examples: []string{"ack 4711 on it", "ack 4711 4712 main/4713 network team is on it", "ack: 5 minutes more", "ack all"},
			problems: true, parse: parseAct,
			act: &act{
				infinitive: "acknowledge", done: "Acknowledged", button: true,
				actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{Ack: true} },
			},
		},
		{
			name: Unack, aliases: []string{"unacknowledge"}, role: operator,
			usage: "unack [ID …] [WORDS]", does: "removes an acknowledgement",
			examples: []string{"unack 4711 not mine after all"},
			problems: true, parse: parseAct,
			act: &act{
				infinitive: "unacknowledge", done: "Unacknowledged", button: true,
				actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{Unack: true} },
			},
		},
		{
			name: Comment, aliases: []string{"say"}, role: operator,
			usage: "comment [ID …] WORDS", does: "adds a comment to the problem in Zabbix",
			examples: []string{"comment 4711 waiting for the vendor"}, object: " waiting for the vendor",
			problems: true, prose: true, parse: parseComment,
			act: &act{
				infinitive: "comment on", done: "Commented on", button: true,
				actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{} },
			},
		},
		{
			name: Close, aliases: []string{"resolve"}, role: operator,
			usage: "close [ID …] [WORDS]", does: "asks Zabbix to close problems whose trigger allows it",
			examples: []string{"close 4711 disk replaced"},
			problems: true, parse: parseAct,
			act: &act{
				infinitive: "close", done: "Asked Zabbix to close", button: true, write: true, closes: true, verified: closedIn,
				after: func(l lang.Lang, _ Request, _ func(time.Time) string) string {
					return l.T(": its message here changes once Zabbix has closed it")
				},
				actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{Close: true} },
			},
		},
		{
			name: Severity, aliases: []string{"sev"}, role: operator,
			usage: "severity [ID …] SEVERITY [WORDS]", does: "changes the severity: not-classified, information, warning, average, high, disaster, or 0 to 5",
			examples: []string{"severity 4711 high", "severity 4711 disaster customers are down"}, object: " high",
			problems: true, parse: parseSeverity,
			act: &act{
				infinitive: "change the severity of", done: "Changed the severity of", button: true, write: true,
				after: func(l lang.Lang, r Request, _ func(time.Time) string) string {
					return l.T(" to **%s**", render.Word(l, *r.Severity))
				},
				actions: func(r Request, was alert.Severity) alert.Actions {
					return alert.Actions{Severity: &alert.SeverityChange{Old: was, New: *r.Severity}}
				},
			},
		},
	}, suppressVerbs(), ownerVerbs(), []verb{
		{
			name: Symptom, role: operator,
			usage: "symptom [ID …] of ID [WORDS]", does: "ranks problems as symptoms of another problem (Zabbix 6.4 or later)",
			examples: []string{"symptom 4712 4713 of 4711", "symptom 4712 of 4711 same switch"}, object: " of 4711",
			problems: true, parse: parseSymptom,
			act: &act{
				infinitive: "rank", done: "Asked Zabbix to rank",
				verified: func(r Request, o alert.Observation) bool { return o.CauseEventID == r.Cause.EventID || closedIn(r, o) },
				after: func(l lang.Lang, r Request, _ func(time.Time) string) string {
					return l.T(" as a symptom of %s", echo(r.Cause.EventID))
				},
				actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{ToSymptom: true} },
			},
		},
		{
			name: Cause, role: operator,
			usage: "cause [ID …]", does: "ranks symptoms as causes again: as problems of their own (Zabbix 6.4 or later)",
			examples: []string{"cause 4712"},
			problems: true, parse: parseCause,
			act: &act{
				infinitive: "rank", done: "Asked Zabbix to rank",
				verified: func(r Request, o alert.Observation) bool { return o.CauseEventID == "" || closedIn(r, o) },
				after:    func(l lang.Lang, _ Request, _ func(time.Time) string) string { return l.T(" as a cause") },
				actions:  func(Request, alert.Severity) alert.Actions { return alert.Actions{ToCause: true} },
			},
		},
		{
			name: Show, aliases: []string{"status"}, role: viewer,
			usage: "show [ID …]", does: "shows problems as they are now",
			examples: []string{"show 4711", "show main/4711"},
			problems: true, parse: parseShow, answer: answerShow,
		},
		{
			name: Why, role: config.RoleViewer,
			usage: "why [ID …]", does: "explains which routes matched, and what was posted when, or why it wasn't",
			examples: []string{"why 4711"},
			problems: true, parse: parseShow, answer: answerWhy,
		},
		{
			name: History, role: config.RoleViewer,
			usage: "history [ID …]", does: "lists earlier problems of the same trigger and host, and what was written about them",
			examples: []string{"history 4711"},
			problems: true, parse: parseShow, answer: answerHistory,
		},
	}, graphVerbs(), []verb{
		{
			name: Problems, aliases: []string{"list", "ls"}, role: viewer,
			usage: "problems [FILTERS] [page N]", does: "lists open problems, the worst first: a severity, `acked` or `unacked`, `host=GLOB`, words of the name",
			examples: []string{"problems >=high unacked", "problems host=sw1* link", `problems text="disk full"`},
			parse:    parseProblems, answer: answerProblems,
		},
		{
			name: Mine, aliases: []string{"my"}, role: viewer,
			usage: "mine [page N]", does: "lists your open problems; `my problems` in a direct chat also those that were posted to you there", examples: []string{"mine", "my problems"},
			parse: parseMine, answer: answerMine,
		},
		{
			name: More, aliases: []string{"next"}, role: viewer,
			usage: "more", does: "shows the next page of your last list", examples: []string{"more"},
			parse: parseMore, answer: answerMore,
		},
		{
			name: Who, role: viewer,
			usage: "who [ID …]", does: "says who is on duty here, and who owns a problem and acted on it; without one, who owns what", examples: []string{"who 4711", "who"},
			problems: true, optional: true, parse: parseShow, answer: answerWho,
		},
		{
			name: Rooms, aliases: []string{"routes"}, role: viewer,
			usage: "rooms", does: "says what goes to which room, and by which route", examples: []string{"rooms"},
			parse: parseRooms, answer: answerRooms,
		},
		{
			name: Help, aliases: []string{"?"}, role: viewer,
			usage: "help [COMMAND]", does: "lists what I can do", examples: []string{"help ack"},
			parse: parseHelp, answer: answerHelp,
		},
	}, muteVerbs(), auditVerbs(), maintenanceVerbs(), scriptVerbs(), actionVerbs(), approveVerbs(), tokenVerbs(), bindVerbs(), remindVerbs(), reportVerbs(), handoverVerbs(), incidentVerbs())
}

// lookup returns the verb with this name or alias; nil for none.
func lookup(word string) *verb {
	for i := range verbs {
		if v := &verbs[i]; word == string(v.name) || slices.Contains(v.aliases, word) {
			return v
		}
	}
	return nil
}

// entry returns the verb's entry. A verb that doesn't exist, as in the row of another version, has an empty one.
func (v Verb) entry() *verb {
	if e := lookup(string(v)); e != nil {
		return e
	}
	return &verb{name: v, role: viewer}
}

// exampleWith returns the verb's first example that has a word, or else its usage: for errors of what several verbs share.
func (v *verb) exampleWith(word string) string {
	for _, example := range v.examples {
		if strings.Contains(example, word) {
			return example
		}
	}
	return v.usage
}

// pressable reports whether cards have a button for the verb.
func (v *verb) pressable() bool { return v.button || v.act != nil && v.act.button }

// act returns the verb's action in Zabbix.
func (r Request) act() *act {
	if a := r.Verb.entry().act; a != nil {
		return a
	}
	return &act{actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{} }}
}

// IsVerb reports whether a word is the name or an alias of a verb.
func IsVerb(word string) bool { return lookup(strings.ToLower(word)) != nil }

// verbNames returns all names and aliases.
func verbNames() (names []string) {
	for _, v := range verbs {
		names = append(append(names, string(v.name)), v.aliases...)
	}
	return names
}
