package zabbixsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
)

// Run sends alerts and runs delayed tasks until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	slots := make(chan struct{}, s.opts.Sessions)
	for {
		due, wait := s.next()
		if due != nil {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			sending.Go(func() {
				s.send(ctx, due)
				<-slots
			})
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next runs the tasks that are due and dequeues the next due alert. Without one it returns how long to wait.
func (s *Server) next() (*Alert, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock()
	for len(s.tasks) > 0 && !s.tasks[0].at.After(now) {
		do := s.tasks[0].do
		s.tasks = s.tasks[1:]
		do()
	}
	wait := time.Hour
	if len(s.tasks) > 0 {
		wait = min(wait, s.tasks[0].at.Sub(now))
	}
	for i, a := range s.queue {
		if !a.due.After(now) {
			s.queue = slices.Delete(s.queue, i, i+1)
			return a, 0
		}
		wait = min(wait, a.due.Sub(now))
	}
	return nil, wait
}

// tell enqueues an alert about a problem. mu is held.
func (s *Server) tell(p *Problem, kind alert.Kind, ack *Ack, delay time.Duration) {
	defer s.notify()
	if s.opts.Relay == "" {
		return
	}
	if s.opts.Quick {
		delay = 0
	}
	now := s.opts.Clock()
	body, err := json.Marshal(s.macros(p, kind, ack, now.Add(delay)))
	if err != nil {
		panic(err) // a map of strings
	}
	s.nextTask++
	a := &Alert{ID: int64(s.nextTask), EventID: p.ID, Kind: kind, Body: body, Status: "new", due: now.Add(delay)}
	s.alerts[a.ID] = a
	s.queue = append(s.queue, a)
}

// send makes one attempt, as the media type's script does.
func (s *Server) send(ctx context.Context, a *Alert) {
	tags, err := Post(ctx, s.opts.Client, s.opts.Relay, s.opts.Secret, a.Body, s.opts.Clock())
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.notify()
	a.Attempts++
	if err == nil {
		a.Status, a.Error = "sent", ""
		if p := s.problems[a.EventID]; p != nil { // it may have been deleted meanwhile
			maps.Copy(p.Tags, tags)
		}
		a.Body = nil // no page shows it
		return
	}
	a.Error = err.Error()
	if a.Attempts >= s.opts.Attempts {
		a.Status = "failed"
		s.opts.Log.Warn("alert failed", "event", a.EventID, "attempts", a.Attempts, "error", err)
		return
	}
	a.due = s.opts.Clock().Add(s.opts.Interval)
	s.queue = append(s.queue, a)
}

// Post sends one payload to the relay as the media type does, signed. Any answer but 202 is an error. It returns the tags of the
// answer.
func Post(ctx context.Context, client *http.Client, url, secret string, body []byte, now time.Time) (map[string]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := itoa(now.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Relay-Timestamp", stamp)
	req.Header.Set("X-Relay-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusAccepted {
		return nil, fmt.Errorf("the relay answered %d: %.300s", resp.StatusCode, answer)
	}
	var a struct {
		Tags map[string]string `json:"tags"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("the relay's answer is not JSON: %w", err)
	}
	return a.Tags, nil
}

const (
	dateForm = "2006.01.02"
	timeForm = "15:04:05"
)

// macros are the payload: what the media type's parameters resolve to in this version. As recorded, a macro that doesn't apply, or
// is of a later version, stays literal; a known macro without a value is *UNKNOWN*.
func (s *Server) macros(p *Problem, kind alert.Kind, ack *Ack, now time.Time) map[string]string {
	const unknown = "*UNKNOWN*"
	now = now.UTC()
	opened := p.Opened.UTC()
	m := map[string]string{}
	for _, name := range literals {
		m[name] = "{" + name + "}"
	}
	stamp := func(name string, t time.Time) {
		if s.forms.timestamps {
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
		"ALERT.SENDTO": s.opts.SendTo, "ALERT.SUBJECT": p.Trigger.Name, "ALERT.MESSAGE": "",
		"ACTION.ID": "7", "EVENT.ID": itoa(p.ID), "EVENT.NAME": p.Trigger.Name,
		"EVENT.VALUE": value, "EVENT.STATUS": status, "EVENT.SOURCE": "0", "EVENT.OBJECT": "0",
		"EVENT.NSEVERITY": itoa(int64(p.Severity)), "EVENT.OPDATA": opdata,
		"EVENT.DATE": opened.Format(dateForm), "EVENT.TIME": opened.Format(timeForm),
		"EVENT.ACK.STATUS": yesNo(p.Acked), "EVENT.TAGSJSON": s.tagsJSON(p),
		"EVENT.UPDATE.STATUS": "0",
		"HOST.ID":             p.Trigger.Host.ID, "HOST.NAME": p.Trigger.Host.Name, "HOST.HOST": p.Trigger.Host.Host, "HOST.IP": p.Trigger.Host.IP,
		"HOST.ID2": unknown, "HOST.NAME2": unknown, "HOST.HOST2": unknown,
		"TRIGGER.ID": p.Trigger.ID, "TRIGGER.NAME": p.Trigger.Name, "TRIGGER.DESCRIPTION": p.Trigger.Description,
		"TRIGGER.URL": p.Trigger.URL, "TRIGGER.HOSTGROUP.NAME": strings.Join(p.Trigger.Host.Groups, ", "),
		"ITEM.ID": p.Trigger.ItemID, "ITEM.NAME": p.Trigger.ItemName,
		"DATE": now.Format(dateForm), "TIME": now.Format(timeForm),
	})
	if s.forms.causes {
		m["EVENT.CAUSE.ID"] = unknown
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
	return m
}

// literals are the parameters that may stay literal.
var literals = []string{
	"EVENT.TIMESTAMP", "EVENT.CAUSE.ID", "EVENT.RECOVERY.ID", "EVENT.RECOVERY.DATE", "EVENT.RECOVERY.TIME",
	"EVENT.RECOVERY.TIMESTAMP", "EVENT.UPDATE.ACTION", "EVENT.UPDATE.ACTIONJSON", "EVENT.UPDATE.DATE", "EVENT.UPDATE.TIME",
	"EVENT.UPDATE.TIMESTAMP", "EVENT.UPDATE.MESSAGE", "EVENT.UPDATE.NSEVERITY", "USER.FULLNAME", "TIMESTAMP",
	"TRIGGER.URL.NAME", "SERVICE.NAME", "SERVICE.ROOTCAUSE", "DISCOVERY.RULE.NAME",
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func (s *Server) tagsJSON(p *Problem) string {
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
	add(bitAck, "acknowledged")
	add(bitUnack, "unacknowledged")
	add(bitMessage, "commented")
	add(bitSeverity, fmt.Sprintf("changed severity from %s to %s", title(a.Old), title(a.New)))
	add(bitClose, "closed")
	if a.Until == 0 {
		add(bitSuppress, "suppressed indefinitely")
	} else {
		add(bitSuppress, "suppressed until "+time.Unix(a.Until, 0).UTC().Format(dateForm+" "+timeForm))
	}
	add(bitUnsuppress, "unsuppressed")
	if len(did) < 2 {
		return strings.Join(did, "")
	}
	return strings.Join(did[:len(did)-1], ", ") + " and " + did[len(did)-1]
}

func title(s alert.Severity) string { n := s.String(); return strings.ToUpper(n[:1]) + n[1:] }
