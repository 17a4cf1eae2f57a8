package zabbixsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// breakdown is one way in which Zabbix, or a proxy or web server before it, fails.
type breakdown struct {
	does string // for help
	// before answers without executing the call; nil if after is set.
	before func(w http.ResponseWriter)
	// after changes the answer of an executed call.
	after func(w http.ResponseWriter, answer []byte)
}

func page(status int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refusing(code int, message, data string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		writeJSON(w, map[string]any{"jsonrpc": "2.0", "error": rpcError{code, message, data}, "id": 1})
	}
}

func raw(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

func changed(change func([]byte) []byte) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, answer []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(change(answer))
	}
}

func edited(edit func(map[string]any)) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, answer []byte) {
		var batch []map[string]any
		if json.Unmarshal(answer, &batch) == nil {
			for _, m := range batch {
				edit(m)
			}
			writeJSON(w, batch)
			return
		}
		var m map[string]any
		_ = json.Unmarshal(answer, &m)
		edit(m)
		writeJSON(w, m)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

const sqlFailed = `SQL statement execution has failed "INSERT INTO acknowledges (acknowledgeid,userid,eventid,clock,message,action) VALUES ('17','3','4711','1795526744','secret words','6')". [zabbix.php:22 → CApiInputValidator.php:123]`

var breakdowns = map[string]breakdown{
	"database-away":     {does: "the frontend can't connect to its database", before: refusing(1, "Error connecting to database: Access denied for user 'zabbix'@'localhost'", "")},
	"database-away-old": {does: "the same, as a refusal", before: refusing(-32500, "Application error.", "Error connecting to database. [include/db.inc.php:99]")},
	"database-charset":  {does: "the frontend doesn't accept the database", before: refusing(1, "The Zabbix database version does not match current requirements.", "")},
	"system-error":      {does: "an exception, as a user without debug mode sees it", before: refusing(-32500, "Application error.", "System error occurred. Please contact Zabbix administrator.")},
	"internal-error":    {does: "JSON-RPC's internal error", before: refusing(-32603, "Internal error.", "Internal error.")},
	"sql-failed":        {does: "a statement failed", before: refusing(-32500, "Application error.", sqlFailed)},
	"sql-failed-code":   {does: "the same with the code of an exception", before: refusing(1, sqlFailed, "")},
	"no-reason":         {does: "an error without a reason", before: refusing(-32500, "Application error.", "")},
	"server-away":       {does: "the frontend can't reach its server", before: refusing(-32500, "Application error.", "Zabbix server is not running: the information displayed may not be current.")},
	"unknown-code":      {does: "an error code that the API doesn't have", before: refusing(77, "Something", "Something went wrong")},

	"refuse-unknown": {does: "a refusal in unknown words", before: refusing(-32500, "Application error.", "Cannot change the moon. [event.php:123 → x]")},

	"login-page":   {does: "a login page with 200", before: page(200, "<html><head><title>Sign in</title></head><body>Log in</body></html>")},
	"page-502":     {does: "a gateway's page", before: page(502, "<html><h1>502 Bad Gateway</h1></html>")},
	"page-500":     {does: "a page of a failing web server", before: page(500, "")},
	"page-504":     {does: "a gateway's time-out", before: page(504, "<h1>Gateway Time-out</h1>")},
	"page-503":     {does: "overloaded, with Retry-After", before: page(503, "<h1>busy</h1>", "Retry-After", "7")},
	"page-429":     {does: "too many requests, with Retry-After", before: page(429, "<h1>slow down</h1>", "Retry-After", "90")},
	"page-401":     {does: "a proxy requires a login", before: page(401, "<h1>Login</h1>", "WWW-Authenticate", "Basic")},
	"page-403":     {does: "a proxy's block page", before: page(403, "<h1>Access Denied</h1>")},
	"page-404":     {does: "nothing there", before: page(404, "<h1>Not Found</h1>")},
	"page-412":     {does: "the content type was changed on the way", before: page(412, "")},
	"page-413":     {does: "the request is too large for a proxy", before: page(413, "<h1>Too Large</h1>")},
	"page-414":     {does: "likewise", before: page(414, "<h1>Too Long</h1>")},
	"redirect":     {does: "a redirect to another address", before: page(301, "", "Location", "https://user:hunter2@elsewhere.example.com/api_jsonrpc.php")},
	"php-fatal":    {does: "PHP ran out of memory, with 200", before: page(200, "<br />\n<b>Fatal error</b>:  Allowed memory size of 134217728 bytes exhausted in <b>/usr/share/zabbix/include/db.inc.php</b> on line <b>12</b><br />")},
	"other-json":   {does: "JSON of another program", before: raw(`{"status":"ok"}`)},
	"gateway-json": {does: "an error of an API gateway", before: raw(`{"error":{"code":403,"message":"Forbidden","status":"PERMISSION_DENIED"}}`)},
	"gateway-text": {does: "an error that is only a text", before: raw(`{"error":"unavailable"}`)},
	"list":         {does: "a JSON list", before: raw(`[]`)},
	"empty":        {does: "an empty answer, after the work", after: changed(func([]byte) []byte { return nil })},
	"truncated":    {does: "half of the answer, after the work", after: changed(func(b []byte) []byte { return b[:len(b)/2] })},
	"wrong-id":     {does: "the answer to another request", after: edited(func(m map[string]any) { m["id"] = 99 })},
	"wrong-type":   {does: "a result of another type", after: edited(func(m map[string]any) { m["result"] = true })},
	"null-result":  {does: "no result and no error", after: edited(func(m map[string]any) { m["result"] = nil })},
	"lost-502":     {does: "the work is done and a gateway says 502", after: func(w http.ResponseWriter, _ []byte) { page(502, "<h1>Bad Gateway</h1>")(w) }},
	"lost-cut":     {does: "the work is done and the connection ends", after: func(http.ResponseWriter, []byte) { panic(http.ErrAbortHandler) }},
	"php-notice": {does: "PHP prints a notice before the answer", after: changed(func(b []byte) []byte {
		return append([]byte("<br />\n<b>Deprecated</b>:  x in <b>/usr/share/zabbix/x.php</b><br />\n"), b...)
	})},
	"bom":          {does: "a byte order mark before the answer", after: changed(func(b []byte) []byte { return append([]byte("\uFEFF\n"), b...) })},
	"php-shutdown": {does: "PHP prints something after the answer", after: changed(func(b []byte) []byte { return append(bytes.TrimSpace(b), "\n<!-- took 1 s -->"...) })},
	"text-around": {does: "both", after: changed(func(b []byte) []byte {
		return append(append([]byte(`PHP Warning: {"jsonrpc":"2.0","method":"x","id":1} `), b...), "!"...)
	})},
	"error-in-data": {does: "an error whose data isn't a text", before: raw(`{"jsonrpc":"2.0","error":{"code":-32603,"message":"Internal error.","data":{"a":1}},"id":1}`)},
}

// Breakdowns describes everything that Break can do, by name.
func Breakdowns() map[string]string {
	all := map[string]string{}
	for name, b := range breakdowns {
		all[name] = b.does
	}
	maps.Copy(all, map[string]string{
		"strip-header":    "the Authorization header doesn't arrive",
		"forbid:METHOD":   "the role forbids an API method",
		"fail-event:ID":   "a call about this event is answered 500",
		"odd-event:ID":    "this event is described in an odd form",
		"slow:DURATION":   "event.get takes this long for each event",
		"show-nothing":    "the user sees no object at all",
		"text:question":   "the database stores ? for a character of 4 bytes",
		"text:questions":  "it stores ???? for it",
		"text:cut":        "it cuts the text there",
		"text:strict":     "it refuses the text",
		"text:short":      "it cuts the text at 255 characters",
		"text:trimmed":    "it stores the text without repeated or surrounding spaces",
		"text:crlf":       "it stores line ends as CRLF",
		"only:METHOD,...": "later breakdowns concern these methods only",
	})
	return all
}

// Break makes something fail until Mend; what is a name of Breakdowns.
func (s *Server) Break(what string) error {
	name, arg, _ := strings.Cut(what, ":")
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.broken
	switch name {
	case "strip-header":
		b.stripHeader = true
	case "show-nothing":
		b.showNothing = true
	case "forbid":
		b.forbidden = append(b.forbidden, arg)
	case "only":
		b.only = strings.Split(arg, ",")
	case "fail-event":
		b.failing = append(b.failing, arg)
	case "odd-event":
		b.odd = append(b.odd, arg)
	case "slow":
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 || d > time.Minute {
			return fmt.Errorf("slow: %q: expected a duration up to 1m", arg)
		}
		b.perEvent = d
	case "text":
		if !slices.Contains([]string{"question", "questions", "cut", "strict", "short", "trimmed", "crlf"}, arg) {
			return fmt.Errorf("text: unknown kind of database %q", arg)
		}
		b.text = arg
	default:
		if _, ok := breakdowns[what]; !ok {
			return fmt.Errorf("unknown breakdown %q: expected one of %s", what, strings.Join(slices.Sorted(maps.Keys(Breakdowns())), ", "))
		}
		b.answer = what
	}
	return nil
}

// Mend ends everything that Break began.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken{}
}

