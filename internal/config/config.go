// Package config turns a YAML file, the environment and secret files into a
// validated Config. Every fault is reported at once, with line and path.
package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net/http"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/seal"
)

// Config is everything that can be configured. A Config that Read returned is valid and has its defaults filled in.
//
// Each field's comment is the description of its key in the JSON Schema (see Schema).
type Config struct {
	// The relay's two listeners.
	Server Server `yaml:"server"`
	// Where events, problems and messages are stored.
	Store Store `yaml:"store"`
	// Webex and the bots that the relay uses.
	Webex Webex `yaml:"webex"`
	// The Zabbix installations whose events are accepted. Each is a source.
	Zabbix []Source `yaml:"zabbix" validate:"dive"`
	// The Webex rooms that the relay posts to.
	Rooms []Room `yaml:"rooms" validate:"min=1,dive"`
	// Which problem goes to which rooms: from top to bottom, the first match wins unless it has `continue: true`.
	Routes []Route `yaml:"routes" validate:"dive"`
	// Rooms for problems that no route matches.
	DefaultRooms []string `yaml:"default_rooms" validate:"min=1"`
	// Who may do what in the rooms. Without it nobody can act on a problem.
	People []Person `yaml:"people" validate:"dive"`
	// Domains of the people that the relay listens to; all others are ignored silently. Default: the domains in `people`.
	AllowedDomains []string `yaml:"allowed_domains" validate:"dive,domain"`
	// Senders that may use the notify API.
	Notify []Notify `yaml:"notify" validate:"dive"`
	// Scripts of Zabbix's that people may run on a host from a room. Without it none can be run.
	Scripts []Script `yaml:"scripts" validate:"dive"`
	// Requests to other systems (a ticket system, AWX, Rundeck) that people may make about a problem, by a button or by `do NAME`.
	Actions []Action `yaml:"actions" validate:"dive"`
	// Schedules of who is on duty, for mentions and escalations.
	Duty []Duty `yaml:"duty" validate:"dive"`
	// Signs of life that senders give by POST /v1/heartbeat/NAME. A missing one is reported in its rooms.
	Heartbeats []Heartbeat `yaml:"heartbeats" validate:"dive"`
	// A message that is posted, read back and deleted on a schedule, to prove that the chain from the journal to a room works.
	Canary Canary `yaml:"canary"`
	// When a room's new problems are collected in one message, a digest.
	Storm Storm `yaml:"storm"`
	// When the repeated openings of one trigger share one message.
	Flapping Flapping `yaml:"flapping"`
	// How commands from rooms are executed.
	Command Command `yaml:"command"`
	// Rooms that people open for an incident with `room`.
	Incident Incident `yaml:"incident"`
	// Encryption of what people entrust to the relay: their own Zabbix API tokens. Without it they can't.
	Encryption Encryption `yaml:"encryption"`
	// Polling Zabbix for changes that it doesn't send.
	Reconcile Reconcile `yaml:"reconcile"`
	// How long data is kept.
	Retention Retention `yaml:"retention"`
	// How messages are sent, per bot.
	Delivery Delivery `yaml:"delivery"`
	// Message templates.
	Templates Templates `yaml:"templates"`
	// Time zone of rooms and routes that set none: an IANA name such as Europe/Berlin.
	TimeZone TimeZone `yaml:"time_zone"`
	// Language of what the relay writes in rooms that set none, and in direct chats: en or de.
	Language lang.Lang `yaml:"language" validate:"oneof=en de"`
	// The relay's log, on standard error.
	Log Log `yaml:"log"`
	// OpenTelemetry traces. Off unless there is an endpoint. A change needs a restart.
	Tracing Tracing `yaml:"tracing" reload:"restart"`

	// File is where the configuration was read from. Relative paths in it are
	// relative to its directory; Read has resolved them already.
	File string `yaml:"-"`
	// Warnings are settings that are allowed and yet look wrong.
	Warnings Faults `yaml:"-"`
}

