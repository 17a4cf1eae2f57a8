package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/testdata"
)

var received = time.Date(2026, 11, 24, 13, 30, 1, 0, time.UTC)

// payload returns a plain problem as JSON with the given macros changed.
func payload(over map[string]string) []byte {
	m := map[string]string{"EVENT.ID": "4711", "EVENT.SOURCE": "0", "EVENT.VALUE": "1", "EVENT.NAME": "Link down",
		"DATE": "2026.11.24", "TIME": "13:30:00", "EVENT.DATE": "2026.11.24", "EVENT.TIME": "13:29:58"}
	for k, v := range over {
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func event(t testing.TB, over map[string]string) alert.Event {
	t.Helper()
	p, faults := Parse(payload(over))
	require.Empty(t, faults)
	e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: received})
	require.NoError(t, err)
	return e
}

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	_, faults := Parse([]byte(`{"EVENT.ID":"abc","EVENT.NSEVERITY":"6","EVENT.UPDATE.NSEVERITY":"x","EVENT.SOURCE":"9",
		"EVENT.VALUE":"2","LIST":[1],"OBJECT":{"a":1}}`))
	var fields []string
	for _, f := range faults {
		require.NotEmpty(t, f.What)
		require.NotEmpty(t, f.Hint, f.What)
		fields = append(fields, f.Field)
	}
	require.Equal(t, []string{"list", "object", "event.id", "event.nseverity", "event.update.nseverity", "event.source", "event.value"}, fields)
}

func TestUnusablePayloadsAreRefused(t *testing.T) {
	cut := readFixture(t, "zabbix-6.0/events/cut-at-64k.json")
	var seen struct{ Head string }
	require.NoError(t, json.Unmarshal(cut, &seen))
	whole := seen.Head + strings.Repeat("x", parametersLimit-len(seen.Head))
	for name, tc := range map[string]struct{ body, field, says string }{
		"nothing":           {"", "", "not JSON"},
		"no JSON":           {"event_id=1", "", "not JSON"},
		"two values":        {`{"event.id":"1"} {}`, "", "not JSON"},
		"null":              {"null", "", "not a JSON object"},
		"a list":            {`[{"event.id":"1"}]`, "", "not a JSON object"},
		"a string":          {`"event"`, "", "not a JSON object"},
		"cut by Zabbix":     {whole, "", "cuts"},
		"no event id":       {`{"EVENT.VALUE":"1"}`, "event.id", "missing"},
		"unknown event id":  {`{"EVENT.ID":"*UNKNOWN*","EVENT.VALUE":"1"}`, "event.id", "missing"},
		"event id 0":        {`{"EVENT.ID":"0","EVENT.VALUE":"1"}`, "event.id", "not an event id"},
		"signed event id":   {`{"EVENT.ID":"+1","EVENT.VALUE":"1"}`, "event.id", "not an event id"},
		"event id too long": {`{"EVENT.ID":"` + strings.Repeat("9", 30) + `","EVENT.VALUE":"1"}`, "event.id", "not an event id"},
		"fraction":          {`{"EVENT.ID":1.5,"EVENT.VALUE":"1"}`, "event.id", "not an event id"},
		"no kind":           {`{"EVENT.ID":"1"}`, "event.value", "missing"},
		"kind not resolved": {`{"EVENT.ID":"1","EVENT.VALUE":"{EVENT.VALUE}"}`, "event.value", "missing"},
		"negative severity": {`{"EVENT.ID":"1","EVENT.VALUE":"1","EVENT.NSEVERITY":"-1"}`, "event.nseverity", "not a severity"},
		"severity by name":  {`{"EVENT.ID":"1","EVENT.VALUE":"1","EVENT.NSEVERITY":"High"}`, "event.nseverity", "not a severity"},
		"an unknown source": {`{"EVENT.ID":"1","EVENT.VALUE":"1","EVENT.SOURCE":"5"}`, "event.source", "not an event source"},
		"event id is null":  {`{"EVENT.ID":null,"EVENT.VALUE":"1"}`, "event.id", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := Parse([]byte(tc.body))
			require.Len(t, faults, 1)
			require.Equal(t, tc.field, faults[0].Field)
			require.Contains(t, faults[0].Error(), tc.says)
		})
	}
}

