package config

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/text"
)

// Duty is a schedule of who is on duty: a rota, or calendars.
type Duty struct {
	// Name of the schedule, for the keys `duty` of rooms and routes.
	Name string `yaml:"name" validate:"required,name"`
	// Time zone of the rota and the overrides, and of times without one in the calendars. Default: the top-level time_zone.
	TimeZone TimeZone `yaml:"time_zone"`
	// People who take turns. Several entries add up: a night shift and a day shift, or a second layer.
	Rota []Rota `yaml:"rota" validate:"dive"`
	// Calendars whose events are shifts.
	Calendars []Calendar `yaml:"calendar" validate:"max=5,dive"`
	// Who stands in for everybody else of a layer for a while. Of overlapping overrides the last one counts.
	Overrides []Override `yaml:"overrides" validate:"dive"`
}

// DefaultLayer is the layer of shifts that name none.
const DefaultLayer = "primary"

// Rota is people who take turns.
type Rota struct {
	// Layer of these people: a name such as primary or secondary.
	Layer string `yaml:"layer" validate:"name"`
	// E-mail addresses, in the order of their turns.
	People []string `yaml:"people" validate:"min=1,max=100,dive,email"`
	// When the first person's first turn begins, such as 2026-01-05 09:00. Before it nobody is on duty.
	Start LocalTime `yaml:"start" validate:"required"`
	// How long a turn lasts, 1h to 365d, in whole minutes by the clock on the wall: hand-over stays at 09:00 when clocks change. Default: 7d.
	Every Duration `yaml:"every" validate:"least=1h,most=365d"`
	// Weekdays and hours in which there is duty. Default: always.
	When []When `yaml:"when" validate:"max=50,dive"`
}

// Calendar is an iCalendar file whose events are shifts.
type Calendar struct {
	// Its address: https://, http:// or webcal://. Most addresses of this kind contain a secret, so prefer url_file or url_env.
	URL string `yaml:"url"`
	// Its address, from a secret file or the environment.
	Secret Secret `yaml:"url"`
	// A local file instead of an address.
	File string `yaml:"file"`
	// How often it is read, 1m to 1d. Default: 15m.
	Refresh Duration   `yaml:"refresh" validate:"least=1m,most=1d"`
	HTTP    HTTPClient `yaml:",inline"`
	// Layer of events that name none.
	Layer string `yaml:"layer" validate:"name"`
	// Other layers that events may name: by a category, or by the first word of the title ("secondary: Alice").
	Layers []string `yaml:"layers" validate:"max=20,dive,name"`
	// The people whom events name by something other than their e-mail address.
	People []Called `yaml:"people" validate:"max=1000,dive"`
}

// Called is somebody whom a calendar calls by a name.
type Called struct {
	// The name, as in the event's title or as the guest's name. Upper and lower case are alike.
	Name string `yaml:"name" validate:"required,label"`
	// E-mail address of the person, as in Webex.
	Email string `yaml:"email" validate:"required,email"`
}

// Override puts one person on duty for a while.
type Override struct {
	// Layer in which the person stands in.
	Layer string `yaml:"layer" validate:"name"`
	// When it begins, such as 2026-12-24 09:00.
	From LocalTime `yaml:"from" validate:"required"`
	// When it ends.
	Until LocalTime `yaml:"until" validate:"required"`
	// E-mail address of the person.
	Person string `yaml:"person" validate:"required,email"`
}

// Address returns the calendar's address; "" for a file. It is a secret.
func (c Calendar) Address() string {
	address := cmp.Or(c.Secret.Reveal(), c.URL)
	if rest, ok := strings.CutPrefix(address, "webcal://"); ok {
		return "https://" + rest
	}
	return address
}

// Layers returns the names of the schedule's layers, in the order in which they are mentioned.
func (d Duty) Layers() []string {
	var names []string
	for _, r := range d.Rota {
		names = append(names, r.Layer)
	}
	for _, c := range d.Calendars {
		names = append(append(names, c.Layer), c.Layers...)
	}
	for _, o := range d.Overrides {
		names = append(names, o.Layer)
	}
	return distinct(names)
}

// ScheduleIn returns the name of the schedule that a route's escalations use in a room: the route's own, or else the room's; "" for none.
func (r Route) ScheduleIn(room Room) string { return cmp.Or(r.Duty, room.Duty) }

// Schedule finds a schedule of duty by its name.
func (c *Config) Schedule(name string) (Duty, bool) {
	return find(c.Duty, func(d Duty) bool { return d.Name == name })
}

