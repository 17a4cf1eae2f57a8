// Package config turns a YAML file, the environment and secret files into a
// validated Config. Every fault is reported at once, with line and path.
package config

import "nms-alert-relay/internal/alert"

// Config is everything that can be configured: section 16 of the design. A
// Config that Load returned is valid and has its defaults filled in.
type Config struct {
	Server         Server    `yaml:"server"`
	Store          Store     `yaml:"store"`
	Webex          Webex     `yaml:"webex"`
	Zabbix         []Source  `yaml:"zabbix" validate:"dive"`
	Rooms          []Room    `yaml:"rooms" validate:"min=1,dive"`
	Routes         []Route   `yaml:"routes" validate:"dive"`
	DefaultRooms   []string  `yaml:"default_rooms" validate:"min=1"`
	People         []Person  `yaml:"people" validate:"dive"`
	AllowedDomains []string  `yaml:"allowed_domains" validate:"dive,domain"` // without it: the domains that people names
	Notify         []Notify  `yaml:"notify" validate:"dive"`
	Storm          Storm     `yaml:"storm"`
	Flapping       Flapping  `yaml:"flapping"`
	Command        Command   `yaml:"command"`
	Reconcile      Reconcile `yaml:"reconcile"`
	Retention      Retention `yaml:"retention"`
	Delivery       Delivery  `yaml:"delivery"`
	Templates      Templates `yaml:"templates"`
	TimeZone       TimeZone  `yaml:"time_zone"` // of rooms and routes that name none; UTC by default
	Log            Log       `yaml:"log"`

	// File is where the configuration was read from; relative paths in it are
	// relative to its directory, and are resolved here already.
	File string `yaml:"-"`
	// Warnings are what is allowed and yet looks wrong.
	Warnings Faults `yaml:"-"`
}

// Server is the relay's two listeners.
type Server struct {
	Listen      string `yaml:"listen" validate:"address"`                   // events, notices, Webex webhooks
	AdminListen string `yaml:"admin_listen" validate:"address"`             // /metrics /healthz /readyz, the admin API: on loopback by default
	PublicURL   string `yaml:"public_url" validate:"omitempty,service_url"` // how Webex and browsers reach Listen; no trailing slash
	TLS         TLS    `yaml:"tls"`                                         // of Listen
}

// TLS is a listener's certificate; both empty means plain HTTP.
type TLS struct {
	CertFile string `yaml:"cert_file" validate:"required_with=KeyFile"`
	KeyFile  string `yaml:"key_file" validate:"required_with=CertFile"`
}

// Store is where events are kept.
type Store struct {
	Driver string `yaml:"driver" validate:"oneof=sqlite"`
	Path   string `yaml:"path"` // of the SQLite file; relative to the config file
}

// HTTPClient is how a neighbour is reached.
type HTTPClient struct {
	ProxyURL ProxyURL `yaml:"proxy_url" validate:"omitempty,proxy_url"` // http:// or https://; empty: HTTPS_PROXY and NO_PROXY count
	CAFile   string   `yaml:"ca_file"`                                  // PEM, added to the system's authorities
	Timeout  Duration `yaml:"timeout" validate:"least=100ms,most=10m"`  // of one call
}

// Webex is the chat.
type Webex struct {
	APIURL string     `yaml:"api_url" validate:"service_url"`
	U2CURL string     `yaml:"u2c_url" validate:"service_url"` // where the websocket's services will be looked up: nothing reads it yet
	HTTP   HTTPClient `yaml:",inline"`
	Bots   []Bot      `yaml:"bots" validate:"min=1,dive"`
}

// Listen is how a bot hears its rooms.
type Listen string

// The ways to hear a room.
const (
	ListenWebhook   Listen = "webhook"
	ListenWebsocket Listen = "websocket"
	ListenOff       Listen = "off"
)

// Bot is one Webex bot account.
type Bot struct {
	Name   string `yaml:"name" validate:"required,name"`
	Token  Secret `yaml:"token"`                                         // token_file, token_env
	Listen Listen `yaml:"listen" validate:"oneof=webhook websocket off"` // webhook where there is a public_url, else off; websocket doesn't work yet
}

// Source is one Zabbix installation.
type Source struct {
	Name     string     `yaml:"name" validate:"required,name"`
	URL      string     `yaml:"url" validate:"required,service_url"` // the frontend's base URL; no trailing slash
	APIToken Secret     `yaml:"api_token"`                           // api_token_file, api_token_env; without it no commands
	Secrets  []Secret   `yaml:"secret"`                              // secret_file, secret_env: one, or a list while they rotate
	TimeZone TimeZone   `yaml:"time_zone"`                           // of the receiving Zabbix user; derived from each payload by default
	SendTo   SendTo     `yaml:"send_to" validate:"oneof=add only ignore"`
	HTTP     HTTPClient `yaml:",inline"`
}