func TestKeysInAnySpelling(t *testing.T) {
	for _, key := range []string{"EVENT.ID", "event.id", "event_id", "Event_Id", " EVENT.ID "} {
		p, faults := Parse([]byte(fmt.Sprintf(`{%q: 4711, "event_value": 1, "event_nseverity": 4, "my_own": true, "source": " main "}`, key)))
		require.Empty(t, faults)
		require.Equal(t, map[string]string{"event.id": "4711", "event.value": "1", "event.nseverity": "4", "my.own": "true", "source": " main "}, valuesOf(p))
		require.Equal(t, "main", p.Source)
	}
}

func TestTheFirstValueOfAKeyCounts(t *testing.T) {
	p, faults := Parse([]byte(`{"EVENT.ID":"{EVENT.ID}x","EVENT_ID":"5","event.value":"1","EVENT.NAME":"","event_name":"x"}`))
	require.Len(t, faults, 1, "only the first key counts")
	require.Equal(t, "x", p.Macro("event.name"))
}

func TestOnlyAnUnresolvedMacroIsAbsent(t *testing.T) {
	for value, gone := range map[string]bool{
		"": true, "   ": true, "*UNKNOWN*": true, " *UNKNOWN* ": true, "{EVENT.UPDATE.MESSAGE}": true, "{$RELAY.ROOM}": true,
		`{$ROOM:"a context"}`: true, "{#IFNAME}": true, "{EVENT.TAGS.service}": true, `{EVENT.TAGS."two words"}`: true,
		"{EVENT.RECOVERY.TAGS.x y}": true, "{TIMESTAMP}": true, "{ITEM.VALUE1}": true, "{INVENTORY.ASSET.TAG}": true,
		`{{ITEM.VALUE}.regsub("(.*)", "\1")}`: true, "{?last(/sw1/x)}": true, "{HOSTNAME}": true, "{MY.KEY}": true, "{my_key}": true,

		"{x}": false, "{}": false, "{": false, "{done}": false, "{DONE}": false, "{ EVENT.ID }": false, "{event.id}": false,
		"a {EVENT.ID}": false, "{EVENT.ID} b": false, "{EVENT.ID}{EVENT.ID}": false, `{"a": 1}`: false, "{$}": false, "UNKNOWN": false,
		"{Link down}": false, "{a.b}": false, "*UNKNOWN* host": false,
	} {
		require.Equal(t, gone, absent("my.key", value), "%q", value)
	}
}

func TestThePayloadOfTheTestButton(t *testing.T) {
	// As the form of the Test button sends it: unresolved macros, except for what the user filled in.
	body := []byte(`{"ALERT.SENDTO":"noc","EVENT.ID":"{EVENT.ID}","EVENT.NSEVERITY":"{EVENT.NSEVERITY}","EVENT.SOURCE":"{EVENT.SOURCE}",
		"EVENT.VALUE":"{EVENT.VALUE}","EVENT.NAME":"{EVENT.NAME}"}`)
	p, faults := Parse(body)
	require.Empty(t, faults)
	require.True(t, p.Test)
	require.Equal(t, map[string]string{"alert.sendto": "noc"}, valuesOf(p))
	_, err := p.Event(DecodeOptions{})
	require.ErrorIs(t, err, ErrTest)
}

