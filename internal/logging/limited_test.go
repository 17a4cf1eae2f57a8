package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// output is a log that tests read line by line.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// lines returns what was logged since the last call.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.TrimSpace(o.b.String())
	o.b.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func limited() (*Limited, *output) {
	o := &output{}
	log := slog.New(slog.NewTextHandler(o, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return NewLimited(log, time.Minute), o
}

// Events that strangers cause are at most one line a minute per reason, and the counts are complete.
func TestOneLineAMinutePerReason(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []time.Duration // when they happen, for one reason
		want   []string        // the counts of the lines: "" for the first one
	}{
		{"one event", []time.Duration{0}, []string{""}},
		{"two at once", []time.Duration{0, 0}, []string{"", "count=1"}},
		{"a burst", evenly(1000, time.Millisecond), []string{"", "count=999"}},
		{"a flood for three minutes", evenly(164, 1100*time.Millisecond), []string{"", "count=54", "count=55", "count=54"}},
		{"one again after the minute", []time.Duration{0, 61 * time.Second}, []string{"", ""}},
		{"a burst, a pause, one more", []time.Duration{0, time.Second, 3 * time.Minute}, []string{"", "count=1", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, o := limited()
				start := time.Now()
				for i, at := range test.events {
					time.Sleep(at - time.Since(start))
					l.Warn("signature", "wrong signature", "event", i)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				var got []string
				for _, line := range o.lines() {
					require.Contains(t, line, `level=WARN msg="wrong signature" event=`)
					got = append(got, "")
					if i := strings.Index(line, "count="); i >= 0 {
						require.Contains(t, line, "within=1m0s")
						got[len(got)-1] = strings.Fields(line[i:])[0]
					}
				}
				require.Equal(t, test.want, got)
				require.Empty(t, l.pending, "reasons that went quiet are forgotten")
			})
		})
	}
}

// evenly returns n times at equal distances.
func evenly(n int, apart time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(i) * apart
	}
	return all
}

func TestReasonsAreLimitedIndependently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := limited()
		for range 10 {
			l.Warn("signature", "wrong signature")
			l.Log(slog.LevelInfo, "room", "unknown room")
		}
		require.Equal(t, []string{`level=WARN msg="wrong signature"`, `level=INFO msg="unknown room"`}, o.lines())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []string{
			`level=WARN msg="wrong signature" count=9 within=1m0s`, `level=INFO msg="unknown room" count=9 within=1m0s`,
		}, o.lines())
		time.Sleep(time.Minute)
	})
}

// Even with untrusted text as the reason, the log and the memory stay bounded.
func TestReasonsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := limited()
		for i := range 10 * maxReasons {
			l.Warn(fmt.Sprint("reason ", i), "refused")
		}
		l.mu.Lock()
		require.LessOrEqual(t, len(l.pending), maxReasons+1)
		l.mu.Unlock()
		require.LessOrEqual(t, len(o.lines()), maxReasons+1)
		time.Sleep(2 * time.Minute)
	})
}
