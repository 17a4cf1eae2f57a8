package zabbix

import (
	"encoding/json"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testdata"
)

// recordedCall is an API call to a real Zabbix, with its answer.
type recordedCall struct {
	Request  json.RawMessage
	Headers  map[string]string
	Status   int
	Response json.RawMessage // a JSON string if the answer wasn't JSON
}

// load returns all recorded calls of a version ("6.0" or "7.0"), by name.
func load(t testing.TB, version string) map[string]recordedCall {
	t.Helper()
	dir := "fixtures/zabbix-" + version + "/api"
	files, err := testdata.Fixtures.ReadDir(dir)
	require.NoError(t, err)
	calls := make(map[string]recordedCall, len(files))
	for _, f := range files {
		raw, err := testdata.Fixtures.ReadFile(path.Join(dir, f.Name()))
		require.NoError(t, err)
		var c recordedCall
		require.NoError(t, json.Unmarshal(raw, &c), f.Name())
		calls[strings.TrimSuffix(f.Name(), ".json")] = c
	}
	require.Greater(t, len(calls), 60)
	return calls
}

// callParts are a request's method, parameters and token, and whether the token is in the Authorization header.
type callParts struct {
	Method string
	Params json.RawMessage
	Auth   string
	bearer bool
}

// parts splits the request; false if it isn't JSON.
func (c recordedCall) parts() (callParts, bool) {
	var p callParts
	if json.Unmarshal(c.Request, &p) != nil {
		return p, false
	}
	if token, ok := strings.CutPrefix(c.Headers["Authorization"], "Bearer "); ok {
		p.Auth, p.bearer = token, true
	}
	return p, true
}

// body returns the raw body of the answer.
func (c recordedCall) body() []byte {
	var text string
	if json.Unmarshal(c.Response, &text) == nil {
		return []byte(text)
	}
	return c.Response
}

// fault returns the code and data of the recorded error; false if the call succeeded or has no JSON-RPC answer.
func (c recordedCall) fault() (code int, data string, ok bool) {
	var r struct {
		Error *struct {
			Code int
			Data string
		}
	}
	if json.Unmarshal(c.Response, &r) != nil || r.Error == nil {
		return 0, "", false
	}
	return r.Error.Code, r.Error.Data, true
}

// player answers a call that equals a recorded one, including its headers, as Zabbix did. To any other call it answers 599 and calls
// unexpected.
type player struct {
	calls      []recordedCall
	unexpected func(body []byte, header http.Header)
}

func (p player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	for _, c := range p.calls {
		if c.Headers["Content-Type"] == r.Header.Get("Content-Type") && c.Headers["Authorization"] == r.Header.Get("Authorization") &&
			sameJSON(body, c.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.Status)
			_, _ = w.Write(c.body())
			return
		}
	}
	p.unexpected(body, r.Header)
	w.WriteHeader(599)
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
