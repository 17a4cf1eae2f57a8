package zabbix

import (
	"errors"
	"strings"
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
	Unreachable    ErrorKind = "unreachable"     // no answer, or none of Zabbix's: try again
	Other          ErrorKind = "other"
)

// ErrorKinds holds every kind.
var ErrorKinds = [...]ErrorKind{NotAuthorised, RoleForbids, NoObject, CloseForbidden, Invalid, Unreachable, Other}

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

// Error is the call and what went wrong with it.
func (e *Error) Error() string { return "zabbix: " + e.Method + ": " + e.Message }

// Unwrap is the fault below, of the network for instance.
func (e *Error) Unwrap() error { return e.Err }

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

// maxSentence is how much of Zabbix's sentence is kept, in characters.
const maxSentence = 500

// newError is an error that Zabbix answered.
func newError(method string, code int, message, data string) *Error {
	e := &Error{Method: method, Kind: kindOf(code, data), Code: code, Message: data}
	if e.Message == "" {
		e.Message = message
	}
	if r := []rune(e.Message); len(r) > maxSentence {
		e.Message = string(r[:maxSentence]) + "…"
	}
	return e
}

func kindOf(code int, data string) ErrorKind {
	for _, m := range meanings {
		if strings.HasPrefix(data, m.begins) {
			return m.kind
		}
	}
	switch code {
	case codeParse, codeInvalidRequest, codeNoMethod, codeInvalidParams:
		return Invalid
	default:
		return Other
	}
}

// mayBeForm says whether Zabbix may have refused the call's form, so that
// nothing was done and another form may do: it was upgraded.
func (e *Error) mayBeForm() bool {
	return e.Code == codeInvalidRequest || e.Code == codeInvalidParams || e.Code == codeNoMethod || e.Kind == NotAuthorised
}
