package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
)

// Filter is what a binding matches. The zero value matches everything.
type Filter struct {
	Severity config.SeverityMatch
	Host     string // glob, in any case
	Text     string // substring of the name, in any case
}

// Binding is a route that a person made in a chat. It only adds a room to those that the configuration gives a problem.
type Binding struct {
	Name   string // of its rule, as Target.Route: BindingName
	Room   string // config.PersonRoom or config.SpaceRoom, with what follows there
	Bot    string // of a space
	Email  string // the person whose rights count: the subscriber, or who bound the space
	Filter Filter
}

// BindingName returns the name of a binding's rule.
func BindingName(room string, id int64) string {
	if strings.HasPrefix(room, config.PersonRoom) {
		return fmt.Sprint(config.SubscriptionRule, id)
	}
	return fmt.Sprint(config.BindingRule, id)
}

// binding is a compiled binding that doesn't rest.
type binding struct {
	Binding
	conditions []condition
	rights     rights
}

// rights are which problems a person may see, by the rooms that these go to.
type rights struct {
	all   bool            // whatever the rooms
	rooms map[string]bool // configured rooms in which the person is a viewer, at least
}

func (r rights) see(rooms []string) bool {
	return r.all || slices.ContainsFunc(rooms, func(room string) bool { return r.rooms[room] })
}

func (r *Router) rightsOf(email string) rights {
	people := []string{email}
	own := rights{rooms: map[string]bool{}}
	if !r.cfg.Allowed(email) {
		return own
	}
	own.all = r.cfg.RoleOf(people, "").AtLeast(config.RoleViewer)
	for _, room := range r.cfg.Rooms {
		if r.cfg.RoleOf(people, room.Name).AtLeast(config.RoleViewer) {
			own.rooms[room.Name] = true
		}
	}
	return own
}

// With returns a router with these bindings instead of its own. faulty is called for each that can't be compiled.
func (r *Router) With(bindings []Binding, faulty func(b Binding, err error)) *Router {
	next := *r
	next.bindings, next.rights = nil, make(map[string]rights, len(r.rights))
	for _, b := range bindings {
		if !next.Rests(b).IsZero() {
			continue
		}
		conditions, err := compileFilter(b.Filter)
		if err != nil {
			faulty(b, err)
			continue
		}
		own, known := r.rights[b.Email] // reading the rights of a thousand people takes a while
		if !known {
			if own, known = next.rights[b.Email]; !known {
				own = r.rightsOf(b.Email)
			}
		}
		next.rights[b.Email] = own
		next.bindings = append(next.bindings, binding{b, conditions, own})
	}
	slices.SortStableFunc(next.bindings, func(a, b binding) int { return cmp.Compare(a.Room, b.Room) })
	return &next
}

func compileFilter(f Filter) (out []condition, err error) {
	if len(f.Severity.Set) > 0 {
		out = append(out, severityIs{f.Severity})
	}
	if f.Host != "" {
		glob, err := config.ParseGlob(f.Host)
		if err != nil {
			return nil, err
		}
		out = append(out, hostMatches([]config.Glob{glob}))
	}
	if f.Text != "" {
		out = append(out, textIs{f.Text, strings.ToLower(f.Text)})
	}
	return out, nil
}

// Rests says why a binding adds nothing by this configuration; none if it doesn't rest.
func (r *Router) Rests(b Binding) lang.Phrase {
	switch key, space := strings.CutPrefix(b.Room, config.SpaceRoom); {
	case !r.cfg.Allowed(b.Email):
		return lang.Say("%s isn't in an allowed domain", b.Email)
	case !space && r.cfg.RoleOf([]string{b.Email}, "") == "" && !slices.ContainsFunc(r.cfg.Rooms, func(room config.Room) bool { return r.cfg.RoleOf([]string{b.Email}, room.Name) != "" }):
		return lang.Say("%s has no role", b.Email)
	case !space:
		return lang.Phrase{}
	case r.byID[key] != "":
		return lang.Say("the configuration names this room: %s", r.byID[key])
	case !r.vouches(b.Email):
		return lang.Say("%s isn't an admin everywhere", b.Email)
	}
	if _, ok := r.cfg.Bot(b.Bot); !ok {
		return lang.Say("the bot %s isn't configured any more", b.Bot)
	}
	return lang.Phrase{}
}

// vouches reports whether a person may have a space bound.
func (r *Router) vouches(email string) bool {
	return r.cfg.Allowed(email) && r.cfg.RoleOf([]string{email}, "").AtLeast(config.RoleAdmin)
}

// Withheld says why a person gets nothing about a problem that goes to these rooms, by a rule; "" if they do. Without a rule it is about
// a message with several problems.
func (r *Router) Withheld(email, rule string, rooms []string) string {
	if !r.cfg.Allowed(email) {
		return "the person isn't in an allowed domain any more"
	}
	if !config.MadeInChat(rule) {
		return ""
	}
	own, known := r.rights[email]
	if !known {
		own = r.rightsOf(email)
	}
	if own.see(rooms) {
		return ""
	}
	return "the person has no role any more in a room of the problem"
}

// bound adds the rooms of the bindings that match to the targets of the configuration.
func (r *Router) bound(targets []Target, s *subject, steps *[]Step) []Target {
	rooms := make([]string, len(targets))
	for i, t := range targets {
		rooms[i] = t.Room
	}
	last := ""
	for i := range r.bindings {
		b := &r.bindings[i]
		if b.Room == last || failing(b.conditions, s) != nil || !b.rights.see(rooms) {
			continue
		}
		last = b.Room
		if !slices.Contains(rooms, b.Room) {
			targets = append(targets, Target{Room: b.Room, Route: b.Name})
		}
		if steps != nil {
			reasons := append(reasons(b.conditions, s), lang.Say("%s may see it", b.Email))
			*steps = append(*steps, Step{Route: b.Name, Matched: true, Reason: lang.Join(reasons, "; "), Rooms: []string{b.Room}})
		}
	}
	return targets
}

// textIs holds for problems with a text in their name.
type textIs struct{ text, lower string }

func (c textIs) holds(s *subject) bool { return strings.Contains(s.name(), c.lower) }

func (c textIs) why(s *subject, held bool) lang.Phrase {
	if held {
		return lang.Say("its name has %s", quoted(c.text))
	}
	return lang.Say("its name %s doesn't have %s", quoted(s.problem.Name), quoted(c.text))
}
