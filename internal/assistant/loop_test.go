package assistant

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/testlog"
)

// faulty is a store whose calls fail on demand. Its functions are set before the loop starts.
type faulty struct {
	store.Store
	post func() error                 // instead of posting
	lost func() error                 // after posting
	save func(r store.Reminder) error // instead of saving
	next func(limit int, all []store.Reminder)
}

func (f *faulty) NextReminders(ctx context.Context, limit int) ([]store.Reminder, error) {
	all, err := f.Store.NextReminders(ctx, limit)
	if f.next != nil {
		f.next(limit, all)
	}
	return all, err
}

func (f *faulty) PostReminder(ctx context.Context, r store.Reminder, was time.Time, n store.Notice) (id int64, err error) {
	if f.post != nil {
		err = f.post()
	}
	if err == nil {
		id, err = f.Store.PostReminder(ctx, r, was, n)
	}
	if err == nil && f.lost != nil {
		err = f.lost()
	}
	return id, err
}

func (f *faulty) SaveReminder(ctx context.Context, r store.Reminder, was time.Time) error {
	if f.save != nil {
		if err := f.save(r); err != nil {
			return err
		}
	}
	return f.Store.SaveReminder(ctx, r, was)
}

type world struct {
	*testing.T
	store   *faulty
	kinds   map[store.ReminderKind]Kind
	metrics *Metrics
	log     *testlog.Lines
	began   time.Time
}

// newWorld has a store in which a reminder posts its words, and a report daily at 8.
func newWorld(t *testing.T) *world {
	w := &world{T: t, metrics: NewMetrics(prometheus.NewRegistry()), log: new(testlog.Lines), began: time.Now()}
	w.store = &faulty{Store: memory.New(nil)}
	say := func(next time.Duration) Kind {
		return func(_ context.Context, r store.Reminder, now time.Time) (Due, error) {
			d := Due{Notice: &store.Notice{Room: "noc", Markdown: fmt.Sprintf("%s at %s", r.Words, now.Sub(w.began).Round(time.Second))}}
			if next > 0 {
				d.Next = now.Add(next)
			}
			return d, nil
		}
	}
	w.kinds = map[store.ReminderKind]Kind{store.ReminderProblem: say(0), store.ReminderReport: say(24 * time.Hour)}
	return w
}

func (w *world) add(kind store.ReminderKind, words string, in time.Duration) int64 {
	w.Helper()
	id, err := w.store.AddReminder(w.Context(), store.Reminder{Kind: kind, Words: words, Command: words, Due: w.began.Add(in)})
	require.NoError(w, err)
	return id
}

// run runs a loop for a while.
func (w *world) run(d time.Duration) {
	w.Helper()
	notifier := new(store.Local)
	s := store.Waking(w.store, notifier)
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	require.NoError(w, New(Options{Store: s, Kinds: w.kinds, Notifier: notifier, Log: w.log.Logger(), Metrics: w.metrics, Now: time.Now}).Run(ctx))
}

func (w *world) posted() (said []string) {
	w.Helper()
	notices, err := w.store.PendingNotices(w.Context())
	require.NoError(w, err)
	for _, n := range notices {
		require.Equal(w, store.NoticeReminder, n.Kind)
		said = append(said, n.Markdown)
	}
	return said
}

func (w *world) counted(kind store.ReminderKind, result string) float64 {
	return testutil.ToFloat64(w.metrics.due.WithLabelValues(string(kind), result))
}

func inBubble(t *testing.T, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { do(newWorld(t)) })
}