// Server is the relay's two listeners.
type Server struct {
	// Address for Zabbix's events, the notify API and Webex's webhooks: host:port, or :port for every interface. A change needs a restart.
	Listen string `yaml:"listen" validate:"address" reload:"restart"`
	// Address for /metrics, /healthz, /readyz and the admin API. Anything but loopback requires admin_token_file, a client_ca_file in admin_tls, or admin_insecure. A change needs a restart.
	AdminListen string `yaml:"admin_listen" validate:"address" reload:"restart"`
	// Bearer token that the admin listener requires, except for /healthz and /readyz. Several during a rotation: all are accepted.
	AdminTokens []Secret `yaml:"admin_token"`
	// Whether everybody who reaches the admin listener may use it, although it isn't on loopback.
	AdminInsecure bool `yaml:"admin_insecure"`
	// URL at which Webex and browsers reach `listen`. Required for webhooks and for links in Zabbix's event menu.
	PublicURL string `yaml:"public_url" validate:"omitempty,service_url"`
	// Certificate of `listen`. Without it the listener speaks plain HTTP, for a proxy in front. Adding or removing it needs a restart.
	TLS TLS `yaml:"tls"`
	// Certificate of `admin_listen`. Adding or removing it needs a restart.
	AdminTLS TLS `yaml:"admin_tls"`
}

// TLS is a listener's certificate; all empty means plain HTTP.
type TLS struct {
	// PEM file with the certificate and its chain.
	CertFile string `yaml:"cert_file" validate:"required_with=KeyFile ClientCAFile"`
	// PEM file with the certificate's key.
	KeyFile string `yaml:"key_file" validate:"required_with=CertFile ClientCAFile"`
	// PEM file with the authorities of client certificates. `listen` then requires such a certificate from everybody; `admin_listen` accepts it instead of a token.
	ClientCAFile string `yaml:"client_ca_file"`

	// What the files contained when the configuration was read; nil without them.
	Certificate *tls.Certificate `yaml:"-"`
	ClientCAs   *x509.CertPool   `yaml:"-"`
}

// On reports whether the listener speaks TLS.
func (t TLS) On() bool { return t.CertFile != "" }

// Store is where events are kept.
type Store struct {
	// The kind of store. A change needs a restart.
	Driver string `yaml:"driver" validate:"oneof=sqlite" reload:"restart"`
	// The SQLite file, on a local disk. A relative path is relative to the configuration file. A change needs a restart.
	Path string `yaml:"path" reload:"restart"`
}

// HTTPClient is how Webex, a Zabbix or another neighbour is reached.
type HTTPClient struct {
	// HTTP or HTTPS proxy. Default: HTTPS_PROXY and NO_PROXY of the environment.
	ProxyURL ProxyURL `yaml:"proxy_url" validate:"omitempty,proxy_url"`
	// PEM file with certificate authorities to trust in addition to the system's.
	CAFile string `yaml:"ca_file"`
	CA     []byte `yaml:"-"` // the file's content when the configuration was read
	// Timeout of one call, 100ms to 10m.
	Timeout Duration `yaml:"timeout" validate:"least=100ms,most=10m"`
}

// Webex is the chat.
type Webex struct {
	// Webex's REST API.
	APIURL string `yaml:"api_url" validate:"service_url"`
	// Service catalog for `listen: websocket`. The default is Webex's, or the host of api_url if that isn't Webex's.
	U2CURL string     `yaml:"u2c_url" validate:"service_url"`
	HTTP   HTTPClient `yaml:",inline"`
	// The Webex bot accounts that the relay uses.
	Bots []Bot `yaml:"bots" validate:"min=1,dive"`
}

// Listen is how a bot receives messages and button presses.
type Listen string

// The ways to receive them.
const (
	ListenWebhook   Listen = "webhook"
	ListenWebsocket Listen = "websocket"
	ListenOff       Listen = "off"
)

// Bot is one Webex bot account.
type Bot struct {
	// Name of the bot in this file, in logs and in its webhook's address, /v1/webex/NAME.
	Name string `yaml:"name" validate:"required,name"`
	// The bot's access token.
	Token Secret `yaml:"token"`
	// How the bot receives messages and button presses: webhook (requires public_url), websocket, or off.
	Listen Listen `yaml:"listen" validate:"oneof=webhook websocket off"`
}

