package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

// counting is an intake that only counts.
type counting struct {
	Intake
	entries atomic.Int64
}

func (c *counting) Append(context.Context, store.Entry) (int64, error) {
	return c.entries.Add(1), nil
}

// payload returns a recorded problem in the parameters of our media type; those that Zabbix didn't resolve are unresolved.
func payload(t testing.TB) []byte {
	var export struct {
		Export struct {
			MediaTypes []struct {
				Parameters []struct{ Name, Value string }
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	require.NoError(t, yaml.Unmarshal(mediatype.MediaType, &export))
	data, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/problem-severity-4.json")
	require.NoError(t, err)
	var recorded map[string]string
	require.NoError(t, json.Unmarshal(data, &recorded))
	sent := map[string]string{}
	for _, p := range export.Export.MediaTypes[0].Parameters {
		switch p.Name {
		case "URL", "SECRET", "HTTP_PROXY": // not sent
			continue
		}
		sent[p.Name] = p.Value
		if v, ok := recorded[p.Name]; ok {
			sent[p.Name] = v
		}
	}
	sent["SOURCE"] = "main"
	line, err := json.Marshal(sent)
	require.NoError(t, err)
	return line
}

// answered discards an answer.
type answered struct {
	header http.Header
	status int
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) Write(b []byte) (int, error) { return len(b), nil }
func (a *answered) WriteHeader(status int)      { a.status = status }

// BenchmarkEvent measures the handler alone, without network and disk. "go run ./bench" compares intake with a bare handler.
func BenchmarkEvent(b *testing.B) {
	body := payload(b)
	ts := strconv.FormatInt(now.Unix(), 10)
	r := New(Options{
		Sources: []Source{{"main", []string{secret}}}, Intake: &counting{}, Now: func() time.Time { return now }, Metrics: NewMetrics(prometheus.NewRegistry()),
		PublicURL: "https://relay.example.com",
	})
	h := r.Handler()
	in := bytes.NewReader(body)
	req := httptest.NewRequest(http.MethodPost, "/v1/zabbix/events", nil)
	req.ContentLength = int64(len(body))
	req.Header.Set(HeaderTimestamp, ts)
	req.Header.Set(HeaderSignature, Sign(secret, ts, body))
	out := &answered{header: http.Header{}}
	b.Run("Handler", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in.Reset(body)
			req.Body = io.NopCloser(in)
			h.ServeHTTP(out, req)
			if out.status != http.StatusAccepted {
				b.Fatal(out.status)
			}
		}
	})
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			zabbix.Parse(body)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		p, _ := zabbix.Parse(body)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.Event(zabbix.DecodeOptions{Source: "main", Location: time.UTC, ReceivedAt: now})
		}
	})
}
