package receiver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testdata"
)

// counting is a journal that keeps nothing.
type counting struct{ entries atomic.Int64 }

func (c *counting) Append(context.Context, store.Entry) (int64, error) {
	return c.entries.Add(1), nil
}

// bare is what the reference handler decodes the same body into, and validates.
type bare struct {
	EventID   string `json:"EVENT.ID" binding:"required,numeric,max=20"`
	Value     string `json:"EVENT.VALUE" binding:"required,oneof=0 1"`
	Source    string `json:"EVENT.SOURCE" binding:"required,oneof=0 1 2 3 4"`
	Severity  string `json:"EVENT.NSEVERITY" binding:"omitempty,oneof=0 1 2 3 4 5"`
	Name      string `json:"EVENT.NAME" binding:"required"`
	Date      string `json:"EVENT.DATE" binding:"required"`
	Time      string `json:"EVENT.TIME" binding:"required"`
	Tags      string `json:"EVENT.TAGSJSON"`
	OpData    string `json:"EVENT.OPDATA"`
	Host      string `json:"HOST.HOST"`
	HostName  string `json:"HOST.NAME"`
	SendTo    string `json:"ALERT.SENDTO" binding:"required"`
	Message   string `json:"ALERT.MESSAGE"`
	TriggerID string `json:"TRIGGER.ID"`
}

func bareHandler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.POST("/v1/zabbix/events", func(c *gin.Context) {
		var b bare
		if err := c.ShouldBindJSON(&b); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusAccepted, gin.H{"problem": "main/" + b.EventID})
	})
	return e
}

// payload is a recorded problem as Zabbix sends it: on one line.
func payload(t testing.TB) []byte {
	data, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/problem-severity-4.json")
	require.NoError(t, err)
	var line bytes.Buffer
	require.NoError(t, json.Compact(&line, data))
	return line.Bytes()
}

// blast sends n requests over so many connections at once, and gives the time
// it took. The client does as little as it can: it shares the processors.
func blast(t testing.TB, addr string, request []byte, connections, n int) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	faults := make(chan error, connections)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for range connections {
		ready.Add(1)
		done.Go(func() {
			conn, err := net.Dial("tcp", addr)
			ready.Done()
			if err != nil {
				faults <- err
				return
			}
			defer conn.Close()
			<-start
			in := bufio.NewReader(conn)
			for left.Add(-1) >= 0 {
				if _, err := conn.Write(request); err != nil {
					faults <- err
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					faults <- err
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusAccepted {
					faults <- fmt.Errorf("answered %s", resp.Status)
					return
				}
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)
	close(faults)
	for err := range faults {
		require.NoError(t, err)
	}
	return took
}

// rawRequest is one whole request as bytes.
func rawRequest(body []byte, header map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/zabbix/events HTTP/1.1\r\nHost: relay\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	for k, v := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// BenchmarkIntake compares the events endpoint, signature and all but the disk,
// with a bare gin handler that decodes and validates the same body, over 64
// connections in turns in the same run. The figure "ratio" is the receiver's rate
// divided by the bare handler's.
func BenchmarkIntake(b *testing.B) {
	const connections, round = 64, 4000
	body := payload(b)
	journal := &counting{}
	r := New(Options{
		Sources: []Source{{"main", []string{secret}}}, Journal: journal, Now: func() time.Time { return now }, Metrics: NewMetrics(prometheus.NewRegistry()),
		Link: func(key alert.Key) string { return "https://relay.example.com" + LinkPath(key) },
	})
	ts := strconv.FormatInt(now.Unix(), 10)
	ours := httptest.NewServer(r.Handler())
	defer ours.Close()
	theirs := httptest.NewServer(bareHandler())
	defer theirs.Close()
	signedRequest := rawRequest(body, map[string]string{HeaderTimestamp: ts, HeaderSignature: Sign(secret, ts, body)})
	bareRequest := rawRequest(body, nil)
	var mine, reference time.Duration
	rounds := 0
	for b.Loop() {
		mine += blast(b, ours.Listener.Addr().String(), signedRequest, connections, round)
		reference += blast(b, theirs.Listener.Addr().String(), bareRequest, connections, round)
		rounds++
	}
	rate := func(took time.Duration) float64 { return float64(rounds*round) / took.Seconds() }
	b.ReportMetric(rate(mine), "receiver/s")
	b.ReportMetric(rate(reference), "bare/s")
	b.ReportMetric(rate(mine)/rate(reference), "ratio")
	require.Equal(b, int64(rounds*round), journal.entries.Load())
}

// BenchmarkEvent is the handler alone: no network.
func BenchmarkEvent(b *testing.B) {
	body := payload(b)
	ts := strconv.FormatInt(now.Unix(), 10)
	signature := Sign(secret, ts, body)
	r := New(Options{Sources: []Source{{"main", []string{secret}}}, Journal: &counting{}, Now: func() time.Time { return now }, Metrics: NewMetrics(prometheus.NewRegistry())})
	for name, h := range map[string]http.Handler{"receiver": r.Handler(), "bare": bareHandler()} {
		b.Run(name, func(b *testing.B) {
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
		})
	}
}
