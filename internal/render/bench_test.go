package render

import (
	"testing"
	"time"
)

func BenchmarkRoot(b *testing.B) {
	r, err := New(Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	if err != nil {
		b.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	room := Room{Name: "noc", Location: berlin}
	for _, sample := range []string{"open", "acknowledged", "resolved", "hostile"} {
		p := Samples()[sample]
		b.Run(sample, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = r.Root(p, room, SamplesNow)
			}
		})
	}
}
