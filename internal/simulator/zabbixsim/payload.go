package zabbixsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/zabbix"
)

// parameters are what the media type sends, by name: macros, as they are before Zabbix resolves them.
var parameters = sync.OnceValue(func() map[string]string {
	var file struct {
		Export struct {
			MediaTypes []struct {
				Parameters []struct{ Name, Value string }
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	if err := yaml.Unmarshal(zabbix.MediaType, &file); err != nil {
		panic(err) // it is embedded and tested
	}
	m := map[string]string{}
	for _, p := range file.Export.MediaTypes[0].Parameters {
		m[p.Name] = p.Value
	}
	for _, setting := range []string{"URL", "SECRET", "HTTP_PROXY"} { // not sent
		delete(m, setting)
	}
	return m
})

// Payload is what the media type sends at a time when a problem opens or has resolved, in Zabbix 7.0.
func Payload(p Problem, kind alert.Kind, at time.Time) []byte {
	f, err := formsOf("7.0.22")
	if err != nil {
		panic(err) // one of Versions
	}
	return payload(f, &p, kind, nil, at)
}

const (
	dateForm = "2006.01.02"
	timeForm = "15:04:05"
)

// payload are the media type's parameters as a version resolves them. As recorded, a macro that doesn't apply, or is of a later
// version, stays literal; a known macro without a value is *UNKNOWN*.
func payload(f forms, p *Problem, kind alert.Kind, ack *Ack, now time.Time) []byte {
	const unknown = "*UNKNOWN*"
	now = now.UTC()
	opened := p.Opened.UTC()
	m := maps.Clone(parameters())
	stamp := func(name string, t time.Time) {
		if f.timestamps {
			m[name] = itoa(t.Unix())
		}
	}
	over := p.RecoveryID != 0 && kind != alert.KindProblem
	value, status := "1", "PROBLEM"
	opdata := p.Trigger.OpData
	if over {
		value, status = "0", "RESOLVED"
		opdata = p.Trigger.Recovered
	}
	maps.Copy(m, map[string]string{
		"ALERT.SENDTO": "", "ALERT.SUBJECT": p.Trigger.Name, "ALERT.MESSAGE": "",
		"ACTION.ID": "7", "EVENT.ID": itoa(p.ID), "EVENT.NAME": p.Trigger.Name,
		"EVENT.VALUE": value, "EVENT.STATUS": status, "EVENT.SOURCE": "0", "EVENT.OBJECT": "0",
		"EVENT.NSEVERITY": itoa(int64(p.Severity)), "EVENT.OPDATA": opdata,
		"EVENT.DATE": opened.Format(dateForm), "EVENT.TIME": opened.Format(timeForm),
		"EVENT.ACK.STATUS": yesNo(p.Acked), "EVENT.TAGSJSON": tagsJSON(p),
		"EVENT.UPDATE.STATUS": "0",
		"HOST.ID":             p.Trigger.Host.ID, "HOST.NAME": p.Trigger.Host.Name, "HOST.HOST": p.Trigger.Host.Host, "HOST.IP": p.Trigger.Host.IP,
		"HOST.PORT": "10050",
		"HOST.ID2":  unknown, "HOST.NAME2": unknown, "HOST.HOST2": unknown, "HOST.ID3": unknown, "HOST.NAME3": unknown, "HOST.HOST3": unknown,
		"TRIGGER.ID": p.Trigger.ID, "TRIGGER.NAME": p.Trigger.Name, "TRIGGER.DESCRIPTION": p.Trigger.Description,
		"TRIGGER.URL": p.Trigger.URL, "TRIGGER.HOSTGROUP.NAME": strings.Join(p.Trigger.Host.Groups, ", "),
		"ITEM.ID": p.Trigger.ItemID, "ITEM.NAME": p.Trigger.ItemName,
		"DATE": now.Format(dateForm), "TIME": now.Format(timeForm),
	})
	if f.causes {
		m["EVENT.CAUSE.ID"] = unknown
		if p.CauseID != 0 {
			m["EVENT.CAUSE.ID"] = itoa(p.CauseID)
		}
	}
	stamp("EVENT.TIMESTAMP", p.Opened)
	stamp("TIMESTAMP", now)
	if over {
		r := p.Resolved.UTC()
		m["EVENT.RECOVERY.ID"], m["EVENT.RECOVERY.DATE"], m["EVENT.RECOVERY.TIME"] = itoa(p.RecoveryID), r.Format(dateForm), r.Format(timeForm)
		stamp("EVENT.RECOVERY.TIMESTAMP", r)
	}
	if ack != nil {
		at := ack.At.UTC()
		m["EVENT.UPDATE.STATUS"], m["EVENT.UPDATE.ACTION"] = "1", ack.Words()
		m["EVENT.UPDATE.DATE"], m["EVENT.UPDATE.TIME"] = at.Format(dateForm), at.Format(timeForm)
		m["EVENT.UPDATE.MESSAGE"], m["USER.FULLNAME"] = ack.Message, ack.User.fullName()
		stamp("EVENT.UPDATE.TIMESTAMP", at)
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings only
	}
	return body
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func tagsJSON(p *Problem) string {
	tags := slices.Concat(p.Trigger.Tags, p.Trigger.Host.Tags)
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		tags = append(tags, alert.Tag{Tag: k, Value: p.Tags[k]})
	}
	b, err := json.Marshal(tags)
	if err != nil {
		panic(err) // strings only
	}
	return string(b)
}

// Words is {EVENT.UPDATE.ACTION}, in Zabbix's English and order.
func (a Ack) Words() string {
	var did []string
	add := func(bit int, text string) {
		if a.Action&bit != 0 {
			did = append(did, text)
		}
	}
	add(Acknowledge, "acknowledged")
	add(Unack, "unacknowledged")
	add(Comment, "commented")
	add(Severity, fmt.Sprintf("changed severity from %s to %s", title(a.Old), title(a.New)))
	add(Close, "closed")
	if a.Until == 0 {
		add(Suppress, "suppressed indefinitely")
	} else {
		add(Suppress, "suppressed until "+time.Unix(a.Until, 0).UTC().Format(dateForm+" "+timeForm))
	}
	add(Unsuppress, "unsuppressed")
	if len(did) < 2 {
		return strings.Join(did, "")
	}
	return strings.Join(did[:len(did)-1], ", ") + " and " + did[len(did)-1]
}

func title(s alert.Severity) string { n := s.String(); return strings.ToUpper(n[:1]) + n[1:] }