// What is due is posted to the second, once or again and again; what was due while the relay was down is posted at its start, once.
func TestReminders(t *testing.T) {
	inBubble(t, func(w *world) {
		w.add(store.ReminderProblem, "later", 3*time.Hour)
		id := w.add(store.ReminderProblem, "soon", 90*time.Second)
		w.add(store.ReminderReport, "report", time.Hour)
		w.run(26 * time.Hour)
		require.Equal(w, []string{"soon at 1m30s", "report at 1h0m0s", "later at 3h0m0s", "report at 25h0m0s"}, w.posted())
		r, err := w.store.Reminder(w.Context(), id)
		require.NoError(w, err)
		require.Zero(w, r.Due)
		require.EqualValues(w, 1, r.Notice)
		require.Equal(w, 90*time.Second, r.Last.Sub(w.began.UTC().Truncate(time.Microsecond)))
		time.Sleep(70 * time.Hour)
		w.run(time.Minute)
		require.Equal(w, "report at 96h0m0s", w.posted()[4])
		require.Len(w, w.posted(), 5, "three days' reports are one")
		require.EqualValues(w, 3, w.counted(store.ReminderReport, resultPosted))
	})
}

// One that is added while the loop sleeps is posted when it is due, also if that is before all others.
func TestAReminderIsAddedMeanwhile(t *testing.T) {
	inBubble(t, func(w *world) {
		notifier := new(store.Local)
		waking := store.Waking(w.store, notifier)
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		l := New(Options{Store: waking, Kinds: w.kinds, Notifier: notifier, Log: w.log.Logger(), Metrics: w.metrics, Now: time.Now})
		go func() { _ = l.Run(ctx) }()
		synctest.Wait()
		_, err := waking.AddReminder(w.Context(), store.Reminder{Kind: store.ReminderProblem, Words: "soon", Command: "C", Due: time.Now().Add(10 * time.Second)})
		require.NoError(w, err)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Equal(w, []string{"soon at 10s"}, w.posted())
	})
}

// If the relay ends between posting a reminder and noting that, it is posted once. Before posting, it is posted by the next run.
func TestACrashAroundAReminder(t *testing.T) {
	for name, c := range map[string]struct {
		crash func(w *world, died error)
		next  string
	}{
		"before it is posted": {func(w *world, died error) { w.store.post = func() error { return died } }, "25h1m0s"},
		"after it was posted": {func(w *world, died error) { w.store.lost = func() error { return died } }, "24h1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.add(store.ReminderReport, "report", time.Minute)
				c.crash(w, errors.New("the disk is gone"))
				w.run(time.Minute + time.Second)
				w.store.post, w.store.lost = nil, nil
				time.Sleep(time.Hour)
				w.run(time.Minute)
				require.Len(w, w.posted(), 1)
				next, err := w.store.NextReminders(w.Context(), 0)
				require.NoError(w, err)
				require.Equal(w, c.next, next[0].Due.Sub(w.began).Round(time.Minute).String())
			})
		})
	}
}

// One that can't be posted doesn't hold up the others: for good, or until the store recovers.
func TestAReminderFails(t *testing.T) {
	inBubble(t, func(w *world) {
		fail := map[string]error{"damaged": store.ErrRejected, "away": errors.New("away")}
		say := w.kinds[store.ReminderProblem]
		w.kinds[store.ReminderProblem] = func(ctx context.Context, r store.Reminder, now time.Time) (Due, error) {
			if now.Sub(w.began) > time.Minute {
				delete(fail, "away")
			}
			if fail[r.Words] != nil {
				return Due{}, fail[r.Words]
			}
			return say(ctx, r, now)
		}
		for i, words := range []string{"damaged", "away", "fine"} {
			w.add(store.ReminderProblem, words, time.Duration(i)*time.Second)
		}
		w.add("another", "odd", 3*time.Second)
		w.run(2 * time.Minute)
		require.Equal(w, []string{"fine at 2s"}, w.posted()[:1])
		require.Len(w, w.posted(), 2)
		require.Contains(w, w.posted()[1], "away at 1m")
		next, err := w.store.NextReminders(w.Context(), 0)
		require.NoError(w, err)
		require.Empty(w, next)
		require.Contains(w, w.log.String(), "it is left out")
		require.EqualValues(w, 2, w.counted(store.ReminderProblem, resultPosted))
	})
}

