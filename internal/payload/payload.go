// Package payload makes the body of an action's request: a problem and who asks for what, as a JSON object or by a template.
package payload

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// Data is what an action sends: as JSON without a template, by its fields with one. Its texts are cleaned, but as people and Zabbix
// wrote them. docs/configuration.md describes the keys.
type Data struct {
	ID          string    `json:"id"` // the same for every retry: an endpoint recognises a repetition by it
	Action      string    `json:"action"`
	RequestedAt time.Time `json:"requested_at"`
	Person      Person    `json:"person"`
	Approver    *Person   `json:"approver,omitempty"` // who approved it, if it needs that
	Comment     string    `json:"comment"`
	Room        string    `json:"room"` // "" in a direct chat
	Problem     Problem   `json:"problem"`
}

// Person is somebody in a room.
type Person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Problem is a problem as it is when the request is made.
type Problem struct {
	ID             string    `json:"id"` // "main/4711"
	Source         string    `json:"source"`
	EventID        string    `json:"event_id"`
	Name           string    `json:"name"`
	Severity       string    `json:"severity"`
	SeverityNumber int       `json:"severity_number"` // 0 to 5
	State          string    `json:"state"`
	Acknowledged   bool      `json:"acknowledged"`
	Owner          string    `json:"owner"`
	Hosts          []Host    `json:"hosts"`
	Groups         []string  `json:"groups"`
	Tags           []Tag     `json:"tags"`
	Trigger        string    `json:"trigger"`
	TriggerID      string    `json:"trigger_id"`
	Description    string    `json:"description"` // the trigger's, perhaps of several lines
	Item           string    `json:"item"`
	OpData         string    `json:"opdata"`
	OpenedAt       time.Time `json:"opened_at"`
	ResolvedAt     time.Time `json:"resolved_at,omitzero"`
	URL            string    `json:"url"`         // the problem in Zabbix
	TriggerURL     string    `json:"trigger_url"` // the trigger's own, often a runbook
}

// Host is a host of a problem.
type Host struct {
	Host string `json:"host"` // the technical name
	Name string `json:"name"`
	IP   string `json:"ip"`
}

// Tag is an event tag.
type Tag struct {
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// Host returns the technical name of the first host; "" for none.
func (p Problem) Host() string {
	if len(p.Hosts) == 0 {
		return ""
	}
	return p.Hosts[0].Host
}

// Tag returns the value of the first tag of that name; "" for none.
func (p Problem) Tag(name string) string {
	for _, t := range p.Tags {
		if t.Tag == name {
			return t.Value
		}
	}
	return ""
}

// The longest texts, in characters.
const (
	maxLine  = 500
	maxBlock = 4000
)

// Line cleans a text of one line.
func Line(s string) string { return text.Shorten(text.Line(s), maxLine) }

// Block cleans a text of several lines.
func Block(s string) string { return text.Shorten(text.Block(s), maxBlock) }

// Of describes a problem. url is its page in Zabbix.
func Of(p alert.Problem, url string) Problem {
	key := p.Key.Original()
	out := Problem{
		ID: key.String(), Source: key.Source, EventID: key.EventID, Name: Line(p.Name), Severity: p.Severity.String(), SeverityNumber: int(p.Severity),
		State: string(p.State), Acknowledged: p.Acknowledged, Owner: Line(p.Owner.Label()), Hosts: []Host{}, Groups: []string{}, Tags: []Tag{},
		Trigger: Line(p.TriggerName), TriggerID: Line(p.TriggerID), Description: Block(p.TriggerDescription), Item: Line(p.ItemName), OpData: Line(p.OpData),
		OpenedAt: p.OpenedAt.UTC(), ResolvedAt: p.ResolvedAt.UTC(), URL: url, TriggerURL: Line(p.TriggerURL),
	}
	for _, h := range p.Hosts {
		out.Hosts = append(out.Hosts, Host{Host: Line(h.Host), Name: Line(h.Name), IP: Line(h.IP)})
	}
	for _, g := range p.Groups {
		out.Groups = append(out.Groups, Line(g))
	}
	for _, t := range p.Tags {
		if t.Tag != alert.LinkTag {
			out.Tags = append(out.Tags, Tag{Tag: Line(t.Tag), Value: Line(t.Value)})
		}
	}
	return out
}

// sample is a problem with every field, and texts that break what isn't escaped.
func sample() Data {
	const nasty = "a \"b\" \\ <c> & 'd' ${e} {{f}} é\nnext %22"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Data{
		ID: "0123456789abcdef", Action: "ticket", RequestedAt: at, Person: Person{nasty, "alice@example.com"}, Approver: &Person{"Bob", "bob@example.com"},
		Comment: nasty, Room: "noc",
		Problem: Problem{
			ID: "main/4711", Source: "main", EventID: "4711", Name: nasty, Severity: "high", SeverityNumber: 4, State: "open", Owner: nasty,
			Hosts: []Host{{"sw1", nasty, "192.0.2.1"}}, Groups: []string{nasty}, Tags: []Tag{{"service", nasty}}, Trigger: nasty, TriggerID: "17",
			Description: nasty, Item: nasty, OpData: nasty, OpenedAt: at, ResolvedAt: at, URL: "https://zabbix.example.com/x?a=1&b=2", TriggerURL: nasty,
		},
	}
}
