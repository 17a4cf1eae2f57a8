package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
)

func stormProblem(severity alert.Severity) func(n int) alert.Event {
	return func(n int) alert.Event {
		return alert.Event{
			Key: key(n), Kind: alert.KindProblem, Origin: alert.OriginTrigger, Severity: &severity, Exact: true,
			Facts: alert.Facts{Name: fmt.Sprintf("Link down on uplink %d", n%4), Hosts: []alert.Host{{Host: fmt.Sprintf("host-%05d", n)}}},
		}
	}
}

func stormRecovery(n int) alert.Event {
	return alert.Event{Key: key(n), Kind: alert.KindRecovery, Origin: alert.OriginTrigger, Resolved: true, Exact: true}
}

func numbers(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// In a room that accepts five messages a second, a storm of 5,000 problems is posted within 5 s of its last event, in at
// most 12 messages that name them all; a disaster and a reply in the middle take at most 2 s; the recovery takes a few
// edits.
func TestAStormOfFiveThousand(t *testing.T) {
	const problems, perBatch = 5000, 250
	opts := webexsim.Options{PerRoom: webexsim.Rate{PerSecond: 5, Burst: 5}}
	inReality(t, opts, func(t *testing.T, r *real) {
		r.stop()
		r.cfg.Storm = config.Storm{Threshold: 10, Window: config.Duration(5 * time.Second), Individual: alert.Disaster}
		r.rate = 5
		r.start()
		for from := 0; from < problems; from += perBatch {
			r.batch(numbers(from, min(problems, from+perBatch)), stormProblem(alert.High), "noc")
			time.Sleep(200 * time.Millisecond)
			if from < problems/2 && from+perBatch >= problems/2 {
				began := time.Now()
				r.batch([]int{90000}, stormProblem(alert.Disaster), "noc")
				_, err := r.store.AddNotice(context.Background(), store.Notice{Kind: store.NoticeAnswer, Room: "noc", Bot: "noc", Markdown: "the answer"})
				require.NoError(t, err)
				r.d.Notifier.Notify(store.TopicNotices)
				for !r.says("noc", "host-90000") || !r.says("noc", "the answer") {
					time.Sleep(20 * time.Millisecond)
					synctest.Wait()
					require.Less(t, time.Since(began), 2*time.Second)
				}
			}
		}
		time.Sleep(5*time.Second - 200*time.Millisecond) // since the last event
		synctest.Wait()
		roots, replies := r.said("noc")
		require.LessOrEqual(t, len(roots)+len(replies)-3, 12, "beside the disaster, its card and the answer") // it has no Asks, so its card came at once
		r.accounted("noc", problems)
		r.settle(time.Minute)
		roots, replies = r.said("noc")
		require.LessOrEqual(t, len(roots)+len(replies)-3, 12)
		edits := 0
		for _, m := range roots {
			edits += m.Edits
		}

		// The recovery is as fast.
		for from := 0; from < problems; from += perBatch {
			r.batch(numbers(from, min(problems, from+perBatch)), stormRecovery)
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(5*time.Second - 200*time.Millisecond)
		synctest.Wait()
		s, err := r.store.Stats(context.Background())
		require.NoError(t, err)
		require.Zero(t, s.PostsPending, "everything is posted 5 s after the last recovery")
		roots, _ = r.said("noc")
		after := 0
		for _, m := range roots {
			after += m.Edits
			if !strings.Contains(m.Text, "host-90000") && m.Text != "the answer" {
				require.Contains(t, strings.ToLower(m.Text), "resolved")
			}
		}
		require.LessOrEqual(t, after-edits, 12)
		require.Zero(t, r.sim.Stats().Limited, "the pace was kept")
	})
}

func (r *real) says(room, words string) bool {
	roots, _ := r.said(room)
	for _, m := range roots {
		if strings.Contains(m.Text, words) {
			return true
		}
	}
	return false
}

// accounted fails unless exactly one message, or the list in its thread, names each problem.
func (r *real) accounted(room string, problems int) {
	r.t.Helper()
	roots, replies := r.said(room)
	named := map[string]int{}
	for _, m := range roots {
		text := m.Text
		digest := strings.Contains(text, "problems at once")
		if digest {
			for _, reply := range replies {
				if reply.ParentID == m.ID && len(reply.Files) > 0 {
					text = string(reply.Files[0].Content)
				}
			}
		}
		seen := map[string]bool{}
		for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,\r\n()", c) }) {
			if strings.HasPrefix(word, "host-") && !seen[word] {
				seen[word] = true
				named[word]++
			}
		}
	}
	for n := range problems {
		require.Equal(r.t, 1, named[fmt.Sprintf("host-%05d", n)], "problem %d", n)
	}
}