func TestKindAndOrigin(t *testing.T) {
	for name, tc := range map[string]struct {
		over   map[string]string
		kind   alert.Kind
		origin alert.Origin
	}{
		"problem":                          {nil, alert.KindProblem, alert.OriginTrigger},
		"recovery":                         {map[string]string{"EVENT.VALUE": "0"}, alert.KindRecovery, alert.OriginTrigger},
		"update of a problem":              {map[string]string{"EVENT.UPDATE.STATUS": "1"}, alert.KindUpdate, alert.OriginTrigger},
		"update of a resolved problem":     {map[string]string{"EVENT.UPDATE.STATUS": "1", "EVENT.VALUE": "0"}, alert.KindUpdate, alert.OriginTrigger},
		"no update":                        {map[string]string{"EVENT.UPDATE.STATUS": "0"}, alert.KindProblem, alert.OriginTrigger},
		"a service's update on 6.0":        {map[string]string{"EVENT.SOURCE": "4", "EVENT.UPDATE.STATUS": "{EVENT.UPDATE.STATUS}", "EVENT.UPDATE.DATE": "2026.11.24"}, alert.KindUpdate, alert.OriginService},
		"a service's update on 7.0":        {map[string]string{"EVENT.SOURCE": "4", "EVENT.UPDATE.STATUS": "0", "EVENT.UPDATE.DATE": "2026.11.24"}, alert.KindUpdate, alert.OriginService},
		"a service's problem":              {map[string]string{"EVENT.SOURCE": "4", "EVENT.UPDATE.STATUS": "0"}, alert.KindProblem, alert.OriginService},
		"internal":                         {map[string]string{"EVENT.SOURCE": "3"}, alert.KindProblem, alert.OriginInternal},
		"internal, resolved":               {map[string]string{"EVENT.SOURCE": "3", "EVENT.VALUE": "0"}, alert.KindRecovery, alert.OriginInternal},
		"discovery":                        {map[string]string{"EVENT.SOURCE": "1", "EVENT.VALUE": ""}, alert.KindOccurrence, alert.OriginDiscovery},
		"autoregistration":                 {map[string]string{"EVENT.SOURCE": "2", "EVENT.VALUE": ""}, alert.KindOccurrence, alert.OriginAutoregistration},
		"a cancelled escalation":           {map[string]string{"ALERT.MESSAGE": `NOTE: Escalation canceled: trigger "x" disabled.`}, alert.KindUpdate, alert.OriginTrigger},
		"only the status":                  {map[string]string{"EVENT.VALUE": "", "EVENT.STATUS": "RESOLVED"}, alert.KindRecovery, alert.OriginTrigger},
		"no source, but a service":         {map[string]string{"EVENT.SOURCE": "", "SERVICE.NAME": "Shop"}, alert.KindProblem, alert.OriginService},
		"no source, but a discovery":       {map[string]string{"EVENT.SOURCE": "", "EVENT.VALUE": "", "DISCOVERY.DEVICE.IPADDRESS": "10.0.0.1"}, alert.KindOccurrence, alert.OriginDiscovery},
		"salvaged":                         {map[string]string{"EVENT.VALUE": "", "EVENT.SOURCE": "", "SALVAGED": "1"}, alert.KindProblem, alert.OriginTrigger},
		"salvaged update":                  {map[string]string{"EVENT.UPDATE.STATUS": "1", "SALVAGED": "1"}, alert.KindUpdate, alert.OriginTrigger},
		"a message that mentions the note": {map[string]string{"ALERT.MESSAGE": `see NOTE: Escalation canceled`}, alert.KindProblem, alert.OriginTrigger},
		"only a recovery's id":             {map[string]string{"EVENT.VALUE": "", "EVENT.RECOVERY.ID": "12"}, alert.KindRecovery, alert.OriginTrigger},
	} {
		t.Run(name, func(t *testing.T) {
			e := event(t, tc.over)
			require.Equal(t, tc.kind, e.Kind)
			require.Equal(t, tc.origin, e.Origin)
		})
	}
}

func TestASalvagedPayloadIsAccepted(t *testing.T) {
	p, faults := Parse([]byte(`{"EVENT.ID":"39","EVENT.SOURCE":"0","EVENT.VALUE":"0","ALERT.SENDTO":"noc","SALVAGED":"1"}`))
	require.Empty(t, faults)
	e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: received})
	require.NoError(t, err)
	require.Equal(t, alert.Event{
		Key: alert.Key{Source: "main", EventID: "39"}, Kind: alert.KindRecovery, Origin: alert.OriginTrigger,
		ReceivedAt: received, SentAt: received, At: received, Resolved: true, SendTo: "noc", Facts: alert.Facts{Object: ""},
	}, e)
}

func TestACancelledEscalationIsNotAProblem(t *testing.T) {
	e := event(t, map[string]string{"ALERT.MESSAGE": "NOTE: Escalation canceled: trigger \"x\" disabled.\nLast message sent:\nx"})
	require.True(t, e.Cancelled)
	require.Nil(t, e.Update)
	require.Equal(t, e.SentAt, e.At, "the time of sending counts")
	p, c := alert.Apply(alert.Problem{}, e)
	require.True(t, p.Cancelled)
	require.False(t, c.Opened)
	require.Equal(t, alert.StateUnknown, p.State)
}

