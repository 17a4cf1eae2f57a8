package zabbix

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/testdata"
)

// The cost of every event: parsing before the 202, and decoding afterwards.
func BenchmarkPayload(b *testing.B) {
	data, err := testdata.Fixtures.ReadFile("fixtures/zabbix-7.0/events/problem-severity-4.json")
	require.NoError(b, err)
	var line bytes.Buffer
	require.NoError(b, json.Compact(&line, data))
	body := line.Bytes()
	p, faults := Parse(body)
	require.Empty(b, faults)
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p, faults = Parse(body)
		}
	})
	b.Run("Event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err = p.Event(DecodeOptions{Source: "main", Location: time.UTC, ReceivedAt: received})
		}
	})
	require.NoError(b, err)
}

// From a payload to a problem that can be stored: the work of the ledger for each event.
func BenchmarkPayloadToProblem(b *testing.B) {
	body := readFixture(b, "zabbix-7.0/events/problem-severity-4.json")
	b.ReportAllocs()
	for b.Loop() {
		p, _ := Parse(body)
		e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: received})
		if err != nil {
			b.Fatal(err)
		}
		problem, _ := alert.Apply(alert.Problem{}, e)
		if _, err := json.Marshal(problem); err != nil {
			b.Fatal(err)
		}
	}
}
