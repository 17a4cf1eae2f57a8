package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// maxLookedUp is how many people on duty are looked up.
const maxLookedUp = 50

// readDuty looks up the people whom the configuration names as on duty for the bot's rooms. Those of calendars aren't known here.
func (b *bot) readDuty(ctx context.Context, c *webex.Client, cfg *config.Config) {
	for _, email := range onDuty(cfg, b.Name) {
		known, err := c.Knows(ctx, email)
		if err != nil {
			b.strangersErr = err
			return
		}
		if b.onDuty++; !known {
			b.strangers = append(b.strangers, email)
		}
	}
}

// onDuty returns the addresses that the schedules of a bot's rooms name, at most maxLookedUp.
func onDuty(cfg *config.Config, bot string) (emails []string) {
	for _, d := range cfg.Duty {
		if !slices.ContainsFunc(cfg.RoomsOf(bot), func(r config.Room) bool { return r.Duty == d.Name }) {
			continue
		}
		for _, r := range d.Rota {
			emails = append(emails, r.People...)
		}
		for _, o := range d.Overrides {
			emails = append(emails, o.Person)
		}
		for _, c := range d.Calendars {
			for _, p := range c.People {
				emails = append(emails, p.Email)
			}
		}
	}
	for i := range emails {
		emails[i] = strings.ToLower(emails[i])
	}
	slices.Sort(emails)
	emails = slices.Compact(emails)
	return emails[:min(len(emails), maxLookedUp)]
}

// judgeIncidents judges whether the bot can open a space for an incident, as far as that can be known without making one.
func (b *bot) judgeIncidents(l *list) {
	if b.Listen == config.ListenOff {
		return
	}
	const name = "incidents"
	if b.me.Type == "bot" {
		l.ok(name, "a bot may make spaces, unless its organisation forbids it, which only the first `room` shows")
	} else {
		l.warning(name, "the spaces of incidents will be a person's, "+shown(b.me.Email()), "use a bot's token")
	}
	const duty = "people on duty"
	switch {
	case b.strangersErr != nil:
		l.warning(duty, "Webex doesn't say whether they exist: "+b.strangersErr.Error(), "")
	case len(b.strangers) > 0:
		l.warning(duty, "Webex knows nobody with the address "+text.Some(text.Names(b.strangers, func(email string) string { return text.Quoted(email, 100) }), 5)+": nobody can invite or mention them",
			"correct duty[].rota and overrides; a bot may not see people of other organisations")
	case b.onDuty > 0:
		l.ok(duty, fmt.Sprintf("Webex knows those whom the configuration names for the bot's rooms: %d", b.onDuty))
	}
}