// Source is one Zabbix installation.
type Source struct {
	// Name of the source, as in main/4711.
	Name string `yaml:"name" validate:"required,name"`
	// The frontend's base URL; the API is at /api_jsonrpc.php below it.
	URL string `yaml:"url" validate:"required,service_url"`
	// The frontend's base URL for links in messages, if people reach it at another address than the relay. Default: url.
	LinkURL string `yaml:"link_url" validate:"omitempty,service_url"`
	// API token. Without it nobody can act from a room, what Zabbix's messages miss isn't found, and details that a payload lacks stay unknown.
	APIToken Secret `yaml:"api_token"`
	// Secret that this source signs its events with. Several during a rotation: all are accepted.
	Secrets []Secret `yaml:"secret"`
	// Time zone of the Zabbix user that receives the alerts; payloads carry times in it. Default: derived from each payload.
	TimeZone TimeZone `yaml:"time_zone"`
	// The effect of {ALERT.SENDTO}: add its rooms to the routes', use only them, or ignore it.
	SendTo SendTo     `yaml:"send_to" validate:"oneof=add only ignore"`
	HTTP   HTTPClient `yaml:",inline"`
	// PEM file with a client certificate and its chain, for a web server or proxy that requires one.
	CertFile string `yaml:"cert_file" validate:"required_with=KeyFile"`
	// PEM file with that certificate's key.
	KeyFile string `yaml:"key_file" validate:"required_with=CertFile"`
	// User and password for a web server or proxy before Zabbix. Up to Zabbix 7.0: later versions need the header Authorization for the API token.
	BasicAuth BasicAuth `yaml:"basic_auth"`
	// Headers sent with every call to the API, for a proxy before Zabbix.
	Headers []Header `yaml:"headers" validate:"dive"`

	// The client certificate as it was when the configuration was read; nil for none.
	Certificate *tls.Certificate `yaml:"-"`
}

// Links returns the address that links in messages lead to.
func (s Source) Links() string { return cmp.Or(s.LinkURL, s.URL) }

// Header returns the headers of calls to the API. Never log them or put them into an error.
func (s Source) Header() http.Header { return HeaderOf(s.Headers) }

// HeaderOf returns configured headers as net/http has them. Never log them or put them into an error.
func HeaderOf(headers []Header) http.Header {
	h := http.Header{}
	for _, each := range headers {
		h.Set(each.Name, cmp.Or(each.Value, each.Secret.Reveal()))
	}
	return h
}

// BasicAuth is a user and a password.
type BasicAuth struct {
	// The user's name.
	Username string `yaml:"username" validate:"excludesall=:"`
	// The user's password.
	Password Secret `yaml:"password"`
}

// Header is a header of a request.
type Header struct {
	// Name of the header. Authorization, Host, Content-Type, Content-Length and those of the connection can't be set.
	Name string `yaml:"name" validate:"required,header"`
	// Its value, unless that is a secret.
	Value string `yaml:"value" validate:"header_value"`
	// Its value, if that is a secret.
	Secret Secret `yaml:"value"`
}

// Role is what somebody may do: viewer < operator < admin.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// AtLeast reports whether r includes what other may do. The empty role may do nothing.
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

// Person gives a role to an address or to everybody in a domain.
type Person struct {
	// E-mail address of one person, as in Webex.
	Email string `yaml:"email" validate:"omitempty,email"`
	// Domain whose members all get the role. Subdomains don't count.
	Domain string `yaml:"domain" validate:"omitempty,domain"`
	// viewer may look; operator may also acknowledge, comment, change severity and close; admin may do everything.
	Role Role `yaml:"role" validate:"required,oneof=viewer operator admin"`
	// Rooms in which the role applies. Default: everywhere.
	Rooms []string `yaml:"rooms"`
}

// Notify is one sender of the notify API.
type Notify struct {
	// Name of the sender, for logs. A message's key counts per sender and room.
	Name string `yaml:"name" validate:"required,name"`
	// The sender's bearer token. Several during a rotation: all are accepted.
	Tokens []Secret `yaml:"token"`
	// Rooms that it may post to.
	Rooms []string `yaml:"rooms"`
	// Whether it may write to people directly.
	Persons bool `yaml:"persons"`
	// Whether its markdown may mention everybody in a room by <@all>.
	MentionAll bool `yaml:"mention_all"`
	// Largest file that it may send, in MiB; 0 for none. A file is stored until it is sent.
	MaxFileMiB int `yaml:"max_file_mib" validate:"min=0,max=32"`
	// Messages that it may send in a minute; 0 for no limit.
	PerMinute int `yaml:"per_minute" validate:"min=0"`
}