// Somebody who moves or removes a reminder in the moment in which it is due isn't overruled.
func TestAReminderIsMovedMeanwhile(t *testing.T) {
	for name, to := range map[string]time.Duration{"moved": time.Hour, "removed": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				id, say := w.add(store.ReminderProblem, "x", time.Minute), w.kinds[store.ReminderProblem]
				w.kinds[store.ReminderProblem] = func(ctx context.Context, r store.Reminder, now time.Time) (Due, error) {
					w.kinds[store.ReminderProblem] = say
					moved := r
					if moved.Due = (time.Time{}); to > 0 {
						moved.Due = now.Add(to)
					}
					require.NoError(w, w.store.SaveReminder(ctx, moved, r.Due))
					return say(ctx, r, now)
				}
				w.run(2 * time.Minute)
				r, err := w.store.Reminder(w.Context(), id)
				require.NoError(w, err)
				require.Equal(w, to == 0, r.Due.IsZero())
				w.run(2 * time.Hour)
				require.Len(w, w.posted(), map[bool]int{true: 0, false: 1}[to == 0])
			})
		})
	}
}

// A thousand reminders at once are all enqueued, in their order; delivery paces them.
func TestAThousandRemindersAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		var want []string
		for i := range 1000 {
			words := fmt.Sprintf("no %d", i)
			w.add(store.ReminderProblem, words, time.Hour)
			want = append(want, words+" at 1h0m0s")
		}
		w.run(time.Hour + time.Second)
		require.Equal(w, want, w.posted())
	})
}

// While too many files wait to be sent, a report goes without its own.
func TestAReportWithoutItsFile(t *testing.T) {
	inBubble(t, func(w *world) {
		refuse := true
		w.store.post = func() error {
			defer func() { refuse = false }()
			if refuse {
				return store.ErrFull
			}
			return nil
		}
		w.kinds[store.ReminderReport] = func(context.Context, store.Reminder, time.Time) (Due, error) {
			return Due{Notice: &store.Notice{Room: "noc", Markdown: "x", File: &store.File{Name: "report.md", Content: []byte("y")}}}, nil
		}
		w.add(store.ReminderReport, "report", 0)
		w.run(time.Second)
		notices, err := w.store.PendingNotices(w.Context())
		require.NoError(w, err)
		require.Len(w, notices, 1)
		require.Nil(w, notices[0].File)
	})
}

// Reminders that fail again and again, however many, don't delay those behind them, and are tried again less and less often.
func TestFailingRemindersDelayNoOther(t *testing.T) {
	inBubble(t, func(w *world) {
		say, tries := w.kinds[store.ReminderProblem], map[string]int{}
		w.kinds[store.ReminderProblem] = func(ctx context.Context, r store.Reminder, now time.Time) (Due, error) {
			if r.Words != "fine" {
				tries[r.Words]++
				return Due{}, errors.New("no answer")
			}
			return say(ctx, r, now)
		}
		const failing = 2*batch + 10
		for i := range failing {
			w.add(store.ReminderProblem, fmt.Sprint("failing ", i), time.Duration(i%2)*time.Second)
		}
		w.add(store.ReminderProblem, "fine", 90*time.Second)
		reads := 0
		w.store.next = func(limit int, _ []store.Reminder) {
			reads++
			require.LessOrEqual(w, limit, batch+failing)
			require.Less(w, reads, 1000, "it reads again and again")
		}
		w.run(10 * time.Minute)
		require.Equal(w, []string{"fine at 1m30s"}, w.posted())
		require.Len(w, tries, failing)
		for words, n := range tries {
			require.InDelta(w, 15, n, 2, words)
		}
	})
}

