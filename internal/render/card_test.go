package render_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
)

// part is a card, or an element, run or action of one.
type part struct {
	Type, Version, Text, ID, Label, Title, Style, URL, Value string
	MaxLength                                                int
	Body, Actions, Inlines, Choices                          []part
	Card, SelectAction                                       *part
	Data                                                     map[string]any
}

func cardOf(t testing.TB, content any) (card part, raw []byte) {
	t.Helper()
	raw, err := json.Marshal(content)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &card))
	return card, raw
}

// walk calls visit for each part of a card, those behind buttons too.
func (p part) walk(visit func(part)) {
	visit(p)
	for _, list := range [][]part{p.Body, p.Actions, p.Inlines} {
		for _, child := range list {
			child.walk(visit)
		}
	}
	for _, child := range []*part{p.Card, p.SelectAction} {
		if child != nil {
			child.walk(visit)
		}
	}
}

// buttons are the titles of a card's buttons in their order: "Suppress(15 min 1 h)".
func (p part) buttons() string {
	var titles []string
	for _, e := range p.Body {
		if e.Type == "ActionSet" {
			titles = append(titles, e.buttons())
		}
	}
	for _, a := range p.Actions {
		title := strings.ReplaceAll(a.Title, " ", "_")
		if a.Card != nil {
			title += "(" + a.Card.buttons() + ")"
		}
		titles = append(titles, title)
	}
	return strings.Join(titles, " ")
}