// Script is a script of Zabbix's that people may run from a room.
type Script struct {
	// Name of the script in commands: run NAME on HOST.
	Name string `yaml:"name" validate:"required,name"`
	// Name of the script in Zabbix, a "manual host action". Default: name.
	Script string `yaml:"script"`
	// Sources in which it may be run. Default: every source.
	Sources []string `yaml:"sources"`
	// The role that running and approving it takes.
	Role Role `yaml:"role" validate:"oneof=viewer operator admin"`
	// Whether a second person with the role must approve each run.
	Approval bool `yaml:"approval"`
}

// Action is a request to another system about a problem.
type Action struct {
	// Name of the action in commands: do NAME.
	Name string `yaml:"name" validate:"required,name"`
	// Words on its button, at most 40 characters. Default: name.
	Title string `yaml:"title" validate:"button"`
	// Address that the request goes to.
	URL string `yaml:"url" validate:"required,action_url"`
	// Method of the request.
	Method string `yaml:"method" validate:"oneof=POST PUT"`
	// Headers of the request.
	Headers []Header `yaml:"headers" validate:"dive"`
	// Bearer token for the endpoint.
	Token Secret `yaml:"token"`
	// User and password for the endpoint, instead of a bearer token.
	BasicAuth BasicAuth `yaml:"basic_auth"`
	// Secret that signs the request, as events are signed: X-Relay-Timestamp and X-Relay-Signature.
	Secret Secret `yaml:"secret"`
	// Template (Go text/template) of the body. Default: a JSON object with the problem and who asks.
	Body string `yaml:"body"`
	// Content type of the body. The template's texts are escaped for it.
	ContentType string `yaml:"content_type"`
	// Template over the JSON answer: what the reply says. Default: its key message, or the answer's beginning.
	Answer string `yaml:"answer"`
	// Template over the JSON answer: where the reply links to. Default: its key url or link.
	Link string `yaml:"link"`
	// The role that it takes in the problem's room.
	Role Role `yaml:"role" validate:"oneof=viewer operator admin"`
	// Conditions for the problems that it is for, as in a route. Default: every problem.
	Match ProblemMatch `yaml:"match"`
	// Whether the cards of such problems have a button for it.
	Button bool `yaml:"button"`
	// Whether a second person with the role must approve each request.
	Approval bool `yaml:"approval"`
	// Whether a request isn't repeated if its answer was lost: for an endpoint that doesn't recognise the id of a repetition.
	Once bool       `yaml:"once"`
	HTTP HTTPClient `yaml:",inline"`
}

// Heartbeat is a sign of life that a sender gives at an interval.
type Heartbeat struct {
	// Name of the heartbeat, in its address and in messages.
	Name string `yaml:"name" validate:"required,name"`
	// How often it comes, 10s to 31d.
	Interval Duration `yaml:"interval" validate:"required,least=10s,most=31d"`
	// How much later it may come, at most 31d. Default: a tenth of the interval, at least 10s.
	Grace Duration `yaml:"grace" validate:"least=0s,most=31d"`
	// Rooms that are told when it is missing. Default: default_rooms.
	Rooms []string `yaml:"rooms"`
}

// Canary is a proof that the chain from the journal to a room works.
type Canary struct {
	// How often the chain is proved, 1m to 1d. Default: never.
	Interval Duration `yaml:"interval" validate:"omitempty,least=1m,most=1d"`
	// The room that the message is in for a moment. Default: the first of default_rooms.
	Room string `yaml:"room"`
}

// Storm is when a room's posts are collected in a digest.
type Storm struct {
	// A digest starts when a room has more new problems than this to post.
	Threshold int `yaml:"threshold" validate:"min=1,max=100000"`
	// A digest also starts when posting would take longer than this at the current pace; 0s disables it.
	Window Duration `yaml:"window" validate:"least=0s,most=1h"`
	// Problems of this severity and above always get a message of their own.
	Individual alert.Severity `yaml:"individual"`
}

// Flapping is when the openings of one trigger share one message.
type Flapping struct {
	// How many times a trigger must open within the window to count as flapping; off disables it.
	Count Times `yaml:"count"`
	// The window, and how long a trigger must not open to stop flapping; 1s to 1d.
	Window Duration `yaml:"window" validate:"least=1s,most=1d"`
}

