package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testdata"
)

// counting is a journal that keeps nothing.
type counting struct{ entries atomic.Int64 }

func (c *counting) Append(context.Context, store.Entry) (int64, error) {
	return c.entries.Add(1), nil
}

// payload is a recorded problem as Zabbix sends it: on one line.
func payload(t testing.TB) []byte {
	data, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/problem-severity-4.json")
	require.NoError(t, err)
	var line bytes.Buffer
	require.NoError(t, json.Compact(&line, data))
	return line.Bytes()
}

// BenchmarkEvent is the handler alone: no network, no disk. What intake costs beside a bare
// handler: go run ./bench.
func BenchmarkEvent(b *testing.B) {
	body := payload(b)
	ts := strconv.FormatInt(now.Unix(), 10)
	signature := Sign(secret, ts, body)
	r := New(Options{Sources: []Source{{"main", []string{secret}}}, Journal: &counting{}, Now: func() time.Time { return now }, Metrics: NewMetrics(prometheus.NewRegistry())})
	h := r.Handler()
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/v1/zabbix/events", bytes.NewReader(body))
		req.Header.Set(HeaderTimestamp, ts)
		req.Header.Set(HeaderSignature, signature)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != http.StatusAccepted {
			b.Fatal(rec.Code, rec.Body)
		}
	}
}