// A card has the buttons that the problem's state, trigger, owner and version of Zabbix allow, and no others.
func TestACardOffersWhatTheProblemAllows(t *testing.T) {
	const (
		suppress = "Suppress(15m 1h 4h Tomorrow_8:00 Suppress_that_long) "
		end      = "Zabbix Runbook)"
	)
	r := newRenderer(t)
	for name, c := range map[string]struct {
		change func(*alert.Problem)
		want   string
	}{
		"open":                     {func(*alert.Problem) {}, "Acknowledge Take Comment " + suppress + "More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"acknowledged":             {func(p *alert.Problem) { p.Acknowledged = true }, "Unacknowledge Take Comment " + suppress + "More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"owned":                    {func(p *alert.Problem) { p.Owner.Email = "alice@example.com" }, "Acknowledge Take Comment " + suppress + "More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"no manual closing":        {func(p *alert.Problem) { p.CanClose = false }, "Acknowledge Take Comment " + suppress + "More(Change_severity Graph Incident_room Remind_me_in_1_h " + end},
		"Zabbix 6.0":               {func(p *alert.Problem) { p.CanSuppress = false }, "Acknowledge Take Comment More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"suppressed by hand":       {func(p *alert.Problem) { p.Suppressed = true }, "Acknowledge Take Comment Suppress(15m 1h 4h Tomorrow_8:00 Suppress_that_long Unsuppress) More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"suppressed on Zabbix 6.0": {func(p *alert.Problem) { p.Suppressed, p.CanSuppress = true, false }, "Acknowledge Take Comment More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"in maintenance":           {func(p *alert.Problem) { p.Suppressed, p.Merge.Observation.HeldBack = true, true }, "Acknowledge Take Comment " + suppress + "More(Change_severity Graph Incident_room Remind_me_in_1_h Close_problem " + end},
		"resolved":                 {func(p *alert.Problem) { p.State = alert.StateResolved }, "Zabbix Runbook"},
		"gone":                     {func(p *alert.Problem) { p.Gone = true }, "Zabbix Runbook"},
		"of a service":             {func(p *alert.Problem) { p.Origin = alert.OriginService }, "Zabbix Runbook"},
	} {
		p := sample(t, "open")
		p.CanClose, p.CanSuppress = true, true
		c.change(&p)
		for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard} {
			content, _ := r.Card(p, render.Room{Presentation: presentation}, render.SamplesNow)
			card, _ := cardOf(t, content)
			require.Equal(t, c.want, card.buttons(), name)
		}
	}
}

// checkCard fails if Webex couldn't show a card, if a person wouldn't know what a field is for, or if a press wouldn't name exactly the
// problem that the card shows.
func checkCard(t testing.TB, p alert.Problem, content any) part {
	t.Helper()
	card, raw := cardOf(t, content)
	require.LessOrEqual(t, len(raw), 10_000, "Webex stores messages of up to 10,000 bytes")
	require.Equal(t, "1.3", card.Version)
	ids := map[string]bool{}
	card.walk(func(e part) {
		require.LessOrEqual(t, len(e.Actions), 5, "Webex shows five buttons of a row")
		if strings.HasPrefix(e.Type, "Input.") {
			require.NotEmpty(t, e.Label, e.ID)
			require.False(t, ids[e.ID], "two inputs %s", e.ID)
			ids[e.ID] = true
		}
	})
	card.walk(func(e part) {
		if e.Type != "Action.Submit" {
			return
		}
		require.EqualValues(t, 1, e.Data["relay"])
		require.Equal(t, p.Key.String(), e.Data["key"])
		require.NotEmpty(t, e.Data["action"])
		for name := range e.Data {
			require.False(t, ids[name], "an input replaces the button's %s", name)
		}
	})
	return card
}

// Also with long texts everywhere a card is small enough, and has all of its buttons.
func TestALongCardKeepsItsButtons(t *testing.T) {
	r := newRenderer(t)
	for _, long := range []string{strings.Repeat("x ", 2000), strings.Repeat("<&>\"", 1000), strings.Repeat("磁盘🔥", 600), strings.Repeat("line\n", 500)} {
		for _, p := range variants(long, long, long, runbook, "4711") {
			p.Key, p.CanClose, p.CanSuppress = alert.Key{Source: "main", EventID: "4711"}, true, true
			for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard} {
				content, _ := r.Card(p, render.Room{Presentation: presentation}, render.SamplesNow)
				card := checkCard(t, p, content)
				if r.Actions(p) != "" {
					require.Contains(t, card.buttons(), "Close_problem")
				}
			}
		}
	}
}

// Further buttons are behind More, three in a row. The card is replaced when they change.
func TestFurtherButtons(t *testing.T) {
	var further []render.Button
	r, err := render.New(render.Options{Buttons: func(alert.Problem) []render.Button { return further }})
	require.NoError(t, err)
	p := sample(t, "open")
	before := r.Actions(p)
	for i := range 7 {
		further = append(further, render.Button{Action: "do", Title: fmt.Sprintf("Ticket %d", i), Value: fmt.Sprintf("ticket%d", i)})
	}
	content, fallback := r.Card(p, render.Room{}, render.SamplesNow)
	card := checkCard(t, p, content)
	require.Contains(t, card.buttons(), "Ticket_0 Ticket_1 Ticket_2 Ticket_3 Ticket_4 Ticket_5 Ticket_6")
	require.NotContains(t, fallback, "do")
	require.Equal(t, before+",do:ticket0,do:ticket1,do:ticket2,do:ticket3,do:ticket4,do:ticket5,do:ticket6", r.Actions(p))
}

// Details are behind More: what `show` tells beyond the message, cut to a few lines.
func TestDetails(t *testing.T) {
	r := newRenderer(t)
	p := sample(t, "open")
	for i := range 30 {
		p.Timeline = append(p.Timeline, alert.Entry{Seq: i + 2, Kind: alert.EntryUpdate, At: p.OpenedAt.Add(time.Duration(i) * time.Second),
			Update: &alert.Update{Message: fmt.Sprintf("remark %d", i), Actor: alert.Actor{Name: "Bob"}, At: p.OpenedAt}})
	}
	content, _ := r.Card(p, render.Room{Location: berlin(t)}, render.SamplesNow)
	var lines []string
	for _, e := range cardParts(t, content) {
		if e.Card != nil && e.Title == "More" {
			for _, block := range e.Card.Body {
				line := ""
				for _, run := range block.Inlines {
					line += run.Text
				}
				lines = append(lines, line)
			}
		}
	}
	all := strings.Join(lines, "\n")
	for _, want := range []string{"Details at 24 Nov 14:30:00 CET", "Groups: Network, Rack 4", "Item: Temperature", "1. look", "Timeline, without the first 26", "remark 29"} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "remark 24\n")
}

func cardParts(t *testing.T, content any) []part {
	card, _ := cardOf(t, content)
	return card.Actions
}

// A row has three buttons, or fewer long ones.
func TestRows(t *testing.T) {
	for _, c := range []struct{ titles, want []string }{
		{nil, nil},
		{[]string{"Graph", "Incident room", "Close problem"}, []string{"Graph|Incident room|Close problem"}},
		{[]string{"Graph", "Incident room", "Remind me in 1 h", "Close problem"}, []string{"Graph|Incident room", "Remind me in 1 h|Close problem"}},
		{[]string{"1", "2", "3", "4"}, []string{"1|2|3", "4"}},
		{[]string{strings.Repeat("ä", 40), "Graph", strings.Repeat("ä", 26), "1"}, []string{strings.Repeat("ä", 40), "Graph|" + strings.Repeat("ä", 26), "1"}},
	} {
		var actions []map[string]any
		for _, title := range c.titles {
			actions = append(actions, map[string]any{"title": title})
		}
		var rows []string
		for _, row := range render.Rows(actions) {
			var titles []string
			for _, a := range row {
				titles = append(titles, a["title"].(string))
			}
			rows = append(rows, strings.Join(titles, "|"))
		}
		require.Equal(t, c.want, rows)
	}
}