// One that was moved doesn't wait for its next try, and one that was removed isn't tried again.
func TestAFailingReminderIsMoved(t *testing.T) {
	inBubble(t, func(w *world) {
		say, tries := w.kinds[store.ReminderProblem], 0
		w.kinds[store.ReminderProblem] = func(ctx context.Context, r store.Reminder, now time.Time) (Due, error) {
			if tries++; now.Sub(w.began) < 4*time.Minute {
				return Due{}, errors.New("no answer")
			}
			return say(ctx, r, now)
		}
		moved, removed := w.add(store.ReminderProblem, "moved", 0), w.add(store.ReminderProblem, "removed", 0)
		w.run(4*time.Minute - 30*time.Second)
		for id, to := range map[int64]time.Time{moved: w.began.Add(4*time.Minute + time.Second), removed: {}} {
			r, err := w.store.Reminder(w.Context(), id)
			require.NoError(w, err)
			was := r.Due
			r.Due = to
			require.NoError(w, w.store.SaveReminder(w.Context(), r, was))
		}
		tries = 0
		w.run(time.Minute)
		require.Equal(w, []string{"moved at 4m1s"}, w.posted())
		require.Equal(w, 1, tries)
	})
}

// However many are due at once, around the size of a batch, each is posted at once, and the one after them at its time. No more than a
// batch is read at a time.
func TestBatches(t *testing.T) {
	for _, n := range []int{1, batch - 1, batch, batch + 1, 3 * batch} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(w *world) {
				var want []string
				for i := range n {
					w.add(store.ReminderProblem, fmt.Sprint(i), time.Minute)
					want = append(want, fmt.Sprint(i, " at 1m0s"))
				}
				w.add(store.ReminderProblem, "next", 90*time.Second)
				reads := 0
				w.store.next = func(limit int, all []store.Reminder) {
					reads++
					require.Equal(w, batch, limit)
				}
				ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
				defer cancel()
				// Nothing wakes this loop: what isn't in a batch is read at once.
				require.NoError(w, New(Options{Store: w.store, Kinds: w.kinds, Log: w.log.Logger(), Metrics: w.metrics, Now: time.Now}).Run(ctx))
				require.Equal(w, append(want, "next at 1m30s"), w.posted())
				require.LessOrEqual(w, reads, 5+n/batch)
			})
		})
	}
}

// A report that fails, even for a reason that looks lasting, is tried again, or comes at its next time. It ends only if its kind says so,
// or this relay doesn't know it.
func TestAFailureEndsNoReport(t *testing.T) {
	for name, c := range map[string]struct {
		kind   store.ReminderKind
		failed Due
		err    error
		want   []string // until the day after the next one
	}{
		"its zone can't be read":     {store.ReminderReport, Due{}, store.ErrRejected, []string{"report at 1h0m", "report at 25h0m"}},
		"its problems can't be read": {store.ReminderReport, Due{Next: time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC)}, store.ErrRejected, []string{"report at 2h0m", "report at 26h0m"}},
		"its store is away":          {store.ReminderReport, Due{}, errors.New("away"), []string{"report at 1h0m", "report at 25h0m"}},
		"its room is closed":         {store.ReminderReport, Due{Why: "closed"}, nil, nil},
		"its kind is unknown":        {"another", Due{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				say := w.kinds[store.ReminderReport]
				w.kinds[store.ReminderReport] = func(ctx context.Context, r store.Reminder, now time.Time) (Due, error) {
					if now.Sub(w.began) < time.Hour {
						return c.failed, c.err
					}
					return say(ctx, r, now)
				}
				_, err := w.store.AddReminder(w.Context(), store.Reminder{Kind: c.kind, Words: "report", Command: "C", Due: w.began.Add(30 * time.Second), Schedule: "08:00 daily"})
				require.NoError(w, err)
				w.run(30 * time.Hour)
				require.Len(w, w.posted(), len(c.want))
				for i, said := range w.posted() {
					require.Contains(w, said, c.want[i])
				}
				next, err := w.store.NextReminders(w.Context(), 0)
				require.NoError(w, err)
				require.Len(w, next, min(1, len(c.want)))
			})
		})
	}
}
