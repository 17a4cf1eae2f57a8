package alert

import (
	"encoding/json"
	"fmt"
	"testing"
)

// benchmarkEvents are those of a usual problem: opened, acknowledged, answered by the API, resolved.
func benchmarkEvents() []Event {
	problem := problemEvent()
	problem.Facts.Macros = map[string]string{}
	for i := range 40 {
		problem.Facts.Macros[fmt.Sprintf("macro.number.%d", i)] = "some value of the usual length"
	}
	problem.Facts.TriggerDescription = "What to do:\n1. look\n2. fix"
	return []Event{problem, own, echo, api, recoveryEvent(60, 63)}
}

func BenchmarkApply(b *testing.B) {
	events := benchmarkEvents()
	var before Problem
	for _, e := range events {
		b.Run(string(e.Kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Apply(before, e)
			}
		})
		before, _ = Apply(before, e)
	}
}

// As the ledger does: read the problem, apply the event, write the problem.
func BenchmarkFoldOneEvent(b *testing.B) {
	events := benchmarkEvents()
	b.ReportAllocs()
	var raw []byte
	i := 0
	for b.Loop() {
		var p Problem
		if i%len(events) > 0 {
			if err := json.Unmarshal(raw, &p); err != nil {
				b.Fatal(err)
			}
		}
		p, _ = Apply(p, events[i%len(events)])
		raw, _ = json.Marshal(p)
		i++
	}
	b.ReportMetric(float64(len(raw)), "bytes/problem")
}

// A problem is written as the store does, and read back.
func BenchmarkDocument(b *testing.B) {
	p, _ := Apply(Problem{}, benchmarkEvents()[0])
	doc, err := json.Marshal(p)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(p)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var back Problem
			_ = json.Unmarshal(doc, &back)
		}
	})
}
