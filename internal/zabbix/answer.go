package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/httpclient"
	untrusted "nms-alert-relay/internal/text"
)

// callID is the id of every call. HTTP pairs requests with answers; the id only tells our answer from other JSON.
const callID = 1

// envelope is a JSON-RPC answer.
type envelope struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// rpcError is the error in an envelope. Zabbix sends an integer and two strings; a gateway may send anything.
type rpcError struct {
	Code    json.RawMessage `json:"code"`
	Message json.RawMessage `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// ours reports whether this is the API's answer to our call, not JSON of a proxy or another program. An error may lack the id, if
// Zabbix couldn't parse the request.
func (e envelope) ours() bool {
	id := strings.Trim(string(e.ID), `"`)
	named := id == strconv.Itoa(callID)
	switch {
	case e.Version != "" && e.Version != "2.0":
		return false
	case e.Error != nil && string(e.Error) != "null":
		_, _, _, ok := e.failure()
		return ok && (named || e.Version == "2.0" && (id == "" || id == "null"))
	default:
		return (named || e.Version != "" && id == "") && e.Result != nil && string(e.Result) != "null"
	}
}

func (e envelope) failure() (code int, message, data string, ok bool) {
	var f rpcError
	if json.Unmarshal(e.Error, &f) != nil || f.Code == nil {
		return 0, "", "", false
	}
	code, err := strconv.Atoi(strings.Trim(string(f.Code), `"`))
	return code, plainText(f.Message), plainText(f.Data), err == nil
}

// plainText returns a JSON string's text, or any other JSON unchanged.
func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil { // null is ""
		return s
	}
	return string(raw)
}

// maxEnvelopes bounds how many places of a body are tried as the answer's start.
const maxEnvelopes = 8

var envelopeStart = regexp.MustCompile(`\{\s*"(jsonrpc|id|result|error)"\s*:`)

// find looks for the API's answer in a body. PHP may print notices or a byte order mark before it, or something after it; clean is
// true if the answer is all there is.
func find(body []byte) (e envelope, clean, ok bool) {
	if json.Unmarshal(body, &e) == nil {
		return e, true, e.ours()
	}
	for _, at := range envelopeStart.FindAllIndex(body, maxEnvelopes) {
		e = envelope{}
		if json.NewDecoder(bytes.NewReader(body[at[0]:])).Decode(&e) == nil && e.ours() {
			return e, false, true
		}
	}
	return envelope{}, false, false
}

// read interprets an answer. Zabbix sends 200 for errors too: only the body shows whether the answer is Zabbix's.
func (c *Client) read(method string, a httpclient.Answer, result any) *Error {
	if a.Status/100 == 3 {
		e := c.foreign(method, a)
		e.Message = fmt.Sprintf("%s redirects to %s: set the source's url to the frontend's real address", c.display(), untrusted.RedactURL(a.Header.Get("Location")))
		return e
	}
	e, clean, ok := find(a.Body)
	if !ok {
		return c.foreign(method, a)
	}
	if !clean && c.printed.CompareAndSwap(false, true) {
		c.opts.Log.Warn("the Zabbix frontend prints text around the API's answers; set display_errors=Off in its PHP configuration, and check PHP's log",
			"url", c.display(), "method", method, "prints", c.to.Load().http.Glimpse(a))
	}
	if e.Error != nil && string(e.Error) != "null" {
		code, message, data, _ := e.failure()
		return newError(method, code, message, data)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(e.Result, result); err != nil {
		return &Error{Method: method, Kind: Unreachable, Unanswered: true, Err: err, Status: a.Status,
			Message: fmt.Sprintf("unexpected form of the result: %v", err)}
	}
	return nil
}

// foreign is the error of an answer that isn't the API's.
func (c *Client) foreign(method string, a httpclient.Answer) *Error {
	e := &Error{
		Method: method, Kind: Unreachable, Status: a.Status,
		Unanswered: a.OK() || a.Status >= 500, // the call may have been carried out all the same
		Message:    fmt.Sprintf("HTTP %d from %s is not an answer of Zabbix's API (%s): %s", a.Status, c.display(), c.to.Load().http.Glimpse(a), statusHint(a.Status)),
	}
	e.RetryAfter, _ = httpclient.RetryAfter(a.Header, time.Now(), maxRetryAfter)
	return e
}

func statusHint(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		return "a proxy or the web server requires a login before Zabbix; set the source's basic_auth or headers, or let the relay through without one"
	case status == http.StatusForbidden, status == http.StatusMethodNotAllowed, status == http.StatusUnavailableForLegalReasons:
		return "a proxy or the web server doesn't let the relay through to api_jsonrpc.php"
	case status == http.StatusPreconditionFailed:
		return "Zabbix requires the content type " + contentType + ", which a proxy may have changed"
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong:
		return "a proxy or the web server doesn't let a request of this size through"
	case status == http.StatusTooManyRequests:
		return "a proxy or the web server limits how often the API is called"
	case status >= 500:
		return "the frontend, or a proxy before it, is failing; check the logs of the web server and PHP"
	default:
		return "check that the source's url is the frontend's base URL"
	}
}

// maxRetryAfter bounds a wait that the answer asks for.
const maxRetryAfter = 10 * time.Minute