// Command is how commands are executed.
type Command struct {
	// How long a command is retried while Zabbix, or an action's endpoint, is unreachable, at most 7d.
	Expiry Duration `yaml:"expiry" validate:"least=1s,most=7d"`
}

// Encryption has the keys of what is stored encrypted.
type Encryption struct {
	// Key of 32 bytes as base64 text (openssl rand -base64 32). Several during a rotation: the first one encrypts, all of them decrypt.
	Keys []Secret `yaml:"keys"`
}

// Keyring returns the keys, which Read has validated.
func (e Encryption) Keyring() seal.Keys {
	var keys seal.Keys
	for _, s := range e.Keys {
		if k, err := seal.ParseKey(s.Reveal()); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// Incident is how incidents are run.
type Incident struct {
	// The roles that people can take, at most 6.
	Roles []string `yaml:"roles" validate:"max=6,dive,button"`
	// What is to be done in each incident, at most 10 items of at most 100 characters.
	Checklist []string `yaml:"checklist" validate:"max=10,dive,label"`
	// When people are reminded to post an update, since the last one. 1m to 1d. Default: never.
	UpdateEvery Duration `yaml:"update_every" validate:"omitempty,least=1m,most=1d"`
	// The review is posted when all problems have been resolved for so long, at most 1d.
	ReviewAfter Duration `yaml:"review_after" validate:"least=0s,most=1d"`
	// The incident closes so long after its review, if no problem comes again. At most 7d.
	CloseAfter Duration `yaml:"close_after" validate:"least=0s,most=7d"`
	// What becomes of the space then: `keep`, or `leave`, with which the bot leaves it. People keep it.
	OnClose string `yaml:"on_close" validate:"oneof=keep leave"`
}

// Reconcile is how Zabbix is asked for what its messages missed.
type Reconcile struct {
	// How often the open problems of each Zabbix with an API token are compared with those of the relay, 1s to 1d.
	Interval Duration `yaml:"interval" validate:"least=1s,most=1d"`
	// A problem that the relay didn't know and that opened longer ago is known, but not posted until it changes. 0s: none is posted.
	MaxAge Duration `yaml:"max_age" validate:"least=0s"`
}

// Retention is how long data is kept.
type Retention struct {
	// Applied events.
	Journal Duration `yaml:"journal" validate:"least=1s"`
	// Resolved problems and their posts.
	Problems Duration `yaml:"problems" validate:"least=1s"`
	// Commands: who did what.
	Audit Duration `yaml:"audit" validate:"least=1s"`
}

// Delivery is how posts are sent.
type Delivery struct {
	// Concurrent calls per bot.
	Workers int `yaml:"workers" validate:"min=1,max=64"`
	// Calls per second and bot to start with; it adapts to what Webex allows. A change needs a restart.
	RateLimit float64 `yaml:"rate_limit" validate:"gt=0,max=1000" reload:"restart"`
	// Changes within this time share one edit, at most 10m.
	Debounce Duration `yaml:"debounce" validate:"least=0s,most=10m"`
	// How long an update waits for its problem before it is posted alone, at most 1d.
	OrphanWait Duration `yaml:"orphan_wait" validate:"least=0s,most=1d"`
}

// Templates is where messages come from.
type Templates struct {
	// Directory whose files override the built-in templates of the same name.
	Dir string `yaml:"dir"`
}

// Log is what the relay writes to standard error.
type Log struct {
	// The lowest level that is logged.
	Level string `yaml:"level" validate:"oneof=debug info warn error"`
	// Format of the log. A change needs a restart.
	Format string `yaml:"format" validate:"oneof=text json" reload:"restart"`
}

// Tracing is where traces are sent.
type Tracing struct {
	// Base URL of an OTLP/HTTP receiver, such as http://127.0.0.1:4318; traces go to /v1/traces below it. Default: OTEL_EXPORTER_OTLP_ENDPOINT of the environment.
	Endpoint string `yaml:"endpoint" validate:"omitempty,service_url"`
	// Bearer token for the receiver.
	Token Secret `yaml:"token"`
	// Share of traces that is kept, 0 to 1. The decision of a sender whose request has a traceparent wins.
	SampleRatio float64    `yaml:"sample_ratio" validate:"min=0,max=1"`
	HTTP        HTTPClient `yaml:",inline"`
}
