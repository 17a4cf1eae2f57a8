package command

import (
	"fmt"
	"strings"

	"nms-alert-relay/internal/config"
)

// topics is what help tells: usage, what it does, examples.
var topics = map[Verb]struct {
	usage, does string
	examples    []string
}{
	Ack:      {"ack [ID …] [WORDS]", "acknowledges problems in Zabbix, under your name and with your words", []string{"ack 4711 on it", "ack 4711 4712 main/4713 network team is on it", "ack: 5 minutes more", "ack all"}},
	Unack:    {"unack [ID …] [WORDS]", "takes an acknowledgement back", []string{"unack 4711 not mine after all"}},
	Comment:  {"comment [ID …] WORDS", "adds a comment to the problem in Zabbix", []string{"comment 4711 waiting for the vendor"}},
	Close:    {"close [ID …] [WORDS]", "asks Zabbix to close problems whose trigger allows it", []string{"close 4711 disk replaced"}},
	Severity: {"severity [ID …] SEVERITY [WORDS]", "changes the severity: " + strings.Join(severityWords(), ", ") + ", or 0 to 5", []string{"severity 4711 high", "severity 4711 disaster customers are down"}},
	Show:     {"show [ID …]", "shows problems as they are now", []string{"show 4711", "show main/4711"}},
	Problems: {"problems [FILTERS]", "lists open problems, the worst first: a severity, `acked` or `unacked`, `host=GLOB`, words of the name", []string{"problems >=high unacked", "problems host=sw1* link", `problems text="disk full"`}},
	Help:     {"help [COMMAND]", "lists what I can do", []string{"help ack"}},
}

// helpText is what help answers to somebody with this role.
func helpText(topic Verb, role config.Role, direct bool) string {
	var b strings.Builder
	if topic != "" {
		t := topics[topic]
		fmt.Fprintf(&b, "`%s` %s.\n\nFor example:\n", t.usage, t.does)
		for _, example := range t.examples {
			fmt.Fprintf(&b, "\n- `%s`", example)
		}
		if topic.Acts() || topic == Show {
			b.WriteString("\n\nIn a problem's thread you can leave out the id.")
			if topic == Ack {
				b.WriteString(" In a digest's thread, `ack all` acknowledges all of its problems, after asking you to confirm.")
			}
			if topic == Ack || topic == Unack || topic == Close {
				fmt.Fprintf(&b, " A colon says that your own words follow, not an id: `%s: 5 minutes more`.", topic)
			}
		}
		if !may(role, topic) {
			fmt.Fprintf(&b, "\n\nIt needs the role **%s**. Yours is **%s**.", needs[topic], role)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "What I can do for you (your role: **%s**):\n", role)
	var not []string
	for _, v := range Verbs {
		if !may(role, v) {
			not = append(not, "`"+string(v)+"`")
			continue
		}
		fmt.Fprintf(&b, "\n- `%s` %s", topics[v].usage, topics[v].does)
	}
	if len(not) > 0 {
		fmt.Fprintf(&b, "\n\nNot available to your role: %s.", strings.Join(not, ", "))
	}
	if direct {
		b.WriteString("\n\nIn this direct chat you see what you may see in any room.")
	} else {
		b.WriteString("\n\nMention me first. In a problem's thread you can leave out the id: `ack on it`.")
	}
	b.WriteString(" For details: `help ack`.")
	return b.String()
}
