package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// A person has a time zone of their own, for their direct chat with the bot, reminders and reports.

// parseTimezone parses "[ZONE]".
func parseTimezone(_ Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	zone := strings.Trim(t.rest, ":,;.! `\"'")
	if zone == "" {
		return Request{Verb: v.name}, nil
	}
	zone, q := zoneNamed(v, zone)
	return Request{Verb: v.name, Text: zone}, q
}

// zoneNamed checks the name of a time zone, in any case: "europe/berlin".
func zoneNamed(v *verb, said string) (string, *misunderstanding) {
	upper := true
	fixed := strings.Map(func(r rune) rune { // as they are all written but for a few
		was := upper
		upper = r == '/' || r == '_' || r == '-'
		if was {
			return []rune(strings.ToUpper(string(r)))[0]
		}
		return r
	}, strings.ToLower(said))
	for _, name := range []string{said, fixed, strings.ToUpper(said)} {
		if _, err := time.LoadLocation(name); err == nil && name != "Local" && name != "" && len(name) < 50 {
			return name, nil
		}
	}
	return "", misunderstood(v.name, "I don't know the time zone `%s`. Write it as in `Europe/Berlin`, `America/New_York` or `UTC`. Nothing was done.", echo(text.Cut(said, 50)))
}

// zoneValue is the name of the stored value with a person's time zone.
func zoneValue(person string) string { return "assistant/zone/" + person }

// zoneOf is a person's own time zone; nil if they have set none.
func (e *Executor) zoneOf(ctx context.Context, person string) (*time.Location, error) {
	name, err := e.o.Store.Value(ctx, zoneValue(person))
	if errors.Is(err, store.ErrNotFound) || err == nil && name == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("time zone of a person: %w", err)
	}
	loc, err := time.LoadLocation(name)
	if err != nil { // another machine, with other zones
		return nil, nil
	}
	return loc, nil
}

// zones are the time zones that the configuration knows, as many as have a button.
func (s scope) zones() (names []string) {
	add := func(loc *time.Location) {
		if loc != nil && loc.String() != "Local" && !slices.Contains(names, loc.String()) && len(names) <= maxEndButtons {
			names = append(names, loc.String())
		}
	}
	add(s.View.Location)
	for _, r := range s.Rooms {
		add(r.TimeZone.Location)
	}
	add(time.UTC)
	return names
}

func (e *Executor) timezone(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	now, say := time.Now(), s.voice()
	if s.Input.Person.ID == "" {
		return e.reply(ctx, c, say.T("🚫 Webex doesn't tell me who you are, so I can't keep a time zone for you."))
	}
	if r.Text != "" {
		if err := e.o.Store.SetValue(ctx, zoneValue(s.Input.Person.ID), r.Text); err != nil {
			return "", err
		}
		s.Input.Zone = r.Text
	}
	loc := s.clock(c)
	if r.Text == "" {
		card := tokenCard{lines: []string{say.T("🌍 Your time zone is %s, where it is %s. For another: `timezone Europe/Berlin`.", inCode(loc.String()), now.In(loc).Format("15:04"))}}
		for _, zone := range s.zones() {
			if s.Direct && zone != loc.String() {
				card.buttons = append(card.buttons, tokenButton{zone, "default", buttonReminder, reminderZone + "/" + zone})
			}
		}
		return e.replyCard(ctx, c, card)
	}
	all, err := e.o.Store.NextReminders(ctx, 0)
	if err != nil {
		return "", err
	}
	moved := ""
	for _, rem := range s.ownReminders(all) {
		schedule, err := assistant.ParseSchedule(rem.Schedule)
		if err != nil || rem.Zone != "" {
			continue
		}
		was := rem.Due
		rem.Due = schedule.Next(now, loc)
		if err := e.o.Store.SaveReminder(ctx, rem, was); err != nil && !errors.Is(err, store.ErrConflict) {
			return "", err
		}
		moved = say.T(" Your report follows it: the next one comes at %s.", say.momentIn(loc, rem.Due, now))
	}
	return e.reply(ctx, c, say.T("🌍 Your time zone is %s from now on, where it is %s.%s", inCode(loc.String()), now.In(loc).Format("15:04"), moved))
}
