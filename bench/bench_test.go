package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/zabbix"
)

// This binary is also the processes that the bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// Each request of a volley is complete, signed, and about a different event.
func TestVolleyIsSignedAndDistinct(t *testing.T) {
	const n = 300
	tpl, err := newTemplate(time.Now())
	require.NoError(t, err)
	v := volley(tpl, firstID, n/2, 2) // the others are signed as they are sent
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	require.NoError(t, err)
	var mu sync.Mutex
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		payload, faults := zabbix.Parse(body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || len(faults) > 0 || r.Header.Get(receiver.HeaderSignature) != receiver.Sign(secret, r.Header.Get(receiver.HeaderTimestamp), body) ||
			seen[payload.Macro("event.id")] {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if seen[payload.Macro("event.id")] = true; len(seen) == n {
			enough()
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	out, err := v.fire(ctx, server.Listener.Addr().String(), 4)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(seen), n)
	require.Equal(t, len(seen), out.taken)
	require.Len(t, out.waits, out.taken)
}

// The reference decodes and validates what the media type sends.
func TestReferenceAcceptsThePayload(t *testing.T) {
	tpl, err := newTemplate(time.Now())
	require.NoError(t, err)
	body := tpl.request[tpl.body:]
	rec := httptest.NewRecorder()
	bareHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/zabbix/events", bytes.NewReader(body)))
	require.Equal(t, http.StatusAccepted, rec.Code, rec.Body)
	require.JSONEq(t, `{"problem":"main/`+sampleDigits+`"}`, rec.Body.String())
	rec = httptest.NewRecorder()
	bareHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/zabbix/events", strings.NewReader(`{"EVENT.ID":"x"}`)))
	require.Equal(t, http.StatusBadRequest, rec.Code)
}

// The generator finds the end of each answer, and recognises anything but a 202.
func TestAccepted(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX: y\r\n\r\n{}" +
		"HTTP/1.1 202 Accepted\r\n\r\n" + "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nbusy"))
	require.NoError(t, accepted(in, status202))
	require.NoError(t, accepted(in, status202))
	require.EqualError(t, accepted(in, status202), "answered HTTP/1.1 429 Too Many Requests: busy")
	require.ErrorIs(t, accepted(in, status202), io.EOF)
}

func TestQuantile(t *testing.T) {
	require.Zero(t, quantile([]float64{}, .5))
	require.Equal(t, 3.0, quantile([]float64{5, 1, 3, 2, 4}, .5))
	require.Equal(t, 5.0, quantile([]float64{5, 1, 3, 2, 4}, .99))
	require.Equal(t, 5.0, quantile([]float64{5, 1, 3, 2, 4}, 1))
}

// Flags out of bounds are refused, so that the load stays small.
func TestFlagsAreBounded(t *testing.T) {
	for _, args := range [][]string{{"-connections", "0"}, {"-rounds", "21"}, {"-round", "2m"}, {"-events", "0"}, {"-every", "1ms"}, {"-acks", "51"}, {"-problems", "19"}, {"-storm-rate", "-1"}, {"-wait", "1h"}, {"-open", "1"}, {"-stored", "1"}, {"-fold-rounds", "0"}, {"-fold-events", "1"}, {"-only", "nothing"}, {"stray"}} {
		_, err := parse(args, io.Discard)
		require.Error(t, err, args)
	}
	o, err := parse([]string{"-only", "latency,rest"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{"latency", "rest"}, o.names())
}

// Text and JSON have the same figures.
func TestReport(t *testing.T) {
	r := &report{Machine: machine{CPUs: 2, Go: "go1", OS: "linux/amd64", Alertmanager: "0.25.0"}, Seconds: 61}
	r.add("intake", "events/s", 600).beside(1000, "bare gin").ratioAtLeast(0.6)
	r.turns("fold", "µs", []float64{100, 120, 110}, []float64{100, 100, 100}, "with none").ratioAtMost(1.05)
	r.add("pending", "events", 0).atMost(0)
	r.add("refused", "calls", 1).beside(0, "Alertmanager").atMost(0)
	r.add("beside", "events/s", 600).missing(notInstalled, "Alertmanager")
	var text, raw bytes.Buffer
	r.text(&text)
	require.Equal(t, `2 CPUs, linux/amd64, go1; Alertmanager: 0.25.0; load average unknown before, unknown after; 61 s

WHAT     UNIT      RELAY  REFERENCE      RATIO                TARGET                AGAINST
intake   events/s  600    1000           0.60                 ratio ≥ 0.6: met      bare gin
fold     µs        110    100            1.10 (1.00 to 1.20)  ratio ≤ 1.05: MISSED  with none
pending  events    0      -              -                    ≤ 0: met              
refused  calls     1.00   0              -                    ≤ 0: MISSED           Alertmanager
beside   events/s  600    not installed  -                    -                     Alertmanager
`, text.String())
	text.Reset()
	r.markdown(&text)
	require.Contains(t, text.String(), "| intake | events/s | 600 | 1000 | 0.60 | ratio ≥ 0.6: met | bare gin |\n")
	require.NoError(t, r.json(&raw))
	var back report
	require.NoError(t, json.Unmarshal(raw.Bytes(), &back))
	require.Equal(t, r, &back)
}
