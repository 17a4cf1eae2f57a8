package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/zabbix"
)

// firstID is the first event id of the intake. All have as many digits: one
// template serves them.
const firstID = 1_000_000_001

const sampleID = "1000000000"

// recorded is a problem as a real Zabbix 7.0 sent it with all macros.
const recorded = "fixtures/zabbix-7.0/events/problem-severity-4.json"

// macros are what our media type sends of a problem: its own parameters, with the
// values that a real Zabbix gave them. What it didn't resolve stays literal, as there.
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

// stamped sets the times of a payload: events of another day would be told
// differently.
func stamped(m map[string]string, now time.Time) {
	now = now.UTC()
	for _, prefix := range []string{"", "EVENT."} {
		m[prefix+"DATE"], m[prefix+"TIME"] = now.Format("2006.01.02"), now.Format("15:04:05")
	}
}

// template is one request of which only event id and signature change.
type template struct {
	request  []byte
	id, sign int // where they stand
	stamp    string
	body     int // where the body begins
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
	head := fmt.Sprintf("POST /v1/zabbix/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Zabbix 7.0.22\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"%s: %s\r\n%s: sha256=%s\r\nContent-Length: %d\r\n\r\n", receiver.HeaderTimestamp, t.stamp, receiver.HeaderSignature, strings.Repeat("0", signLength), len(body))
	t.request = append([]byte(head), body...)
	t.body = len(head)
	t.sign = strings.Index(head, "sha256=") + len("sha256=")
	t.id = bytes.Index(t.request, []byte(sampleID))
	if t.id < t.body {
		return nil, fmt.Errorf("the payload has no place for an event id")
	}
	return t, nil
}