func TestTheRecipientsTimeZoneIsFound(t *testing.T) {
	opened := received.Add(-3 * time.Second)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		offset, late time.Duration
		location     *time.Location
		want         time.Duration // the error of the result
	}{
		"UTC":                                 {0, 0, nil, 0},
		"Tokyo":                               {9 * time.Hour, 0, nil, 0},
		"Nepal":                               {5*time.Hour + 45*time.Minute, 0, nil, 0},
		"Newfoundland":                        {-3*time.Hour - 30*time.Minute, 0, nil, 0},
		"Kiritimati, a little late":           {14 * time.Hour, 2 * time.Minute, nil, 0},
		"a clock ahead":                       {-5 * time.Hour, -2 * time.Minute, nil, 0},
		"Tokyo, though UTC is configured":     {9 * time.Hour, 0, time.UTC, 0},
		"Tokyo, as configured, late":          {9 * time.Hour, 16 * time.Minute, tokyo, 0},
		"UTC, a quarter of an hour late":      {0, 15 * time.Minute, nil, 0},
		"UTC, 7 minutes late":                 {0, 7 * time.Minute, nil, 0},
		"Tokyo, 7 minutes late":               {9 * time.Hour, 7 * time.Minute, nil, 0},
		"New York, 7 minutes late: not found": {-5 * time.Hour, 7 * time.Minute, nil, -5 * time.Hour},
		"beyond all zones":                    {15 * time.Hour, 0, nil, 15 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			wall := func(at time.Time) (string, string) {
				at = at.Add(tc.offset)
				return at.Format("2006.01.02"), at.Format("15:04:05")
			}
			date, clock := wall(received.Add(-tc.late))
			edate, eclock := wall(opened)
			p, faults := Parse(payload(map[string]string{"DATE": date, "TIME": clock, "EVENT.DATE": edate, "EVENT.TIME": eclock}))
			require.Empty(t, faults)
			e, err := p.Event(DecodeOptions{ReceivedAt: received, Location: tc.location})
			require.NoError(t, err)
			require.Equal(t, opened.Add(tc.want), e.Opened)
			sent := received.Add(tc.want - tc.late)
			if sent.After(received.Add(zoneSlack)) {
				sent = received // never seen in the future
			}
			require.Equal(t, sent, e.SentAt)
			require.False(t, e.Exact)
		})
	}
}

func TestTimeStampsAreExact(t *testing.T) {
	e := event(t, map[string]string{
		"EVENT.TIMESTAMP": "1795526740", "TIMESTAMP": "1795526743", "EVENT.UPDATE.STATUS": "1", "EVENT.UPDATE.TIMESTAMP": "1795526742",
		"EVENT.DATE": "1999.01.01", "DATE": "2026.11.24", "TIME": "22:25:43",
		"EVENT.UPDATE.ACTION": "suppressed until 2026.11.25 00:00:00", "EVENT.VALUE": "0", "EVENT.RECOVERY.TIMESTAMP": "1795526741",
	})
	require.True(t, e.Exact)
	require.True(t, e.Update.Exact)
	require.Equal(t, []int64{1795526740, 1795526743, 1795526742, 1795526741}, []int64{e.Opened.Unix(), e.SentAt.Unix(), e.At.Unix(), e.ResolvedAt.Unix()})
	require.Equal(t, time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC), e.Update.Actions.SuppressUntil, "{TIMESTAMP} determines the zone")
}

func TestInvalidTimesAreIgnored(t *testing.T) {
	for _, text := range []string{"0", "-1", "99999999999999999999", "x", "1e9", "253402300800"} {
		e := event(t, map[string]string{"EVENT.TIMESTAMP": text})
		require.False(t, e.Exact)
		require.Equal(t, "13:29:58", e.Opened.Format(time.TimeOnly))
	}
	e := event(t, map[string]string{"EVENT.DATE": "2026.13.41", "DATE": "yesterday"})
	require.Zero(t, e.Opened)
	require.Equal(t, received, e.SentAt)
}

func sev(old, now alert.Severity) *alert.SeverityChange {
	return &alert.SeverityChange{Old: old, New: now}
}

