package zabbix

import (
	"cmp"
	"errors"
	"regexp"
	"strings"
	"time"

	untrusted "nms-alert-relay/internal/text"
)

// ErrorKind is what a failed call means.
type ErrorKind string

// The kinds of errors that callers tell apart.
const (
	NotAuthorised  ErrorKind = "not_authorised"  // the token is wrong, disabled, expired or its session ended
	RoleForbids    ErrorKind = "role_forbids"    // the user's role doesn't allow the method or the action
	NoObject       ErrorKind = "no_object"       // no such object, or no permission for it: Zabbix doesn't distinguish
	CloseForbidden ErrorKind = "close_forbidden" // the trigger doesn't allow manual closing
	Unsupported    ErrorKind = "unsupported"     // this version of Zabbix can't do it; nothing was sent
	Invalid        ErrorKind = "invalid"         // a parameter is wrong: a bug of ours, or a limit
	Unreachable    ErrorKind = "unreachable"     // no answer, or one that isn't the API's: retry
	Broken         ErrorKind = "broken"          // Zabbix reports a failure of its own, for instance of its database: retry
	Other          ErrorKind = "other"           // an unknown refusal
)

// ErrorKinds lists every kind.
var ErrorKinds = [...]ErrorKind{NotAuthorised, RoleForbids, NoObject, CloseForbidden, Unsupported, Invalid, Unreachable, Broken, Other}

// Temporary reports whether the same call may succeed later without a change of the token or the permissions.
func (k ErrorKind) Temporary() bool { return k == Unreachable || k == Broken }

// Error is a failed call.
type Error struct {
	Method string
	Kind   ErrorKind
	Code   int // JSON-RPC error code; 0 for none
	// Message is one sentence for people: Zabbix's own if it refused, without SQL, file names or stack traces.
	Message string
	// Detail is Zabbix's full text, for the log.
	Detail string
	// Status is the HTTP status of an answer that isn't the API's; 0 otherwise.
	Status int
	// RetryAfter is how long the answer asks us to wait; 0 for no wait.
	RetryAfter time.Duration
	// Unanswered says that the call may have been carried out: it was sent, and its answer was lost.
	Unanswered bool
	// Interrupted says that Zabbix failed in the middle of the call. It rolls back then, but check before repeating the call.
	Interrupted bool
	Err         error

	said string // Zabbix's own text, as it came
}

// Error returns the method and what went wrong.
func (e *Error) Error() string {
	text := "zabbix: " + e.Method + ": " + e.Message
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// Unwrap returns the cause, for instance an error of the network.
func (e *Error) Unwrap() error { return e.Err }

// MayBeText reports whether the call may have failed because the database can't store a character of its text: with MySQL's utf8mb3 in
// strict mode, Zabbix only says that a statement failed.
func (e *Error) MayBeText() bool { return e.Kind == Broken && e.Interrupted }

// MayBeBatch reports whether a smaller batch, or one without a particular object, may succeed: Zabbix failed while it worked on the
// request.
func (e *Error) MayBeBatch() bool {
	switch e.Kind {
	case Unreachable:
		return e.Unanswered || e.Status >= 500 || e.Status == 413 || e.Status == 414
	case Broken:
		return e.Interrupted
	case NotAuthorised, RoleForbids, Unsupported:
		return false
	default:
		return true
	}
}

// KindOf returns the kind of an error: "" for nil, Other for one that isn't an *Error.
func KindOf(err error) ErrorKind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	default:
		return Other
	}
}

// JSON-RPC's codes, as Zabbix uses them.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeApplication    = -32500
)

// meanings tell errors apart by how their sentences begin: the code isn't enough, and differs by version (measured on 6.0.14 and
// 7.0.22). The rest of a sentence may be a person's own text.
var meanings = []struct {
	kind   ErrorKind
	begins string
}{
	{NotAuthorised, "Not authori"}, // "zed." or "sed."
	{NotAuthorised, "Session terminated"},
	{NotAuthorised, "API token expired"},
	{NotAuthorised, "Incorrect user name or password"},
	{RoleForbids, "No permissions to call"},
	{RoleForbids, "No permissions to import"},
	{RoleForbids, `Incorrect value for field "action": no permissions to`},
	{CloseForbidden, "Cannot close problem: trigger does not allow manual closing"},
	{NoObject, "No permissions to referred object or it does not exist"},
	{Invalid, "Incorrect value for field"},
	{Invalid, "Invalid parameter"},
	{Invalid, "Invalid tag"}, // of an import
	{Invalid, `Value "`},     // … is too long: 6.0, which repeats the whole value
}

