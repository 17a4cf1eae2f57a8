package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// firstID is the first event id of the intake. All ids have the same number of digits, so that one template serves them.
const firstID = sampleID + 1

const sampleID = 1_000_000_000

var sampleDigits = strconv.Itoa(sampleID)

// payload is what the media type sends of a problem: that it opened, or that it resolved.
func (w *world) payload(id int64) []byte {
	p, _ := w.zabbix.Problem(id)
	kind := alert.KindProblem
	if p.RecoveryID != 0 {
		kind = alert.KindRecovery
	}
	return zabbixsim.Payload(p, kind, time.Now())
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
	t := stormTrigger(0)
	body := zabbixsim.Payload(zabbixsim.Problem{ID: sampleID, Trigger: t, Severity: t.Severity, Opened: now}, alert.KindProblem, now)
	out := &template{stamp: fmt.Sprint(now.Unix())}
	head := eventHead(out.stamp, strings.Repeat("0", signLength), len(body))
	out.sign = strings.Index(head, "sha256=") + len("sha256=")
	return out, out.of(head, body)
}

// of assembles the request.
func (t *template) of(head string, body []byte) error {
	t.request = append([]byte(head), body...)
	t.body = len(head)
	t.id = t.body + bytes.Index(body, []byte(sampleDigits))
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
