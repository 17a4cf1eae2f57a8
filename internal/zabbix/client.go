package zabbix

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"nms-alert-relay/internal/alert"
)

// Options make a Client.
type Options struct {
	URL       string // the frontend's base URL; the API is at /api_jsonrpc.php below it
	Token     string
	Transport http.RoundTripper // proxy and CA; nil for the default
	Timeout   time.Duration     // of one call; 10 s by default
	Log       *slog.Logger
	// Observe is told of every call when it ends: for metrics. result is "ok" or an ErrorKind.
	Observe func(method, result string, took time.Duration)
}

// Client calls the JSON-RPC API of one Zabbix, 6.0 to 8.0, in the form that
// its version wants. It never retries by itself.
type Client struct{ opts Options }

// New makes a client. It doesn't call Zabbix: the version is asked by the first call that needs it.
func New(opts Options) *Client { return &Client{opts: opts} }

// ErrorKind is what a failed call means.
type ErrorKind string

// The kinds of errors that callers tell apart.
const (
	NotAuthorised  ErrorKind = "not_authorised"  // the token is wrong, disabled, expired or its session ended
	RoleForbids    ErrorKind = "role_forbids"    // the user's role doesn't allow the method or the action
	NoObject       ErrorKind = "no_object"       // no such object, or no permission on it: Zabbix doesn't say which
	CloseForbidden ErrorKind = "close_forbidden" // the trigger doesn't allow closing by hand
	Invalid        ErrorKind = "invalid"         // a parameter is wrong: a bug of ours, or a limit
	Unreachable    ErrorKind = "unreachable"     // no answer, or none of Zabbix's: try again
	Other          ErrorKind = "other"
)

// Error is a call that failed, in Zabbix's own words.
type Error struct {
	Method  string
	Kind    ErrorKind
	Code    int    // JSON-RPC error code; 0 where there was none
	Message string // the sentence that can be shown to people
	// Unanswered says that the call may have been done: it was sent and the
	// answer was lost.
	Unanswered bool
	Err        error
}

// Acknowledge is one event.acknowledge for one event.
type Acknowledge struct {
	EventID  string
	Ack      bool
	Unack    bool
	Close    bool
	Message  string // "" for none; at most MaxMessage characters
	Severity *alert.Severity
}

// MaxMessage is the longest message of an acknowledgement, in characters
// (measured on 6.0 and 7.0).
const MaxMessage = 2048

// Acknowledge does it. Success says that Zabbix took it: closing is done later
// by the server (look again with Observe before saying "closed"), and what is so already is
// skipped silently.
func (c *Client) Acknowledge(ctx context.Context, a Acknowledge) error { return nil }

// Observe asks what the API knows of these events: severity, acknowledgements,
// recovery, suppression, hosts, tags, cause, whether the trigger allows closing, the first item. An event that
// Zabbix doesn't know (or doesn't show us) has Gone set.
func (c *Client) Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error) {
	return nil, nil
}

// Version is the API's version: "6.0.14". It is asked once and remembered.
func (c *Client) Version(ctx context.Context) (string, error) { return "", nil }
