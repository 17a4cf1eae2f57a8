package zabbixsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/pace"
)

// rpcError is a JSON-RPC error in Zabbix's words, as recorded.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    string `json:"data"`
}

func invalid(format string, a ...any) *rpcError {
	return &rpcError{-32602, "Invalid params.", fmt.Sprintf(format, a...)}
}

func application(text string) *rpcError { return &rpcError{-32500, "Application error.", text} }

var errNoObject = application("No permissions to referred object or it does not exist!")

// errCrash is a crash of PHP: HTTP 500 without a body.
var errCrash = &rpcError{}

type request struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	ID      json.RawMessage `json:"id"`
	Auth    *string         `json:"auth"`
}

// ServeHTTP serves /api_jsonrpc.php, and the pages that links in rooms open.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api_jsonrpc.php":
		s.serveAPI(w, r)
	case "/tr_events.php", "/zabbix.php":
		s.servePage(w, r)
	default:
		if strings.HasPrefix(r.URL.Path, "/sim/") {
			s.serveBreak(w, r)
			return
		}
		http.NotFound(w, r)
	}
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	down, b := s.down, s.broken
	s.mu.Unlock()
	if down {
		http.Error(w, "Zabbix is down", http.StatusServiceUnavailable)
		return
	}
	ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if ct != "application/json-rpc" && ct != "application/json" && ct != "application/jsonrequest" {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	if several := batchOf(body); several != nil {
		s.serveBatch(w, r, several)
		return
	}
	var req request
	readable := json.Unmarshal(body, &req) == nil
	s.count(req.Method)
	var failing breakdown
	if b.concerns(req.Method) {
		failing = breakdowns[b.answer]
		if failing.before != nil {
			failing.before(w)
			return
		}
		if !b.survives(w, r, req) {
			return
		}
	}
	header := r.Header.Get("Authorization")
	if b.stripHeader {
		header = ""
	}
	answer := map[string]any{"jsonrpc": "2.0"}
	if !readable {
		answer["error"], answer["id"] = &rpcError{-32700, "Parse error", "Invalid JSON. An error occurred on the server while parsing the JSON text."}, nil
	} else {
		answer["id"] = req.ID
		result, fault := s.call(req, header)
		if fault == errCrash {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if fault != nil {
			answer["error"] = fault
		} else {
			answer["result"] = result
		}
	}
	if failing.after != nil {
		text, _ := json.Marshal(answer)
		failing.after(w, text)
		return
	}
	writeJSON(w, answer)
}

// batchOf returns the requests of a JSON-RPC batch; nil for anything else.
func batchOf(body []byte) (several []request) {
	if json.Unmarshal(body, &several) != nil || len(several) == 0 {
		return nil
	}
	return several
}

// serveBatch answers several calls at once. It counts as one call.
func (s *Server) serveBatch(w http.ResponseWriter, r *http.Request, several []request) {
	s.count(several[0].Method)
	s.mu.Lock()
	b := s.broken
	s.mu.Unlock()
	failing := breakdown{}
	if b.concerns(several[0].Method) {
		if failing = breakdowns[b.answer]; failing.before != nil {
			failing.before(w)
			return
		}
	}
	header := r.Header.Get("Authorization")
	if b.stripHeader {
		header = ""
	}
	answers := make([]any, len(several))
	for i, req := range several {
		if result, fault := s.call(req, header); fault != nil {
			answers[i] = map[string]any{"jsonrpc": "2.0", "id": req.ID, "error": fault}
		} else {
			answers[i] = map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": result}
		}
	}
	if failing.after != nil {
		text, _ := json.Marshal(answers)
		failing.after(w, text)
		return
	}
	writeJSON(w, answers)
}

func (s *Server) count(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
}

// survives applies breakdowns that depend on the requested events: it waits, or answers itself and returns false.
func (b broken) survives(w http.ResponseWriter, r *http.Request, req request) bool {
	var params map[string]json.RawMessage
	if json.Unmarshal(req.Params, &params) != nil {
		return true
	}
	ids := args(params).ids("eventids")
	for _, id := range ids {
		if slices.Contains(b.failing, id) {
			w.WriteHeader(http.StatusInternalServerError)
			return false
		}
	}
	return b.perEvent == 0 || req.Method != "event.get" || pace.Pause(r.Context(), b.perEvent*time.Duration(len(ids)), nil)
}

func (s *Server) call(req request, header string) (any, *rpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forms.header || !strings.HasPrefix(header, bearer) {
		header = "" // 6.0 and 6.2 ignore it; other schemes are for a proxy or the web server
	}
	if req.Auth != nil && !s.forms.property {
		return nil, &rpcError{-32600, "Invalid Request.", `Invalid parameter "/": unexpected parameter "auth".`}
	}
	if req.Method == "apiinfo.version" {
		if req.Auth != nil {
			return nil, invalid(`The "apiinfo.version" method must be called without the "auth" parameter.`)
		}
		if header != "" {
			return nil, invalid(`The "apiinfo.version" method must be called without authorization header.`)
		}
		return s.forms.version, nil
	}
	do, known := methods[req.Method]
	token := strings.TrimPrefix(header, bearer)
	if req.Auth != nil {
		token = *req.Auth
	}
	if req.Method == "user.checkAuthentication" { // called without a token of its own
		if token != "" {
			return nil, invalid(`The "user.checkAuthentication" method must be called without authorization header.`)
		}
		token = checkedToken(req.Params)
	}
	user, fault := s.authorise(token)
	if fault != nil {
		return nil, fault
	}
	if !known {
		return nil, &rpcError{-32601, "Method not found.", fmt.Sprintf("Incorrect method %q.", req.Method)}
	}
	if slices.Contains(s.broken.forbidden, req.Method) || methodRules[req.Method].superAdmin && !user.SuperAdmin || user.Methods != nil && !slices.Contains(append(user.Methods, notForRoles...), req.Method) {
		return nil, s.noMethod(req.Method)
	}
	params := map[string]json.RawMessage{}
	if len(req.Params) > 0 && !bytes.HasPrefix(bytes.TrimSpace(req.Params), []byte("[")) {
		if json.Unmarshal(req.Params, &params) != nil {
			return nil, invalid(`Invalid parameter "/": an array is expected.`)
		}
	}
	if s.forms.strict && !methodRules[req.Method].open {
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if !slices.Contains(do.params, name) && (name != do.deprecated || !s.forms.deprecated) {
				return nil, invalid(`Invalid parameter "/": unexpected parameter %q.`, name)
			}
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(req.Params), []byte("[")) {
		params[listParam] = req.Params
	}
	return do.call(s, user, args(params))
}

// noMethod is the error of a call that the role forbids.
func (s *Server) noMethod(method string) *rpcError {
	text := fmt.Sprintf("No permissions to call %q.", method)
	if s.forms.strict {
		return application(text)
	}
	return invalid("%s", text)
}

// checkedToken is the token in the parameters of user.checkAuthentication.
func checkedToken(params json.RawMessage) string {
	var p struct {
		Token string `json:"token"`
	}
	_ = json.Unmarshal(params, &p) // then it isn't valid
	return p.Token
}

func (s *Server) authorise(token string) (User, *rpcError) {
	if token == "" {
		return User{}, invalid("Not authorized.")
	}
	for _, u := range s.users {
		if u.Token != token {
			continue
		}
		if u.Expired {
			return User{}, application("API token expired.")
		}
		return u, nil
	}
	if u, ok := s.tokenUser(token); ok {
		return u, nil
	}
	if len(token) != 64 {
		return User{}, invalid("Session terminated, re-login, please.")
	}
	return User{}, invalid("Not authorized.")
}

// method is one method of the API. Versions before 7.0 ignore parameters that they don't know.
type method struct {
	params     []string // that 7.0 and later accept
	deprecated string   // one more that only 7.0 accepts; "" for none
	call       func(*Server, User, args) (any, *rpcError)
}

// bearer begins a header with a token; case counts.
const bearer = "Bearer "

// listParam is where a method finds its parameters if they are a list.
const listParam = ""

var methods = map[string]method{
	"event.acknowledge": {[]string{"eventids", "action", "message", "severity", "suppress_until", "cause_eventid"}, "", (*Server).eventAcknowledge},
	"event.get": {[]string{"eventids", "output", "selectHosts", "selectTags", "selectRelatedObject", "selectSuppressionData", "sortfield", "sortorder", "limit",
		"source", "object", "value", "objectids", "preservekeys", "selectAcknowledges"}, "select_acknowledges", (*Server).eventGet},
	"problem.get": {[]string{"eventids", "output", "selectTags", "selectSuppressionData", "sortfield", "sortorder", "limit", "recent", "acknowledged", "suppressed",
		"severities", "tags", "eventid_from", "eventid_till", "objectids", "countOutput", "source", "object", "preservekeys", "symptom", "cause_eventid", "selectAcknowledges"},
		"", (*Server).problemGet},
	"trigger.get": {[]string{"triggerids", "output", "selectHosts", "selectItems", "selectTags", "expandDescription", "expandExpression", "preservekeys", "sortfield", "limit",
		"selectHostGroups"}, "selectGroups", (*Server).triggerGet},
}

// args are a call's parameters.
type args map[string]json.RawMessage

// ids reads a parameter that is one id or a list of them, as strings or numbers.
func (a args) ids(name string) []string {
	raw, ok := a[name]
	if !ok {
		return nil
	}
	var list []any
	if json.Unmarshal(raw, &list) != nil {
		var one any
		if json.Unmarshal(raw, &one) != nil {
			return nil
		}
		list = []any{one}
	}
	ids := make([]string, 0, len(list))
	for _, v := range list {
		ids = append(ids, fmt.Sprint(v))
	}
	return ids
}

func (a args) number(name string) (int, bool) {
	raw, ok := a[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	return n, err == nil
}

func (a args) text(name string) string {
	var text string
	_ = json.Unmarshal(a[name], &text) // absent or another type: empty
	return text
}

func (a args) has(name string) bool { _, ok := a[name]; return ok }

func (a args) truth(name string) bool { return string(a[name]) == "true" }

func (s *Server) find(id string) *Problem {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	return s.problems[n]
}