func TestActionsOfAnUpdateInWords(t *testing.T) {
	until := time.Date(2026, 11, 24, 14, 54, 23, 0, time.UTC)
	for words, want := range map[string]alert.Actions{
		"":                                      {},
		"acknowledged":                          {Ack: true},
		"unacknowledged":                        {Unack: true},
		"commented":                             {Comment: true},
		"closed":                                {Close: true},
		"acknowledged and commented":            {Ack: true, Comment: true},
		"acknowledged, commented and closed":    {Ack: true, Comment: true, Close: true},
		"changed severity from Average to High": {Severity: sev(alert.Average, alert.High)},
		"changed severity from Not classified to Information":                   {Severity: sev(alert.NotClassified, alert.Information)},
		"acknowledged, commented and changed severity from Average to Disaster": {Ack: true, Comment: true, Severity: sev(alert.Average, alert.Disaster)},
		"changed severity from Disaster to Not classified and closed":           {Close: true, Severity: sev(alert.Disaster, alert.NotClassified)},
		"suppressed until 2026.11.24 14:54:23":                                  {Suppress: true, SuppressUntil: until},
		"suppressed indefinitely":                                               {Suppress: true},
		"unsuppressed":                                                          {Unsuppress: true},
		"unacknowledged, commented, changed severity from High to Warning, suppressed until 2026.11.24 14:54:23 and closed": {
			Unack: true, Comment: true, Close: true, Severity: sev(alert.High, alert.Warning), Suppress: true, SuppressUntil: until},
		"acknowledged, commented, and unsuppressed":                             {Ack: true, Comment: true, Unsuppress: true},
		"changed rank to cause":                                                 {ToCause: true},
		"acknowledged and changed rank to symptom":                              {Ack: true, ToSymptom: true},
		"sent to the moon":                                                      {Other: "sent to the moon"},
		"acknowledged, sent to the moon and closed":                             {Ack: true, Close: true, Other: "sent to the moon"},
		"acknowledged and changed severity from P3 to P1, the worst and closed": {Ack: true, Close: true, Other: "changed severity from P3 to P1, the worst"},
		"changed severity from High to Highest":                                 {Other: "changed severity from High to Highest"},
		"suppressed until tomorrow":                                             {Other: "suppressed until tomorrow"},
	} {
		t.Run(words, func(t *testing.T) { require.Equal(t, want, parseActions(words, time.UTC)) })
	}
}

func TestActionJSONIsPreferred(t *testing.T) {
	e := event(t, map[string]string{
		"EVENT.UPDATE.STATUS": "1", "EVENT.UPDATE.ACTION": "sent to the moon", "EVENT.UPDATE.MESSAGE": "Monthly.",
		"EVENT.UPDATE.ACTIONJSON": `{"acknowledge":true,"message":"Monthly.","severity":{"old":2,"new":1},"suppress_until":1730851199,"timestamp":1730822048}`,
	})
	require.Equal(t, alert.Actions{Ack: true, Comment: true, Severity: sev(alert.Warning, alert.Information), Suppress: true,
		SuppressUntil: time.Unix(1730851199, 0).UTC()}, e.Update.Actions)
	require.Equal(t, int64(1730822048), e.At.Unix())
	require.True(t, e.Update.Exact)
	require.True(t, e.Update.Actions.Comment)

	for text, want := range map[string]alert.Actions{
		`{"unacknowledge":true,"close":true,"unsuppress":true}`: {Unack: true, Close: true, Unsuppress: true},
		`{"suppress_until":0}`:                 {Suppress: true},
		`{"cause":true}`:                       {ToCause: true},
		`{"symptom":1,"acknowledge":false}`:    {ToSymptom: true},
		`{"severity":{"old":"3","new":"4"}}`:   {Severity: sev(alert.Average, alert.High)},
		`{"severity":{"old":9,"new":4}}`:       {},
		`{"severity":4,"message":3,"close":0}`: {},
	} {
		a, _, ok := parseActionJSON(text)
		require.True(t, ok)
		require.Equal(t, want, a, text)
	}
	for _, text := range []string{"", "x", "[]", `"close"`, "null x"} {
		_, _, ok := parseActionJSON(text)
		require.False(t, ok, text)
	}
}

func TestTheSeverityOfAServiceComesFromItsUpdate(t *testing.T) {
	service := map[string]string{"EVENT.SOURCE": "4", "EVENT.NSEVERITY": "3", "EVENT.UPDATE.DATE": "2026.11.24", "EVENT.UPDATE.TIME": "13:29:59", "EVENT.UPDATE.NSEVERITY": "5"}
	e := event(t, service)
	require.Equal(t, alert.Disaster, *e.Severity)
	require.Equal(t, sev(alert.Average, alert.Disaster), e.Update.Actions.Severity)
	e = event(t, map[string]string{"EVENT.SOURCE": "4", "EVENT.NSEVERITY": "3", "EVENT.VALUE": "0"})
	require.Nil(t, e.Severity, "a service's recovery has its initial severity")
	e = event(t, map[string]string{"EVENT.SOURCE": "3", "EVENT.NSEVERITY": "{EVENT.NSEVERITY}", "TRIGGER.NSEVERITY": "4"})
	require.Nil(t, e.Severity, "an internal event has no tags")
}