// Delete removes a problem and sends nothing, as deleting its trigger does.
func (s *Server) Delete(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.problems, id)
	s.order = slices.DeleteFunc(s.order, func(other int64) bool { return other == id })
}

// DeleteTrigger deletes a problem's trigger and sends nothing. 7.0 deletes the event as well, 6.0 hours later (measured).
func (s *Server) DeleteTrigger(id int64) {
	s.mu.Lock()
	old := s.forms.updateFirst
	if p := s.problems[id]; p != nil && old {
		p.Orphaned = true
		s.deleted[p.Trigger.ID] = true
	}
	s.mu.Unlock()
	if !old {
		s.Delete(id)
	}
}

// Maintain puts an open problem into a maintenance for a time; 0 ends it. Like a real Zabbix, it sends nothing.
func (s *Server) Maintain(id int64, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.problems[id]
	if p == nil || d < 0 {
		return fmt.Errorf("no problem %d, or a negative duration %v", id, d)
	}
	p.Maintained = time.Time{}
	if d > 0 {
		p.Maintained = time.Now().Add(d)
	}
	return nil
}

func (s *Server) maintained(p *Problem) bool {
	return p.RecoveryID == 0 && (time.Now().Before(p.Maintained) || s.maintenanceOf(p.Trigger.Host) != nil)
}