// DutyLayer returns the layer whose people a mention stands for: "duty" or "duty:LAYER".
func DutyLayer(mention string) (layer string, ok bool) {
	if mention == "duty" {
		return DefaultLayer, true
	}
	return strings.CutPrefix(mention, "duty:")
}

// LocalTime is a date, and the time of a clock on a wall. The zero value is none.
type LocalTime struct {
	text string
	wall time.Time // as if it were UTC
}

var localPattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:00)?)?$`)

// ParseLocalTime reads "2026-01-05 09:00"; without a time it is midnight.
func ParseLocalTime(written string) (LocalTime, error) {
	trimmed := strings.Replace(strings.TrimSpace(written), "T", " ", 1)
	if localPattern.MatchString(trimmed) {
		for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", time.DateOnly} {
			if wall, err := time.Parse(layout, trimmed); err == nil {
				return LocalTime{trimmed, wall}, nil
			}
		}
	}
	return LocalTime{}, invalid(fmt.Sprintf("%q is not a date with a time", written), "such as 2026-01-05 09:00, without a zone: that is time_zone")
}

// Wall returns the time as if it were UTC.
func (t LocalTime) Wall() time.Time { return t.wall }

// IsZero reports whether there is none.
func (t LocalTime) IsZero() bool { return t.text == "" }

// String returns it as it was written.
func (t LocalTime) String() string { return t.text }

// completeDuty fills in what depends on other keys.
func (l *loader) completeDuty(cfg *Config) {
	for i := range cfg.Duty {
		d, path := &cfg.Duty[i], at("duty", i)
		d.TimeZone = orZone(d.TimeZone, cfg.TimeZone)
		for j := range d.Rota {
			r := &d.Rota[j]
			r.Layer = cmp.Or(r.Layer, DefaultLayer)
			if !l.given(at(path+".rota", j) + ".every") {
				r.Every = Duration(7 * day)
			}
			for k := range r.People {
				r.People[k] = normalAddress(r.People[k])
			}
			for k := range r.When {
				r.When[k].TimeZone = orZone(r.When[k].TimeZone, d.TimeZone)
			}
		}
		for j := range d.Calendars {
			c, path := &d.Calendars[j], at(path+".calendar", j)
			c.File, c.HTTP.CAFile, c.Layer = l.resolve(c.File), l.resolve(c.HTTP.CAFile), cmp.Or(c.Layer, DefaultLayer)
			if !l.given(path + ".refresh") {
				c.Refresh = Duration(15 * time.Minute)
			}
			if !l.given(path + ".timeout") {
				c.HTTP.Timeout = Duration(20 * time.Second)
			}
			for k := range c.People {
				c.People[k].Email = normalAddress(c.People[k].Email)
			}
		}
		for j := range d.Overrides {
			o := &d.Overrides[j]
			o.Layer, o.Person = cmp.Or(o.Layer, DefaultLayer), normalAddress(o.Person)
		}
	}
}

// secretsOfDuty reads the addresses of the calendars.
func (l *loader) secretsOfDuty(cfg *Config) {
	for i := range cfg.Duty {
		for j := range cfg.Duty[i].Calendars {
			cfg.Duty[i].Calendars[j].Secret = l.secret(at(at("duty", i)+".calendar", j)+".url", "", "", false)
		}
	}
}

func (l *loader) checkDuty(cfg *Config) {
	names := uses{}
	for i, d := range cfg.Duty {
		path := at("duty", i)
		l.uniqueName(names, path+".name", d.Name, "schedule")
		switch {
		case l.faultedBelow(path):
		case len(d.Rota)+len(d.Calendars) == 0:
			l.fault(path, "has neither rota nor calendar", "rota: [{people: [alice@example.com], start: 2026-01-05 09:00}], or calendar: [{url_file: FILE}]")
		case len(d.Rota) > 0 && len(d.Calendars) > 0:
			l.fault(path, "has both rota and calendar", "one schedule for each")
		}
		for j, r := range d.Rota {
			path := at(path+".rota", j)
			for k, email := range r.People {
				l.mustBeAllowed(cfg, at(path+".people", k), email)
			}
			if time.Duration(r.Every)%time.Minute != 0 && !l.faulted(path+".every") {
				l.fault(path+".every", fmt.Sprintf("must be whole minutes, got %s", r.Every), "such as 7d or 12h")
			}
		}
		for j := range d.Calendars {
			l.checkCalendar(cfg, at(path+".calendar", j), &cfg.Duty[i].Calendars[j])
		}
		l.checkOverrides(cfg, path+".overrides", d)
	}
	for i, r := range cfg.Rooms {
		l.scheduleExists(cfg, at("rooms", i)+".duty", r.Duty)
	}
}

func (l *loader) checkCalendar(cfg *Config, path string, c *Calendar) {
	c.HTTP.CA = l.authority(path+".ca_file", c.HTTP.CAFile)
	given := 0
	for _, has := range []bool{c.URL != "", len(l.refs[path+".url"]) > 0, c.File != ""} {
		if has {
			given++
		}
	}
	switch u, err := url.Parse(c.Address()); {
	case l.faultedBelow(path):
	case given == 0:
		l.fault(path, "has no address", "url_file or url_env (most addresses contain a secret), url, or file")
	case given > 1:
		l.fault(path, "has more than one address", "one of url, url_file, url_env and file; several calendars are several entries")
	case c.Address() == "": // a file, or a secret that is elsewhere
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		l.fault(cmp.Or(l.calendarKey(path), path+".url"), "isn't the address of a calendar", "https://, http:// or webcal://") // perhaps a secret: not shown
	default:
		l.clearTextOf(path+".url", c.Address())
	}
	for i, p := range c.People {
		l.mustBeAllowed(cfg, at(path+".people", i)+".email", p.Email)
	}
	called := uses{}
	for i, p := range c.People {
		l.uniqueName(called, at(path+".people", i)+".name", p.Name, "name")
	}
}

// calendarKey is the key that the secret address was given with; "" if it was given as url.
func (l *loader) calendarKey(path string) string {
	if refs := l.refs[path+".url"]; len(refs) > 0 {
		return refs[0].key
	}
	return ""
}

// clearTextOf warns about an address with a secret that is sent unencrypted.
func (l *loader) clearTextOf(path, address string) {
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" && !text.Loopback(u.Hostname()) {
		l.warn(cmp.Or(l.calendarKey(strings.TrimSuffix(path, ".url")), path), "the calendar is read unencrypted: anybody on the way can change who is on duty", "use https://")
	}
}

func (l *loader) checkOverrides(cfg *Config, path string, d Duty) {
	layers := (Duty{Rota: d.Rota, Calendars: d.Calendars}).Layers()
	for i, o := range d.Overrides {
		list, path := path, at(path, i)
		l.mustBeAllowed(cfg, path+".person", o.Person)
		if len(layers) > 0 {
			l.exists(path+".layer", o.Layer, "layer", "duty", layers)
		}
		if l.faultedBelow(path) {
			continue
		}
		if !o.Until.wall.After(o.From.wall) {
			l.fault(path+".until", fmt.Sprintf("must be after from, %s, got %s", o.From, o.Until), "")
			continue
		}
		for j, other := range d.Overrides[:i] {
			if other.Layer == o.Layer && o.From.wall.Before(other.Until.wall) && other.From.wall.Before(o.Until.wall) {
				l.warn(path, fmt.Sprintf("overlaps the override on line %d", l.line(at(list, j))), "the last one in the list counts")
			}
		}
	}
}

func (l *loader) mustBeAllowed(cfg *Config, path, email string) {
	if email != "" && !l.faulted(path) && !cfg.Allowed(email) {
		l.fault(path, fmt.Sprintf("%s is not in an allowed domain", email), "add the domain to allowed_domains, or the person to people")
	}
}

func (l *loader) scheduleExists(cfg *Config, path, name string) {
	if name != "" {
		l.exists(path, name, "schedule", "duty", text.Names(cfg.Duty, func(d Duty) string { return d.Name }))
	}
}

// checkDutyLayer checks a layer that a step of a route asks for: each room of the route needs a schedule with that layer.
func (l *loader) checkDutyLayer(cfg *Config, path string, r Route, layer string) {
	if l.faulted(path) || l.faultedAround("duty") || l.faultedAround("rooms") {
		return
	}
	for _, room := range r.Rooms {
		settings, _ := cfg.Room(room)
		name := r.ScheduleIn(settings)
		d, ok := cfg.Schedule(name)
		switch {
		case name == "" && r.Duty == "":
			l.fault(path, fmt.Sprintf("room %s has no schedule of duty", room), "duty: NAME on the room or on this route, with a schedule of that name under the top-level duty")
			return
		case ok && !slices.Contains(d.Layers(), layer):
			l.exists(path, layer, "layer of "+name, "duty", d.Layers())
			return
		}
	}
}
