package demo

// Subject is a group of commands that the page offers to try.
type Subject struct {
	Name string `json:"name"`
	// Commands are filled into the page's input at a click. {1} is the id of the newest open problem in the room, {2} that of the
	// one before it, and so on; in a thread {1} is left out.
	Commands []string `json:"commands"`
}

// subjects has at least one command for every verb; a test checks that.
var subjects = []Subject{
	{"Act", []string{"ack {1} on it", "comment {1} waiting for the vendor", "suppress {1} 2h", "suppress {1} until mon 8:00 the vendor comes", "unsuppress {1}",
		"severity {1} disaster customers are down", "unack {1} not mine after all", "close {1} cable replaced"}},
	{"Owner", []string{"take {1} ack", "assign {1} bob it is your switch", "who", "who {1}", "mine"}},
	{"Look", []string{"show {1}", "why {1}", "history {1}", "graph {1}", "graph {1} 3h", "problems", "problems >=high unacked", "more", "rooms"}},
	{"Several", []string{"ack {1} {2} network team is on it", "close {1} {2} {3} {4} {5} {6} it was the core switch", "symptom {1} of {2}", "cause {1}", "ack all"}},
	{"Maintenance", []string{"maintenance start sw-core-1 2h new firmware", "maintenance start group=Network 30m patch day", "maintenance list", "maintenance stop sw-core-1"}},
	{"Scripts", []string{"run", "run ping on sw-core-1", "run restart on db1", "approve"}},
	{"Actions", []string{"do", "do ticket {1}", "do ticket {1}: customers are down"}},
	{"Reminders and reports", []string{"remind me 2h", "remind me tomorrow 8:00 call the vendor", "reminders", "snooze 1h", "unremind all", "timezone Europe/Berlin", "report", "report 08:00 weekdays", "handover bob@example.com"}},
	{"Subscriptions", []string{"subscribe >=high", "subscriptions", "unsubscribe all", "bind >=high", "unbind all"}},
	{"Incident", []string{"room {1}", "join {2} INC-1", "part {2} INC-1", "note the carrier is on it", "role lead INC-1", "check 1 INC-1", "incident INC-1", "incidents", "review INC-1", "conclude INC-1"}},
	{"You", []string{"token", "mine", "forget me"}},
	{"Admin", []string{"mute databases 30m migration", "unmute databases", "audit", "audit alice since 1d"}},
	{"Help", []string{"help", "help suppress", "akc {1}", "close {1}?", "ack 4711-4715"}},
}
