package webexsim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/text"
)

type webhook struct {
	id, name, target, resource, event, filter, secret string
	owner                                             *person
	inactive                                          bool
	created                                           time.Time
	reenabled                                         time.Time   // re-enabled by a PUT with status active
	failures                                          []time.Time // of the last five minutes
	queue                                             [][]byte    // bodies to deliver; a goroutine delivers them while not empty
}

// resources are the resources with their events and filters.
var resources = map[string]struct{ events, filters []string }{
	"messages": {
		events:  []string{"created", "updated", "deleted", "all"},
		filters: []string{"roomId", "roomType", "personId", "personEmail", "mentionedPeople", "hasFiles", "hasAttachments"},
	},
	"memberships":       {events: []string{"created", "updated", "deleted", "all"}, filters: []string{"roomId", "personId", "personEmail", "isModerator"}},
	"rooms":             {events: []string{"created", "updated", "migrated", "all"}, filters: []string{"type", "isLocked"}},
	"attachmentActions": {events: []string{"created", "all"}, filters: []string{"roomId"}},
	"all":               {events: []string{"all"}},
}

func (w *webhook) json() map[string]any {
	status := "active"
	if w.inactive {
		status = "inactive"
	}
	out := map[string]any{
		"id": w.id, "name": w.name, "targetUrl": w.target, "resource": w.resource, "event": w.event,
		"orgId": publicID("ORGANIZATION", named("ORGANIZATION", "example.com")), "createdBy": w.owner.id,
		"appId": publicID("APPLICATION", named("APPLICATION", "bot")), "ownedBy": "creator", "status": status, "created": stamp(w.created),
	}
	if w.filter != "" {
		out["filter"] = w.filter
	}
	if w.secret != "" {
		out["secret"] = w.secret
	}
	return out
}

func (s *Server) listWebhooks(req *request) (any, error) {
	var own []*webhook
	for _, w := range s.webhooks {
		if w.owner == req.caller {
			own = append(own, w)
		}
	}
	return page(req, own, 100, (*webhook).json)
}

func (s *Server) webhookOf(req *request) (*webhook, error) {
	for _, w := range s.webhooks {
		if w.id == req.id && w.owner == req.caller {
			return w, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "Webhook not found.")
}

func (s *Server) createWebhook(req *request) (any, error) {
	w := &webhook{
		id: publicID("WEBHOOK", s.nextUUID()), name: req.str("name"), target: req.str("targetUrl"),
		resource: req.str("resource"), event: req.str("event"), filter: req.str("filter"), secret: req.str("secret"),
		owner: req.caller, created: s.now(),
	}
	resource, known := resources[w.resource]
	switch {
	case w.name == "":
		return nil, refuse(http.StatusBadRequest, "The name is required.")
	case !known:
		return nil, refuse(http.StatusBadRequest, "The resource "+strconv.Quote(w.resource)+" is unknown.")
	case !slices.Contains(resource.events, w.event):
		return nil, refuse(http.StatusBadRequest, "The event "+strconv.Quote(w.event)+" is unknown for "+w.resource+".")
	}
	if err := checkTarget(w.target); err != nil {
		return nil, err
	}
	for name, value := range w.filters() {
		if !slices.Contains(resource.filters, name) || value == "" {
			return nil, refuse(http.StatusBadRequest, "The filter "+strconv.Quote(name)+" is unknown for "+w.resource+", or has no value.")
		}
	}
	s.webhooks = append(s.webhooks, w)
	return w.json(), nil
}

// checkTarget allows only targets on this machine.
func checkTarget(target string) error {
	u, err := url.Parse(target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return refuse(http.StatusBadRequest, "The targetUrl must be an http(s) URL.")
	}
	if !text.Loopback(u.Host) {
		return refuse(http.StatusBadRequest, "This Webex is simulated: it calls only loopback addresses.")
	}
	return nil
}

func (s *Server) updateWebhook(req *request) (any, error) {
	w, err := s.webhookOf(req)
	if err != nil {
		return nil, err
	}
	name, target, status := req.str("name"), req.str("targetUrl"), req.str("status")
	if name == "" || target == "" {
		return nil, refuse(http.StatusBadRequest, "The name and the targetUrl are required.")
	}
	if status != "" && status != "active" {
		return nil, refuse(http.StatusBadRequest, "The status can only be set to active.")
	}
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	w.name, w.target = name, target
	if secret := req.str("secret"); secret != "" {
		w.secret = secret
	}
	if status == "active" && w.inactive {
		w.inactive, w.failures, w.reenabled = false, nil, time.Now()
	}
	return w.json(), nil
}

// DisableWebhooks disables all webhooks of an account, as failures would.
func (s *Server) DisableWebhooks(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.webhooks {
		if w.owner == s.byEmail(email) {
			w.inactive = true
		}
	}
}

func (s *Server) deleteWebhook(req *request) (any, error) {
	w, err := s.webhookOf(req)
	if err != nil {
		return nil, err
	}
	w.inactive = true // deliveries that are queued end
	s.webhooks = slices.DeleteFunc(s.webhooks, func(o *webhook) bool { return o == w })
	return noContent{}, nil
}

// filters are the filter's conditions, by name.
func (w *webhook) filters() map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(w.filter, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(value); err == nil && !strings.Contains(value, "+") {
			value = decoded
		}
		out[name] = value
	}
	return out
}