// SendTo is what {ALERT.SENDTO} does to the rooms that routes found.
type SendTo string

// What {ALERT.SENDTO} does: it adds its room, replaces the routes', or nothing.
const (
	SendToAdd    SendTo = "add"
	SendToOnly   SendTo = "only"
	SendToIgnore SendTo = "ignore"
)

// SendToRoutes is the {ALERT.SENDTO} that leaves it to the routes: Zabbix wants something in that field. No room may be
// called so.
const SendToRoutes = "routes"

// Presentation is how a problem looks in a room: section 9 of the design.
type Presentation string

// The presentations.
const (
	PresentThread Presentation = "thread"
	PresentCard   Presentation = "card"
	PresentLine   Presentation = "line"
)

// PersonRoom begins the name of a room that isn't configured: the direct chat
// with a person whom {ALERT.SENDTO} names, "person:alice@example.com". Posts are kept under it.
const PersonRoom = "person:"

// Room is one Webex space, or a direct chat with a person.
type Room struct {
	Name         string       `yaml:"name" validate:"required,name"`
	ID           string       `yaml:"id" validate:"required,room_id"`
	Bot          string       `yaml:"bot"`       // the first bot by default
	TimeZone     TimeZone     `yaml:"time_zone"` // Config.TimeZone by default
	Presentation Presentation `yaml:"presentation" validate:"oneof=thread card line"`
	Storm        *Storm       `yaml:"storm"`    // Config.Storm where a key is absent; Load always sets it
	Flapping     *Flapping    `yaml:"flapping"` // likewise
	Quiet        *Quiet       `yaml:"quiet"`    // nil: it has no quiet hours
}

// Quiet is when a room hears of no new problems but severe ones. What still
// burns is told when the hours end.
type Quiet struct {
	When  []When         `yaml:"when" validate:"min=1,dive"` // in the room's time zone by default
	Below alert.Severity `yaml:"below"`                      // disaster by default: disasters are always told
}

// Match is what a route asks of a problem. An empty condition holds; every
// condition given must hold; within a list one must (of tags, none of those with
// an exclamation mark besides). Names and globs ignore case.
type Match struct {
	Sources  []string       `yaml:"sources"`
	Hosts    []string       `yaml:"hosts" validate:"dive,glob"`  // globs over the technical or the visible name
	Groups   []string       `yaml:"groups" validate:"dive,glob"` // globs
	Severity SeverityMatch  `yaml:"severity"`
	Tags     []string       `yaml:"tags" validate:"dive,tag"`             // "tag", "tag=value", value a glob; "!tag" for absent
	Trigger  string         `yaml:"trigger" validate:"omitempty,pattern"` // regexp (RE2) over the problem's name
	Origins  []alert.Origin `yaml:"origins" validate:"dive,oneof=trigger discovery autoregistration internal service"`
	When     []When         `yaml:"when" validate:"dive"`
}

// When is a span of the week in a time zone: {days: [mon-fri], hours: 08:00-18:00}.
type When struct {
	Days     []string `yaml:"days" validate:"dive,days"`        // every day by default
	Hours    string   `yaml:"hours" validate:"omitempty,hours"` // may cross midnight: 22:00-06:00 belongs to the day it begins
	TimeZone TimeZone `yaml:"time_zone"`                        // Config.TimeZone by default
}

// SeverityMatch is a set of severities, written ">=high", "high" or a list;
// empty matches all.
type SeverityMatch struct {
	Set map[alert.Severity]bool
}

// Has says whether s is matched.
func (m SeverityMatch) Has(s alert.Severity) bool { return len(m.Set) == 0 || m.Set[s] }

