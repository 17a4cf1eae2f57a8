package zabbixsim

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
)

// Transport carries requests to the server without a network, so that tests can run in virtual time.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ to http.Handler }

// RoundTrip answers a request. It ends with the request's context, as a network's would.
func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil { // the handler closed the connection
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	t.to.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}