// wants reports whether the webhook is for an event, by resource, event and filter. facts are the values that filters compare.
func (w *webhook) wants(resource, event string, facts map[string]string) bool {
	if w.inactive || w.resource != "all" && (w.resource != resource || w.event != "all" && w.event != event) {
		return false
	}
	for name, value := range w.filters() {
		if name == "mentionedPeople" {
			if value == "me" {
				value = w.owner.id
			}
			if !slices.Contains(strings.Split(facts[name], " "), value) {
				return false
			}
		} else if !strings.EqualFold(facts[name], value) {
			return false
		}
	}
	return true
}

func (s *Server) notifyMessage(event string, m *message, actor *person) {
	facts := map[string]string{
		"roomId": m.room.id, "roomType": m.room.kind(), "personId": m.author.id, "personEmail": m.author.email,
		"mentionedPeople": strings.Join(m.mentions, " "),
		"hasFiles":        strconv.FormatBool(m.file != nil), "hasAttachments": strconv.FormatBool(m.card != nil),
	}
	data := map[string]any{
		"id": m.id, "roomId": m.room.id, "roomType": m.room.kind(), "personId": m.author.id, "personEmail": m.author.email, "created": stamp(m.created),
	}
	if m.parent != "" {
		data["parentId"] = m.parent
	}
	if len(m.mentions) > 0 {
		data["mentionedPeople"] = m.mentions
	}
	s.notify("messages", event, actor, facts, data, m.hears)
	s.tellMessage(event, m, actor)
}

func (s *Server) notifyRoom(event string, r *room, actor *person) {
	s.notify("rooms", event, actor, map[string]string{"type": r.kind(), "isLocked": "false"}, r.json(actor), func(p *person) bool { return r.member(p) != nil })
}

func (s *Server) notifyMembership(event string, m *membership, actor *person) {
	facts := map[string]string{
		"roomId": m.room.id, "personId": m.person.id, "personEmail": m.person.email, "isModerator": strconv.FormatBool(m.mod),
	}
	s.notify("memberships", event, actor, facts, m.json(), func(p *person) bool { return m.room.member(p) != nil })
}

// notifyAction notifies the bot that posted the card.
func (s *Server) notifyAction(a *action) {
	s.tellAction(a)
	s.notify("attachmentActions", "created", a.person, map[string]string{"roomId": a.message.room.id}, map[string]any{
		"id": a.id, "type": "submit", "messageId": a.message.id, "personId": a.person.id, "roomId": a.message.room.id, "created": stamp(a.created),
	}, func(p *person) bool { return p == a.message.author })
}

// notify enqueues a delivery for each webhook that wants it and whose owner may see it.
func (s *Server) notify(resource, event string, actor *person, facts map[string]string, data any, may func(*person) bool) {
	for _, w := range s.webhooks {
		if !may(w.owner) || !w.wants(resource, event, facts) {
			continue
		}
		envelope := w.json()
		delete(envelope, "secret")
		delete(envelope, "targetUrl")
		envelope["resource"], envelope["event"], envelope["actorId"], envelope["data"] = resource, event, actor.id, data
		body, err := json.Marshal(envelope)
		if err != nil {
			continue // can't happen: strings and times
		}
		idle := len(w.queue) == 0
		for range 1 + s.opts.RepeatDeliveries {
			w.queue = append(w.queue, body)
		}
		if idle && s.ctx.Err() == nil {
			s.work.Go(func() { s.deliver(w) })
		}
	}
}

// deliver sends the queue of one webhook in order. A failed delivery isn't retried.
func (s *Server) deliver(w *webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(w.queue) > 0 && !w.inactive && s.ctx.Err() == nil {
		body, target, secret := w.queue[0], w.target, w.secret
		s.mu.Unlock()
		ok := s.send(target, secret, body)
		s.mu.Lock()
		w.queue = w.queue[1:]
		s.outcome(w, ok)
	}
	w.queue = nil
}

func (s *Server) send(target, secret string, body []byte) bool {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Trackingid", "SIM_"+s.uuid())
	if secret != "" {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write(body)
		req.Header.Set("X-Spark-Signature", hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return resp.StatusCode >= 200 && resp.StatusCode <= 299
}

// outcome counts a delivery, and disables a webhook that failed a hundred times in five minutes, or once within five minutes
// after it was re-enabled.
func (s *Server) outcome(w *webhook, ok bool) {
	if ok {
		s.stats.Delivered++
		return
	}
	if s.ctx.Err() != nil { // closing
		return
	}
	s.stats.DeliveriesFailed++
	now := time.Now()
	w.failures = slices.DeleteFunc(append(w.failures, now), func(at time.Time) bool { return now.Sub(at) > disableWindow })
	if len(w.failures) >= disableAfter || !w.reenabled.IsZero() && now.Sub(w.reenabled) < disableWindow {
		w.inactive = true
		s.log.Info("webex simulator: webhook disabled", "webhook", w.name, "target", w.target)
	}
}
