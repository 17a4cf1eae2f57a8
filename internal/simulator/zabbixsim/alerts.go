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
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
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
		if !pace.Pause(ctx, wait, s.wake) {
			return nil
		}
	}
}

// next runs the tasks that are due and dequeues a message. Without one it returns how long to wait.
func (s *Server) next() (*message, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.tasks) > 0 && !s.tasks[0].at.After(time.Now()) {
		do := s.tasks[0].do
		s.tasks = s.tasks[1:]
		do()
	}
	if len(s.queue) > 0 {
		m := s.queue[0]
		s.queue = s.queue[1:]
		return m, 0
	}
	if len(s.tasks) > 0 {
		return nil, time.Until(s.tasks[0].at)
	}
	return nil, time.Hour
}

// report sends a message about a problem after a delay. mu is held.
func (s *Server) report(p *Problem, kind alert.Kind, ack *Ack, delay time.Duration) {
	defer s.notify()
	if s.opts.LeaveOut != nil && s.opts.LeaveOut(p.copy()) {
		return
	}
	a := s.makeAlert(p, kind, ack)
	switch {
	case s.opts.Relay == "":
		a.status = alertSent
		return
	case s.opts.Lose != nil && s.opts.Lose(p.ID, kind):
		a.status, a.failure = alertFailed, "lost"
		return
	}
	s.waiting++
	s.enqueue(&message{eventID: p.ID, alert: a, body: payload(s.forms, p, kind, ack, time.Now().Add(delay))}, delay)
}

func (s *Server) enqueue(m *message, delay time.Duration) {
	s.after(delay, func() { s.queue = append(s.queue, m) })
}

// send makes one attempt, as the media type's script does.
func (s *Server) send(ctx context.Context, m *message) {
	tags, err := Post(ctx, s.opts.Client, s.opts.Relay, s.opts.Secret, m.body, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.notify()
	m.attempts++
	switch {
	case err == nil:
		s.waiting--
		s.sent++
		m.alert.status = alertSent
		if p := s.problems[m.eventID]; p != nil { // it may have been deleted meanwhile
			maps.Copy(p.Tags, tags)
		}
	case m.attempts >= s.opts.Attempts:
		s.waiting--
		s.failed++
		m.alert.status, m.alert.failure = alertFailed, err.Error()
		s.opts.Log.Warn("alert failed", "event", m.eventID, "attempts", m.attempts, "error", err)
	default:
		s.enqueue(m, s.opts.Interval)
	}
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

// StopServer stops or starts the Zabbix server: while it is stopped, the API answers, and its internal items get no value.
func (s *Server) StopServer(stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = time.Time{}
	if stopped {
		s.stopped = time.Now()
	}
}

// itemGet answers with items by their ids, or with the one internal item, of the host that is the Zabbix server.
func (s *Server) itemGet(_ User, a args) (any, *rpcError) {
	if a.has("itemids") {
		return s.itemsByID(a)
	}
	at := time.Now()
	if !s.stopped.IsZero() {
		at = s.stopped
	}
	host := map[string]any{"hostid": "10084", "maintenance_type": "0", "maintenance_status": "0", "proxy_hostid": "0"}
	if s.forms.strict {
		delete(host, "proxy_hostid")
		host["monitored_by"] = "0"
	}
	for _, name := range a.ids("selectHosts") {
		if _, known := host[name]; !known && s.forms.strict {
			return nil, invalid(`Invalid parameter "/selectHosts/1": value must be one of "hostid", "monitored_by", not %q.`, name)
		}
	}
	return []any{map[string]any{"itemid": "10073", "lastclock": itoa(at.Unix()), "hosts": []any{host}}}, nil
}
