package zabbix

import (
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
	NoObject       ErrorKind = "no_object"       // no such object, or no permission on it: Zabbix doesn't say which
	CloseForbidden ErrorKind = "close_forbidden" // the trigger doesn't allow closing by hand
	Invalid        ErrorKind = "invalid"         // a parameter is wrong: a bug of ours, or a limit
	Unreachable    ErrorKind = "unreachable"     // no answer, or one that isn't the API's: try again
	Broken         ErrorKind = "broken"          // Zabbix says that it is itself broken, its database for instance: try again
	Other          ErrorKind = "other"           // Zabbix refused in words that are not known here
)

// ErrorKinds holds every kind.
var ErrorKinds = [...]ErrorKind{NotAuthorised, RoleForbids, NoObject, CloseForbidden, Invalid, Unreachable, Broken, Other}

// Temporary reports whether the same call may succeed later without a change
// of the call, the token or the permissions.
func (k ErrorKind) Temporary() bool { return k == Unreachable || k == Broken }

// Error is a failed call.
type Error struct {
	Method string
	Kind   ErrorKind
	Code   int // JSON-RPC error code; 0 where there was none
	// Message is one sentence for people: Zabbix's own where it refused, without SQL, file
	// names or stack traces.
	Message string
	// Detail is what Zabbix really said, for the log.
	Detail string
	// Status is the HTTP status of an answer that wasn't the API's; 0 otherwise.
	Status int
	// RetryAfter is how long the other side asked us to wait; 0 for not.
	RetryAfter time.Duration
	// Unanswered says that the call may have been carried out, or may still be: it was
	// sent and its answer was lost.
	Unanswered bool
	// Interrupted says that Zabbix broke down in the middle of the call and has ended it.
	// It rolls back then; look before calling again all the same.
	Interrupted bool
	Err         error
}

// Error is the call and what went wrong with it.
func (e *Error) Error() string {
	text := "zabbix: " + e.Method + ": " + e.Message
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// Unwrap is the fault below, of the network for instance.
func (e *Error) Unwrap() error { return e.Err }

// MayBeText reports whether the call may have failed because the database
// can't store a character of its text. MySQL's utf8mb3 in strict mode does that, and
// Zabbix says no more than that a statement failed.
func (e *Error) MayBeText() bool { return e.Kind == Broken && e.Interrupted }

// MayBeBatch reports whether a smaller batch, or one without a particular
// object, may succeed: the request reached Zabbix, which failed while it worked on it.
func (e *Error) MayBeBatch() bool {
	switch e.Kind {
	case Unreachable:
		return e.Unanswered || e.Status >= 500 || e.Status == 413 || e.Status == 414
	case Broken:
		return e.Interrupted
	case NotAuthorised, RoleForbids:
		return false
	default:
		return true
	}
}

// KindOf is the kind of an error; Other for one that isn't a Client's, "" for none.
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

// meanings are how the sentences begin by which errors are told apart: the
// code alone doesn't do, and differs by version (measured on 6.0.14 and
// 7.0.22). Further on in a sentence there may be a person's own text.
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

// breakdowns are how the sentences begin in which Zabbix reports its own
// failure. The first group comes before any work on the call was begun.
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

// maxDetail is how much of Zabbix's own words is kept, in characters.
const maxDetail = 500

// newError is an error that Zabbix answered.
//
// Which side an unknown error falls on: with a code that the API gives for a refusal
// (-32500 and a sentence, -32602, -32600, -32601, -32700) it is final. The sentence is
// meant for people and hardly changes by waiting, so that a person reads it at once rather
// than after command.expiry. Every other code (1 for an exception, -32603, -32400,
// -32300, whatever a plug-in or gateway adds), and a refusal without a reason, is a breakdown.
func newError(method string, code int, message, data string) *Error {
	said := data
	if said == "" {
		said = message
	}
	e := &Error{Method: method, Code: code, Message: sentence(said)}
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

// refusal is the kind of an error with which Zabbix refuses what was asked; ""
// for one of its own breakdowns.
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

// machinery is where a sentence stops being of use to a person: SQL, a call
// stack, a file, a notice of PHP, markup, a second line.
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

// sentence is what a person can use of Zabbix's own words.
func sentence(said string) string {
	said = strings.TrimSpace(said)
	if at := machinery.FindStringIndex(said); at != nil {
		said = said[:at[0]]
	}
	said = strings.TrimRight(untrusted.Line(said), " \t\"“'([{:;,-")
	return untrusted.Shorten(said, maxDetail)
}

// mayBeForm says whether Zabbix may have refused the call's form, so that
// nothing was done and another form may do: it was upgraded.
func (e *Error) mayBeForm() bool {
	return e.Code == codeInvalidRequest || e.Code == codeInvalidParams || e.Code == codeNoMethod || e.Kind == NotAuthorised
}

// preparation is the error of a call that only prepares another one: whatever
// became of it, that other call was not sent.
func preparation(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	p := *e
	p.Unanswered, p.Interrupted = false, false
	return &p
}
