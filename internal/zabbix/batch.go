package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"nms-alert-relay/internal/httpclient"
)

// batched are the parameters of several calls of one method that share a request: JSON-RPC's batch (measured on 6.0 and 7.0).
type batched []batchedCall

// batchedCall is one of them.
type batchedCall struct {
	params any
	result any // a pointer
}

// requests are the calls as a request has them, with the ids callID, callID+1, …
func (b batched) requests(r request) []request {
	all := make([]request, len(b))
	for i, call := range b {
		all[i] = r
		all[i].Params, all[i].ID = call.params, callID+i
	}
	return all
}

var batchStart = regexp.MustCompile(`\[\s*\{\s*"(jsonrpc|id|result|error)"\s*:`)

// read interprets the answer to a batch. A single envelope, or anything else, is read as that of a single call: an error.
func (b batched) read(c *Client, method string, a httpclient.Answer) *Error {
	var answers []json.RawMessage
	at := batchStart.FindIndex(a.Body)
	if at == nil {
		if err := c.read(method, a, nil); err != nil {
			return err
		}
		return &Error{Method: method, Kind: Invalid, Message: "several calls in one request were answered as one"}
	}
	if json.NewDecoder(bytes.NewReader(a.Body[at[0]:])).Decode(&answers) != nil {
		return c.foreign(method, a)
	}
	byID := map[string]json.RawMessage{}
	for _, raw := range answers {
		var e envelope
		if json.Unmarshal(raw, &e) == nil {
			byID[string(e.ID)] = raw
		}
	}
	for i, call := range b {
		raw, ok := byID[fmt.Sprint(callID+i)]
		if !ok {
			return &Error{Method: method, Kind: Unreachable, Unanswered: true, Message: fmt.Sprintf("%d of %d calls in one request were answered", len(byID), len(b))}
		}
		var e envelope
		_ = json.Unmarshal(raw, &e) // read above
		if code, message, data, failed := e.failure(); failed {
			return newError(method, code, message, data)
		}
		if e.Result == nil || string(e.Result) == "null" {
			return c.foreign(method, a)
		}
		if err := json.Unmarshal(e.Result, call.result); err != nil {
			return &Error{Method: method, Kind: Unreachable, Unanswered: true, Err: err, Status: a.Status, Message: fmt.Sprintf("unexpected form of the result: %v", err)}
		}
	}
	return nil
}
