package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// Timing describes when the route posts later than at once, or again; "" if it
// doesn't.
func (r Route) Timing() string {
	var words []string
	if r.Delay > 0 {
		words = append(words, "delay "+r.Delay.String())
	}
	if r.Remind > 0 {
		words = append(words, "reminds every "+r.Remind.String())
	}
	for _, e := range r.Escalate {
		words = append(words, e.String())
	}
	return strings.Join(words, ", ")
}

// String describes the step: "escalates after 15m to leads, mentioning all".
func (e Escalation) String() string {
	text := "escalates after " + e.After.String()
	if len(e.Rooms) > 0 {
		text += " to " + strings.Join(e.Rooms, " and ")
	}
	if len(e.Mention) > 0 {
		text += " mentioning " + strings.Join(e.Mention, " and ")
	}
	return text
}

func (l *loader) checkQuiet(path string, q *Quiet) {
	if q == nil || l.faultedBelow(path) {
		return
	}
	if q.Below == alert.NotClassified {
		l.fault(path+".below", "no severity is below not classified", "the lowest severity that is posted at any hour; disaster by default")
		return
	}
	// At least one hour of the week must not be quiet.
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if q.Until(q.Below-1, at).Sub(at) > longestQuiet {
		l.fault(path+".when", fmt.Sprintf("never ends: no problem below %s would ever be posted", q.Below), "leave out at least an hour of the week; a route can send less severe problems to another room")
	}
}

// faultedBelow reports whether a key, or one that it contains, has a fault.
func (l *loader) faultedBelow(path string) bool {
	for key := range l.bad {
		if key == path || strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[") {
			return true
		}
	}
	return false
}

func (l *loader) checkEscalation(cfg *Config, path string, r Route) {
	before := Duration(0)
	for i, step := range r.Escalate {
		path := at(path+".escalate", i)
		l.roomsExist(cfg, path+".rooms", step.Rooms)
		for j, room := range step.Rooms {
			if slices.Contains(r.Rooms, room) {
				l.fault(at(path+".rooms", j), fmt.Sprintf("%s is already one of this route's rooms", room), "use another room, or mention")
			}
		}
		for j, who := range step.Mention {
			l.checkMention(cfg, at(path+".mention", j), who)
		}
		if len(step.Rooms) == 0 && len(step.Mention) == 0 && !l.faultedBelow(path) {
			l.fault(path, "has no effect", "rooms: [leads], mention: [alice@example.com], or both")
		}
		if step.After > 0 && step.After <= before && !l.faulted(path+".after") {
			l.fault(path+".after", fmt.Sprintf("must be later than the previous step, %s, got %s", before, step.After), "each step counts from the problem's first post")
		}
		before = max(before, step.After)
	}
}

// checkMention checks the mention of a step: anything but an address would be shown as text and
// notify nobody.
func (l *loader) checkMention(cfg *Config, path, who string) {
	if l.faulted(path) || who == alert.MentionAll {
		return
	}
	if fieldRules().Var(who, "email") != nil {
		l.fault(path, fmt.Sprintf("expected an e-mail address or all, got %q", who), "such as alice@example.com; all mentions everybody in the room")
		return
	}
	if !cfg.Allowed(who) {
		l.fault(path, fmt.Sprintf("%s is not in an allowed domain", who), "add the domain to allowed_domains, or the person to people")
	}
}