// Route is one rule. The first that matches wins, unless it says continue.
type Route struct {
	Name         string       `yaml:"name" validate:"label"` // "route 1", … by default
	Match        Match        `yaml:"match"`
	Rooms        []string     `yaml:"rooms" validate:"min=1"`
	Continue     bool         `yaml:"continue"`
	Presentation Presentation `yaml:"presentation" validate:"omitempty,oneof=thread card line"`                                                            // the room's by default
	Templates    string       `yaml:"templates"`                                                                                                           // a directory that overrides templates.dir
	Tell         []string     `yaml:"tell" validate:"dive,oneof=opened acknowledged commented severity suppressed closed ranked other resolved cancelled"` // timeline kinds told in the thread; all by default
	Delay        Duration     `yaml:"delay" validate:"least=0s,most=1d"`                                                                                   // what is over sooner isn't told
	Remind       Duration     `yaml:"remind" validate:"omitempty,least=1m,most=30d"`                                                                       // every so often, unless acknowledged, suppressed or over; 0: never
	Escalate     []Escalation `yaml:"escalate" validate:"dive"`                                                                                            // by After
	Line         int          `yaml:"-"`                                                                                                                   // in the file
}

// Escalation is one step: what is done about a problem that nobody acknowledged,
// counted from when the route's rooms were told.
type Escalation struct {
	After   Duration `yaml:"after" validate:"required,least=1s,most=7d"`
	Rooms   []string `yaml:"rooms"`   // they get the problem too
	Mention []string `yaml:"mention"` // e-mail addresses, or "all": mentioned in every room that is told of the step
}

// Role is what somebody may do: viewer < operator < admin.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// AtLeast says whether r includes what other may do. The empty role is nobody's.
func (r Role) AtLeast(other Role) bool { return r.rank() >= other.rank() && r.rank() > 0 }

func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleOperator:
		return 2
	case RoleAdmin:
		return 3
	}
	return 0
}

// Person gives a role to an address or to everybody of a domain.
type Person struct {
	Email  string   `yaml:"email" validate:"omitempty,email"`
	Domain string   `yaml:"domain" validate:"omitempty,domain"` // exactly: example.com isn't mail.example.com
	Role   Role     `yaml:"role" validate:"required,oneof=viewer operator admin"`
	Rooms  []string `yaml:"rooms"` // everywhere by default
}

// Notify is one sender of the notify API.
type Notify struct {
	Name    string   `yaml:"name" validate:"required,name"`
	Token   Secret   `yaml:"token"` // token_file, token_env
	Rooms   []string `yaml:"rooms"`
	Persons bool     `yaml:"persons"` // may write to people directly
}

// Storm is when a room's posts are gathered into a digest.
type Storm struct {
	Threshold  int            `yaml:"threshold" validate:"min=1,max=100000"` // posts behind
	Window     Duration       `yaml:"window" validate:"least=0s,most=1h"`    // of sending time behind
	Individual alert.Severity `yaml:"individual"`                            // from this severity on always posts of their own
}

// Flapping is when the openings of one trigger are told in one message.
type Flapping struct {
	Count  Times    `yaml:"count"`                              // the how-manieth opening within the window is the first that is; 0: never
	Window Duration `yaml:"window" validate:"least=1s,most=1d"` // and how long the trigger must be quiet to be told as usual again
}

// Command is how commands are done.
type Command struct {
	Expiry Duration `yaml:"expiry" validate:"least=1s,most=7d"` // how long a command is tried again while Zabbix is away
}

// Reconcile is how often Zabbix is asked which problems are suppressed. Nothing reads MaxAge yet.
type Reconcile struct {
	Interval Duration `yaml:"interval" validate:"least=1s,most=1d"`
	MaxAge   Duration `yaml:"max_age" validate:"least=0s"` // an older problem isn't told as new
}

// Retention is how long things are kept.
type Retention struct {
	Journal  Duration `yaml:"journal" validate:"least=1s"`  // applied entries
	Problems Duration `yaml:"problems" validate:"least=1s"` // resolved ones and their posts
	Audit    Duration `yaml:"audit" validate:"least=1s"`
}

// Delivery is how posts are sent.
type Delivery struct {
	Workers    int      `yaml:"workers" validate:"min=1,max=64"`         // calls in flight for each bot
	RateLimit  float64  `yaml:"rate_limit" validate:"gt=0,max=1000"`     // calls a second for each bot to begin with; it adapts
	Debounce   Duration `yaml:"debounce" validate:"least=0s,most=10m"`   // changes this close together share one edit
	OrphanWait Duration `yaml:"orphan_wait" validate:"least=0s,most=1d"` // how long an update waits for its problem
}

// Templates is where messages come from.
type Templates struct {
	Dir string `yaml:"dir"` // files here override the built-in templates of the same name
}

// Log is what the relay writes to standard error.
type Log struct {
	Level  string `yaml:"level" validate:"oneof=debug info warn error"` // debug, info, warn, error
	Format string `yaml:"format" validate:"oneof=text json"`            // text or json
}
