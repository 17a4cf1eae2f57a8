package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/zabbix"
)

// firstID is the first event id of the intake. All ids have the same number of digits, so that one template serves them.
const firstID = 1_000_000_001

const sampleID = "1000000000"

// recorded is a problem recorded from a real Zabbix 7.0, with all macros.
const recorded = "fixtures/zabbix-7.0/events/problem-severity-4.json"

// macros returns what the media type sends of a problem: its parameters with the values of a real Zabbix. Macros that Zabbix didn't
// resolve stay literal.
func macros() (map[string]string, error) {
	var export struct {
		Export struct {
			MediaTypes []struct {
				Parameters []struct{ Name, Value string }
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	if err := yaml.Unmarshal(zabbix.MediaType, &export); err != nil {
		return nil, fmt.Errorf("the media type: %w", err)
	}
	raw, err := fs.ReadFile(testdata.Fixtures, recorded)
	if err != nil {
		return nil, err
	}
	var values map[string]string
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("%s: %w", recorded, err)
	}
	m := map[string]string{}
	for _, p := range export.Export.MediaTypes[0].Parameters {
		switch p.Name {
		case "URL", "SECRET", "HTTP_PROXY": // not sent
			continue
		}
		m[p.Name] = p.Value
		if v, ok := values[p.Name]; ok {
			m[p.Name] = v
		}
	}
	m["ALERT.SENDTO"] = "" // routes decide
	m["SOURCE"] = "main"
	return m, nil
}

const (
	dateForm = "2006.01.02"
	timeForm = "15:04:05"
)

// stamped sets the times of a payload, since an event of another day would be handled differently.
func stamped(m map[string]string, now time.Time) {
	now = now.UTC()
	for _, prefix := range []string{"", "EVENT."} {
		m[prefix+"DATE"], m[prefix+"TIME"] = now.Format(dateForm), now.Format(timeForm)
	}
}

// template is a request whose event id and signature vary.
type template struct {
	request  []byte
	id, sign int // offsets; sign is 0 without a signature
	stamp    string
	body     int // offset of the body
}

const signLength = 64 // hexadecimal digits of SHA-256

// newTemplate makes a request to be sent at now.
func newTemplate(now time.Time) (*template, error) {
	m, err := macros()
	if err != nil {
		return nil, err
	}
	stamped(m, now)
	m["EVENT.ID"] = sampleID
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	t := &template{stamp: fmt.Sprint(now.Unix())}
	head := eventHead(t.stamp, strings.Repeat("0", signLength), len(body))
	t.sign = strings.Index(head, "sha256=") + len("sha256=")
	return t, t.of(head, body)
}

// of assembles the request.
func (t *template) of(head string, body []byte) error {
	t.request = append([]byte(head), body...)
	t.body = len(head)
	t.id = t.body + bytes.Index(body, []byte(sampleID))
	if t.id < t.body {
		return fmt.Errorf("payload without an event id")
	}
	return nil
}

func eventHead(stamp, signature string, length int) string {
	return fmt.Sprintf("POST /v1/zabbix/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Zabbix 7.0.22\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"%s: %s\r\n%s: sha256=%s\r\nContent-Length: %d\r\n\r\n", receiver.HeaderTimestamp, stamp, receiver.HeaderSignature, signature, length)
}

// signed returns a whole request with a signed event.
func signed(body []byte, now time.Time) []byte {
	stamp := fmt.Sprint(now.Unix())
	signature := strings.TrimPrefix(receiver.Sign(secret, stamp, body), "sha256=")
	return append([]byte(eventHead(stamp, signature, len(body))), body...)
}

// eventBody is what the media type sends when a problem opens.
func eventBody(m map[string]string, t zabbixsim.Trigger, id int64, now time.Time) ([]byte, error) {
	stamped(m, now)
	tags, err := json.Marshal(t.Tags)
	if err != nil {
		return nil, err
	}
	maps.Copy(m, map[string]string{
		"EVENT.ID": strconv.FormatInt(id, 10), "EVENT.NAME": t.Name, "ALERT.SUBJECT": t.Name, "EVENT.NSEVERITY": strconv.Itoa(int(t.Severity)), "EVENT.OPDATA": t.OpData,
		"EVENT.TAGSJSON": string(tags), "HOST.ID": t.Host.ID, "HOST.HOST": t.Host.Host, "HOST.NAME": t.Host.Name, "HOST.IP": t.Host.IP,
		"TRIGGER.ID": t.ID, "TRIGGER.NAME": t.Name, "TRIGGER.DESCRIPTION": t.Description, "TRIGGER.URL": t.URL, "TRIGGER.HOSTGROUP.NAME": strings.Join(t.Host.Groups, ", "),
		"ITEM.ID": t.ItemID, "ITEM.NAME": t.ItemName,
	})
	return json.Marshal(m)
}

// recoveryBody is what it sends when that problem resolves.
func recoveryBody(m map[string]string, p zabbixsim.Problem) ([]byte, error) {
	m = maps.Clone(m)
	if _, err := eventBody(m, p.Trigger, p.ID, p.Resolved); err != nil {
		return nil, err
	}
	opened, over := p.Opened.UTC(), p.Resolved.UTC()
	m["EVENT.VALUE"], m["EVENT.STATUS"], m["EVENT.OPDATA"] = "0", "RESOLVED", p.Trigger.Recovered
	m["EVENT.DATE"], m["EVENT.TIME"] = opened.Format(dateForm), opened.Format(timeForm)
	m["EVENT.RECOVERY.ID"] = strconv.FormatInt(p.RecoveryID, 10)
	m["EVENT.RECOVERY.DATE"], m["EVENT.RECOVERY.TIME"] = over.Format(dateForm), over.Format(timeForm)
	return json.Marshal(m)
}