func TestAHiddenAuthorHasNoName(t *testing.T) {
	for name, want := range map[string]string{
		"Inaccessible user": "", "Bob Builder (bob)": "Bob Builder (bob)", "  (relay)": "relay", "(relay)": "relay", "{USER.FULLNAME}": "",
	} {
		e := event(t, map[string]string{"EVENT.UPDATE.STATUS": "1", "USER.FULLNAME": name})
		require.Equal(t, want, e.Update.Actor.Name)
	}
}

func TestTags(t *testing.T) {
	for name, tc := range map[string]struct {
		json, text string
		want       []alert.Tag
	}{
		"JSON":        {`[{"tag":"a","value":"1"},{"tag":"a","value":""},{"tag":"b, c","value":"x:y"}]`, "ignored:1", []alert.Tag{{Tag: "a", Value: "1"}, {Tag: "a"}, {Tag: "b, c", Value: "x:y"}}},
		"none":        {`[]`, "", nil},
		"no JSON":     {"", "component:test, empty, url:http://x", []alert.Tag{{Tag: "component", Value: "test"}, {Tag: "empty"}, {Tag: "url", Value: "http://x"}}},
		"broken JSON": {`[{"tag":"a"`, "a:1", []alert.Tag{{Tag: "a", Value: "1"}}},
		"neither":     {"", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := event(t, map[string]string{"EVENT.TAGSJSON": tc.json, "EVENT.TAGS": tc.text}).Facts.Tags
			require.ElementsMatch(t, tc.want, got)
		})
	}
}

func TestHostsAndGroupsAreRead(t *testing.T) {
	f := event(t, map[string]string{
		"HOST.ID": "1", "HOST.HOST": "sw1", "HOST.NAME": "Core", "HOST.IP": "10.0.0.1", "HOST.ID1": "1",
		"HOST.ID2": "2", "HOST.NAME2": "Edge", "HOST.HOST3": "*UNKNOWN*", "HOST.HOST5": "sw5", "TRIGGER.HOSTGROUP.NAME": "Network/Core, Site Zürich",
	}).Facts
	require.Equal(t, []alert.Host{{ID: "1", Host: "sw1", Name: "Core", IP: "10.0.0.1"}, {ID: "2", Name: "Edge"}, {Host: "sw5"}}, f.Hosts)
	require.Equal(t, []string{"Network/Core", "Site Zürich"}, f.Groups)
	require.Empty(t, f.Macros)
}

func TestOccurrencesHaveAName(t *testing.T) {
	discovery := map[string]string{"EVENT.SOURCE": "1", "EVENT.NAME": "", "DISCOVERY.DEVICE.IPADDRESS": "10.0.0.1", "DISCOVERY.DEVICE.STATUS": "UP"}
	require.Equal(t, "Discovery: 10.0.0.1 is UP", event(t, discovery).Facts.Name)
	discovery["DISCOVERY.SERVICE.NAME"], discovery["DISCOVERY.SERVICE.PORT"], discovery["DISCOVERY.SERVICE.STATUS"] = "TCP", "18022", "DOWN"
	require.Equal(t, "Discovery: 10.0.0.1 TCP 18022 is DOWN", event(t, discovery).Facts.Name)
	require.Equal(t, []alert.Host{{Host: "10.0.0.1", IP: "10.0.0.1"}}, event(t, discovery).Facts.Hosts)
	require.Equal(t, "New host new-host registered itself", event(t, map[string]string{"EVENT.SOURCE": "2", "EVENT.NAME": "", "HOST.HOST": "new-host"}).Facts.Name)
	require.Equal(t, "Discovery: a device", event(t, map[string]string{"EVENT.SOURCE": "1", "EVENT.NAME": ""}).Facts.Name)
}

func TestOtherMacrosReachTemplates(t *testing.T) {
	f := event(t, map[string]string{"MY_ROOM": "db", "EVENT.TAGS.service": "shop", "USER.MACRO": "{$X}", "ITEM.VALUE": "3"}).Facts
	require.Equal(t, map[string]string{"my.room": "db", "event.tags.service": "shop", "item.value": "3"}, f.Macros)
}

