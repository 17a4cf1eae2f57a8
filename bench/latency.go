package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// patience bounds the wait for one message or acknowledgement.
const patience = 10 * time.Second

// latency measures the time of an event into the room, and of an `ack` out of it, on an idle relay.
func (b *bench) latency(ctx context.Context) (err error) {
	w, err := newWorld(webexsim.Options{}, 0)
	if err != nil {
		return err
	}
	defer w.close()
	// Four events a second are eight calls with their cards: more than the five that the relay begins with, so it would make a digest.
	ours, err := b.startRelay(ctx, "latency", w.webexURL, w.zabbixURL, "delivery: {rate_limit: 1000}\n", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	seen := watchRooms(w.webex, "")
	defer seen.stop()
	ids, err := b.toRoom(ctx, w, ours, seen)
	if err != nil {
		return err
	}
	return b.fromRoom(ctx, w, ids)
}

// toRoom posts events, and messages straight to Webex in between.
func (b *bench) toRoom(ctx context.Context, w *world, ours *process, seen *watcher) ([]int64, error) {
	var ids []int64
	var events, messages []time.Duration
	tick := time.NewTicker(b.every / 2)
	defer tick.Stop()
	for i := range b.events {
		t := zabbixsim.StormTrigger(i)
		mark := fmt.Sprintf("bench-event-%05d", i)
		t.Name = "No answer to ping, " + mark
		id := w.zabbix.Raise(t) // Zabbix has it, but does not send it
		ids = append(ids, id)
		took, err := seen.timed(ctx, mark, func() error { return ours.post(ctx, w.payload(id)) })
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		events = append(events, took)
		<-tick.C
		mark = fmt.Sprintf("bench-direct-%05d", i)
		if took, err = seen.timed(ctx, mark, func() error { return direct(ctx, w.webexURL, mark) }); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		messages = append(messages, took)
		<-tick.C
	}
	const against = "a message posted to Webex directly"
	b.report.add(fmt.Sprintf("event to room, idle (median of %d)", b.events), "ms", milliseconds(median(events))).beside(milliseconds(median(messages)), against).atMost(50)
	b.report.add("  99 %", "ms", milliseconds(quantile(events, .99))).beside(milliseconds(quantile(messages, .99)), against)
	return ids, nil
}

// direct posts a message as the simplest script would.
func direct(ctx context.Context, webex, text string) error {
	body, err := json.Marshal(map[string]string{"roomId": webexsim.RoomID("db"), "markdown": "**" + text + "**"})
	if err != nil {
		return err
	}
	return call(ctx, webex+"/v1/messages", webexsim.DefaultBotToken, "application/json", string(body))
}

func call(ctx context.Context, url, token, contentType, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s: %.300s", resp.Status, answer)
	}
	return err
}

// watcher reports when the root message with a mark appears.
type watcher struct {
	cancel func()
	not    string // messages that contain this don't count
	mu     sync.Mutex
	marks  map[string]chan time.Time
}

func watchRooms(s *webexsim.Server, not string) *watcher {
	events, cancel := s.Subscribe()
	w := &watcher{cancel: cancel, not: not, marks: map[string]chan time.Time{}}
	go func() {
		for e := range events {
			now := time.Now()
			if e.Type == "message.created" && e.View != nil && e.View.ParentID == "" && (not == "" || !strings.Contains(e.View.Text, not)) {
				w.appeared(e.View.Text, now)
			}
		}
	}()
	return w
}

func (w *watcher) appeared(text string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for mark, ch := range w.marks {
		if strings.Contains(text, mark) {
			ch <- at // buffered, and used once
			delete(w.marks, mark)
		}
	}
}

func (w *watcher) stop() { w.cancel() }

// timed runs do, which makes a message with a mark appear, and returns the time until it appears.
func (w *watcher) timed(ctx context.Context, mark string, do func() error) (time.Duration, error) {
	ch := make(chan time.Time, 1)
	w.mu.Lock()
	w.marks[mark] = ch
	w.mu.Unlock()
	began := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	select {
	case at := <-ch:
		return at.Sub(began), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("%s did not appear in a room within %s", mark, patience)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// fromRoom acknowledges problems in the room, and calls the Zabbix API directly in between.
func (b *bench) fromRoom(ctx context.Context, w *world, ids []int64) error {
	n := min(b.acks, len(ids)/2)
	if n == 0 {
		return nil
	}
	changed, stop := w.zabbix.Watch()
	defer stop()
	var said, asked []time.Duration
	for i := range n {
		person := people[i%len(people)]
		took, err := acked(ctx, w.zabbix, changed, ids[2*i], func() error {
			_, err := w.webex.Say(webexsim.Line{Room: "noc", From: person, Text: fmt.Sprintf("ack %d", ids[2*i]), MentionBot: true})
			return err
		})
		if err != nil {
			return fmt.Errorf("ack %d: %w", ids[2*i], err)
		}
		said = append(said, took)
		if took, err = acked(ctx, w.zabbix, changed, ids[2*i+1], func() error { return acknowledge(ctx, w.zabbixURL, ids[2*i+1]) }); err != nil {
			return fmt.Errorf("event.acknowledge of %d: %w", ids[2*i+1], err)
		}
		asked = append(asked, took)
	}
	b.report.add(fmt.Sprintf("ack in the room to Zabbix (median of %d)", n), "ms", milliseconds(median(said))).beside(milliseconds(median(asked)), "event.acknowledge asked of Zabbix directly")
	return nil
}

// acked runs do, which acknowledges a problem, and returns the time until Zabbix has it.
func acked(ctx context.Context, z *zabbixsim.Server, changed <-chan struct{}, id int64, do func() error) (time.Duration, error) {
	began := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if p, ok := z.Problem(id); ok && p.Acked {
			return time.Since(began), nil
		}
		select {
		case <-changed:
		case <-late.C:
			return 0, fmt.Errorf("the simulated Zabbix doesn't have it after %s", patience)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func acknowledge(ctx context.Context, zabbix string, id int64) error {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"event.acknowledge","params":{"eventids":["%d"],"action":2}}`, id)
	return call(ctx, zabbix+"/api_jsonrpc.php", zabbixsim.RelayToken, "application/json-rpc", body)
}