// breakdowns are how sentences begin that report a failure of Zabbix itself. The first two come before any work on the call.
var breakdowns = []struct {
	begins      *regexp.Regexp
	interrupted bool
	says        string
}{
	{regexp.MustCompile(`(?i)^(zabbix server .*(is not running|can.?t be reached)|connection to zabbix server|unable to connect to the zabbix server)`), false, "its server isn't running"},
	{regexp.MustCompile(`(?i)^(error connecting to (the )?database|database error: .*connect|cannot connect to|unable to connect to|could not connect to|can't connect to|dbconnect|database (is|server is|was) |the zabbix database version|the frontend does not match|unsupported (charset|database)|incorrect default charset|configuration file error|unable to (find|read|load)|vault|too many connections)`), false, "its database can't be reached"},
	{regexp.MustCompile(`(?i)^(sql |error in query|db ?execute|database error|deadlock|lock wait timeout|cannot (begin|commit|start)|(mysql )?server (has gone away|closed the connection)|pg_|mysqli|oci_|(error|fatal): )`), true, "its database failed"},
	{regexp.MustCompile(`(?i)^(system error occurred|internal error|allowed memory size|maximum execution time|(php )?(fatal error|parse error|uncaught \S+|warning|notice|deprecated):|(undefined|uninitialized) (variable|index|array key|property|offset)|call to (a member|undefined)|trying to access)`), true, "it reports an internal error"},
}

// maxDetail bounds Zabbix's own text, in characters.
const maxDetail = 500

// newError makes the error of an API answer.
//
// An unknown error is final if it has a code for refusals (-32500 with a sentence, -32602, -32600, -32601, -32700): its sentence is for
// people, who should read it now rather than after command.expiry. Any other code (1 for an exception, -32603, -32400, -32300, or that
// of a plug-in or gateway), and a refusal without a reason, is a breakdown.
func newError(method string, code int, message, data string) *Error {
	said := cmp.Or(data, message)
	e := &Error{Method: method, Code: code, Message: sentence(said), said: said}
	if e.Kind = refusal(code, data); e.Kind == "" {
		e.Kind, e.Interrupted, e.Message = Broken, true, "it reports an internal error"
		for _, b := range breakdowns {
			if b.begins.MatchString(said) {
				e.Interrupted, e.Message = b.interrupted, b.says
				break
			}
		}
	}
	if e.Message != said {
		e.Detail = untrusted.Shorten(untrusted.Line(said), maxDetail)
	}
	return e
}

// refusal returns the kind of a refusal; "" for a breakdown.
func refusal(code int, data string) ErrorKind {
	for _, m := range meanings {
		if strings.HasPrefix(data, m.begins) {
			return m.kind
		}
	}
	for _, b := range breakdowns {
		if b.begins.MatchString(data) {
			return ""
		}
	}
	switch code {
	case codeParse, codeInvalidRequest, codeNoMethod, codeInvalidParams:
		return Invalid
	case codeApplication:
		if strings.TrimSpace(data) != "" {
			return Other
		}
	}
	return ""
}

// machinery matches where a sentence stops being useful to a person: SQL, a call stack, a file, a notice of PHP, markup, a second line.
var machinery = regexp.MustCompile(`(?i)[\r\n]` +
	`|\s*["“'(]?\b(insert\s+into|replace\s+into|delete\s+from|update\s+\S+\s+set|select\s.{1,300}?\sfrom|alter\s+table|(commit|rollback|begin)\s*;)\b` +
	`|\s*\[[^\[\]]{0,200}\.(php|inc)\b` +
	`|\s*(\bstack trace:|#0 )` +
	`|\s*\b(php )?(notice|warning|deprecated|fatal error|parse error):\s` +
	`|\s*(\bin\s+|\bat\s+)?/(usr|var|opt|srv|etc|home|www|app|tmp|data|mnt|root|lib)(/[\w.-]+)+` +
	`|\s*(\bin\s+|\bat\s+)?\b[a-z]:\\\S*` +
	`|\s*\b[\w/-]+\.php\b` +
	`|\s*\b(sqlstate|errno)\b` +
	`|<(br|b|p|html|table|font)\b`)

// sentence returns the useful part of Zabbix's own text.
func sentence(said string) string {
	said = strings.TrimSpace(said)
	if at := machinery.FindStringIndex(said); at != nil {
		said = said[:at[0]]
	}
	said = strings.TrimRight(untrusted.Line(said), " \t\"“'([{:;,-")
	return untrusted.Shorten(said, maxDetail)
}

// mayBeForm reports whether Zabbix may have refused the call's form, because it was upgraded. Nothing was done then.
func (e *Error) mayBeForm() bool {
	return e.Code == codeInvalidRequest || e.Code == codeInvalidParams || e.Code == codeNoMethod || e.Kind == NotAuthorised
}

// preparation converts the error of a call that prepares another one: that other call was not sent.
func preparation(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	p := *e
	p.Unanswered, p.Interrupted = false, false
	return &p
}