func FuzzPayload(f *testing.F) {
	for _, v := range versions {
		_ = fs.WalkDir(testdata.Fixtures, "fixtures/zabbix-"+v+"/events", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				body, _ := testdata.Fixtures.ReadFile(name)
				f.Add(body)
			}
			return err
		})
	}
	f.Add([]byte(`{"EVENT.ID":"{EVENT.ID}"}`))
	f.Add([]byte(`{"EVENT.ID":"1","EVENT.VALUE":"1","EVENT.TAGSJSON":"[{\"tag\":1}]","EVENT.UPDATE.ACTIONJSON":"{\"severity\":null}"}`))
	f.Add([]byte(`{"EVENT.ID":"1","EVENT.UPDATE.STATUS":"1","EVENT.UPDATE.ACTION":", and , and acknowledged and"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, faults := Parse(body)
		e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: received})
		// The body may be reused.
		before, written := fmt.Sprintf("%+v %+v %+v %v %+v", p.Source, valuesOf(p), faults, err, e.Facts), bytes.Clone(body)
		for i := range body {
			body[i] = 'x'
		}
		require.Equal(t, before, fmt.Sprintf("%+v %+v %+v %v %+v", p.Source, valuesOf(p), faults, err, e.Facts))
		copy(body, written)
		if len(faults) > 0 || p.Test {
			return
		}
		require.NoError(t, err)
		require.NotEmpty(t, e.Kind)
		require.NotEmpty(t, e.Origin)
		require.Equal(t, e.Kind == alert.KindUpdate && !e.Cancelled, e.Update != nil)
		for _, at := range []time.Time{e.ReceivedAt, e.SentAt, e.At} {
			require.False(t, at.IsZero())
		}
		facts := reflect.ValueOf(e.Facts)
		for i := range facts.NumField() {
			if facts.Field(i).Kind() == reflect.String {
				require.False(t, isLiteral(facts.Field(i).String()) || facts.Field(i).String() == unknown, facts.Type().Field(i).Name)
			}
		}
		for name, value := range e.Facts.Macros {
			require.False(t, absent(name, value), name)
		}
		for _, h := range e.Facts.Hosts {
			for _, value := range []string{h.ID, h.Host, h.Name, h.IP} {
				require.False(t, isLiteral(value) || value == unknown)
			}
		}
		problem, c := alert.Apply(alert.Problem{}, e)
		require.True(t, c.Visible)
		again, c := alert.Apply(problem, e)
		require.True(t, c.Duplicate)
		require.Equal(t, problem.Revision, again.Revision)
		raw, err := json.Marshal(again)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &problem))
	})
}

// absent reports whether Parse drops a value.
func absent(key, value string) bool {
	value = strings.TrimSpace(value)
	return isAbsent(value) || isOwnMacro(key, value)
}

// valuesOf returns all values of a payload by normalised name.
func valuesOf(p Payload) map[string]string {
	values := maps.Clone(p.macros.rest)
	if values == nil {
		values = map[string]string{}
	}
	for name := range fieldNumbers {
		if p.has(name) {
			values[name] = p.Macro(name)
		}
	}
	return values
}

// The root causes of a service are short, without the age, which changes with each message. Any other text stays.
func TestRootCause(t *testing.T) {
	zabbix := func(name, age string) string {
		return `Host: "web1" Problem name: "` + name + `" Severity: "High" Age: ` + age + ` Problem tags: "line:orders, site:Zürich"`
	}
	for text, want := range map[string]string{
		zabbix("Part svc2", "1s"): "web1: Part svc2 (High)",
		zabbix("Part svc2", "4h 2m") + "\n" + zabbix(`Log: "refused" Severity: "low"`, "1s"): `web1: Part svc2 (High); web1: Log: "refused" Severity: "low" (High)`,
		zabbix("two\nlines", "1s"):                 zabbix("two\nlines", "1s"),
		`Host: "web1" Problem name: "x" Severity:`: `Host: "web1" Problem name: "x" Severity:`,
		"disk, net": "disk, net",
		"a\nb":      "a\nb",
		"":          "",
	} {
		require.Equal(t, want, event(t, map[string]string{"EVENT.SOURCE": "4", "SERVICE.ROOTCAUSE": text}).Facts.RootCause)
	}
}