// byHand reports whether a person has suppressed a problem. Nothing is sent when that ends by time.
func (s *Server) byHand(p *Problem) bool {
	return p.Suppressed && (p.Until == 0 || time.Now().Unix() < p.Until)
}

func (s *Server) suppressed(p *Problem) bool { return s.byHand(p) || s.maintained(p) }

// LimitRelay takes the write permission from the relay's user.
func (s *Server) LimitRelay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.users {
		s.users[i].ReadOnly = s.users[i].ReadOnly || s.users[i].Token == RelayToken
	}
}

// HideAlerts moves the relay's media to a user of other groups, whose alerts only a Super admin sees.
func (s *Server) HideAlerts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = true
}

// SetUser adds an account, or replaces the one with its ID.
func (s *Server) SetUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(slices.DeleteFunc(s.users, func(o User) bool { return o.ID == u.ID }), u)
}

// SetRelayToken gives the relay's user another API token: RelayToken is refused from then on.
func (s *Server) SetRelayToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.users {
		if s.users[i].Token == RelayToken {
			s.users[i].Token = token
		}
	}
}

// SetVersion changes the version while clients are connected.
func (s *Server) SetVersion(version string) error {
	f, err := formsOf(version)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forms = f
	return nil
}

// broken is what fails at the moment.
type broken struct {
	answer                   string
	only                     []string
	stripHeader, showNothing bool
	forbidden, failing, odd  []string
	perEvent                 time.Duration
	text                     string
}

// concerns reports whether a method may fail.
func (b broken) concerns(method string) bool {
	return len(b.only) == 0 || slices.Contains(b.only, method)
}

// serveBreak breaks and mends a running simulation: POST
// /sim/break?what=NAME, /sim/mend, /sim/delete?id=ID, /sim/maintenance?id=ID&for=1h, /sim/version?version=7.2.13.
func (s *Server) serveBreak(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
		return
	}
	var err error
	switch r.URL.Path {
	case "/sim/break":
		err = s.Break(r.URL.Query().Get("what"))
	case "/sim/mend":
		s.Mend()
	case "/sim/version":
		err = s.SetVersion(r.URL.Query().Get("version"))
	case "/sim/delete":
		var id int64
		if id, err = strconv.ParseInt(r.URL.Query().Get("id"), 10, 64); err == nil {
			s.Delete(id)
		}
	case "/sim/maintenance":
		var id int64
		var d time.Duration
		if id, err = strconv.ParseInt(r.URL.Query().Get("id"), 10, 64); err == nil {
			if d, err = time.ParseDuration(r.URL.Query().Get("for")); err == nil {
				err = s.Maintain(id, d)
			}
		}
	default:
		err = errors.New("expected /sim/break, /sim/mend, /sim/version, /sim/delete or /sim/maintenance")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// stored is a text as the database stores it; false if it refuses it.
func (b broken) stored(text string) (string, bool) {
	wide := func(r rune) bool { return r > 0xFFFF }
	switch b.text {
	case "question", "questions":
		with := map[string]string{"question": "?", "questions": "????"}[b.text]
		var out strings.Builder
		for _, r := range text {
			if wide(r) {
				out.WriteString(with)
			} else {
				out.WriteRune(r)
			}
		}
		return out.String(), true
	case "cut":
		if i := strings.IndexFunc(text, wide); i >= 0 {
			text = text[:i]
		}
		return text, true
	case "strict":
		return text, strings.IndexFunc(text, wide) < 0
	case "short":
		if runes := []rune(text); len(runes) > 255 {
			text = string(runes[:255])
		}
		return text, true
	case "trimmed":
		return strings.Join(strings.Fields(text), " "), true
	case "crlf":
		return strings.ReplaceAll(text, "\n", "\r\n"), true
	}
	return text, true
}
