package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/zabbix"
)

// rig is a simulated Zabbix whose webhooks reach the relay only when a test says so, and a relay with one room.
type rig struct {
	t       *testing.T
	z       *zabbixsim.Server
	store   *memory.Store
	sweeps  *Sweeps
	metrics *Metrics
	fold    *ledger.Metrics
	log     *counting
	stop    func()
	version string
	set     Settings

	configured func(string) bool

	mu   sync.Mutex
	sent []string // notices
}

func newRig(t *testing.T, version string) *rig {
	z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
	require.NoError(t, err)
	return &rig{t: t, z: z, store: memory.New(nil), log: &counting{}, version: version, set: Settings{Interval: time.Minute, MaxAge: 24 * time.Hour}}
}

// known makes the source one that the store has known before.
func (r *rig) known() *rig {
	require.NoError(r.t, r.store.SetValue(r.t.Context(), firstValue+"main", firstDone))
	return r
}

// start starts the relay.
func (r *rig) start() *rig {
	transport, hangUp := memnet.Serve("zabbix.test:80", r.z)
	client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport, Log: slog.New(r.log)})
	notifier := &store.Local{}
	waking := store.Waking(r.store, notifier)
	r.metrics, r.fold = NewMetrics(prometheus.NewRegistry(), []string{"main"}), ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"})
	q := NewInquirer(Options{Sources: map[string]Observer{"main": client}, Journal: waking, Log: slog.New(slog.DiscardHandler), Metrics: r.metrics,
		Gone: func(key alert.Key, at time.Time) { r.sweeps.Gone(key, at) }})
	r.sweeps = NewSweeps(SweepOptions{Sources: map[string]Lister{"main": client}, Settings: r.set, Configured: r.configured, Store: waking, Inquirer: q, Log: slog.New(r.log), Metrics: r.metrics,
		Notices: Notices{
			First: func(source string, found []store.Unposted) []store.Notice {
				r.sent = append(r.notices(), fmt.Sprint("first ", found))
				return []store.Notice{{Kind: store.NoticeSystem, Room: "noc", Dedup: source, Text: "first"}}
			},
		}})
	fold := ledger.New(ledger.Options{
		Store: waking, Notifier: notifier, Log: slog.New(slog.DiscardHandler), Metrics: r.fold,
		Rules: ledger.Rules{Rooms: func(alert.Problem, string, time.Time) []route.Target { return []route.Target{{Room: "noc"}} }, OrphanWait: func() time.Duration { return 2 * time.Minute }},
		Decode: func(e store.Entry) (ledger.Decoded, error) {
			payload, faults := zabbix.Parse(e.Payload)
			require.Empty(r.t, faults)
			event, err := payload.Event(zabbix.DecodeOptions{Source: e.Source, Location: time.UTC, ReceivedAt: e.ReceivedAt})
			return ledger.Decoded{Event: event}, err
		},
		Learned: func(keys []alert.Key) { q.AskAll(keys, time.Second) },
	})
	ctx, stop := context.WithCancel(r.t.Context())
	parts := []func(context.Context) error{q.Run, r.sweeps.Run, fold.Run}
	done := make(chan struct{}, len(parts))
	for _, run := range parts {
		go func() { _ = run(ctx); done <- struct{}{} }()
	}
	r.stop = func() {
		stop()
		for range parts {
			<-done
		}
		hangUp()
	}
	return r
}

// notices returns those that were sent.
func (r *rig) notices() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func (r *rig) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (r *rig) raise() int64 { return r.z.Raise(r.z.Triggers()[0]) }

// webhook delivers Zabbix's message about a problem.
func (r *rig) webhook(kind alert.Kind, id int64) {
	p, ok := r.z.Problem(id)
	require.True(r.t, ok)
	m := map[string]string{"EVENT.ID": strconv.FormatInt(id, 10), "EVENT.NAME": p.Trigger.Name, "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.VALUE": "1",
		"EVENT.NSEVERITY": strconv.Itoa(int(p.Severity)), "EVENT.TIMESTAMP": strconv.FormatInt(p.Opened.Unix(), 10), "TIMESTAMP": strconv.FormatInt(time.Now().Unix(), 10),
		"TRIGGER.ID": p.Trigger.ID}
	switch kind {
	case alert.KindRecovery:
		if p.Resolved.IsZero() { // as before Zabbix was restored from a backup
			p.Resolved, p.RecoveryID = time.Now(), id+1000
		}
		m["EVENT.VALUE"], m["EVENT.RECOVERY.ID"], m["EVENT.RECOVERY.TIMESTAMP"] = "0", strconv.FormatInt(p.RecoveryID, 10), strconv.FormatInt(p.Resolved.Unix(), 10)
	case alert.KindUpdate:
		last := p.Acks[len(p.Acks)-1]
		m["EVENT.UPDATE.STATUS"], m["EVENT.UPDATE.ACTION"], m["EVENT.UPDATE.MESSAGE"] = "1", "acknowledged", last.Message
		m["EVENT.UPDATE.TIMESTAMP"], m["EVENT.ACK.STATUS"] = strconv.FormatInt(last.At.Unix(), 10), "Yes"
	}
	payload, err := json.Marshal(m)
	require.NoError(r.t, err)
	_, err = store.Waking(r.store, &store.Local{}).Append(r.t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: payload, ReceivedAt: time.Now()})
	require.NoError(r.t, err)
	r.pass(3 * time.Second) // the fold polls
}

// told raises a problem of which the relay is told.
func (r *rig) told() int64 {
	id := r.raise()
	r.webhook(alert.KindProblem, id)
	return id
}

func (r *rig) problem(id int64) alert.Problem {
	found, err := r.store.Problems(r.t.Context(), []alert.Key{{Source: "main", EventID: strconv.FormatInt(id, 10)}})
	require.NoError(r.t, err)
	for _, p := range found {
		return p
	}
	return alert.Problem{}
}

// posted reports whether the room is to show a problem.
func (r *rig) posted(id int64) bool {
	key := alert.Key{Source: "main", EventID: strconv.FormatInt(id, 10)}
	posts, err := r.store.PostsOf(r.t.Context(), []alert.Key{key})
	require.NoError(r.t, err)
	return len(posts[key]) == 1 && posts[key][0].Pending()
}

// found is what was counted as found.
func (r *rig) found() string {
	var all []string
	for _, kind := range alert.FoundKinds {
		n := r.fold.FoundSoFar("main", kind)
		require.Equal(r.t, float64(n), testutil.ToFloat64(r.fold.Found.WithLabelValues("main", string(kind))))
		if n > 0 {
			all = append(all, fmt.Sprint(kind, " ", n))
		}
	}
	return strings.Join(all, ", ")
}

// Problems, recoveries, acknowledgements, comments and changes of severity of which Zabbix's message never comes are found within an
// interval and the grace, and marked.
func TestFindsWhatWebhooksMissed(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, version).known().start()
				defer r.stop()
				resolved, acked, severe, same := r.told(), r.told(), r.told(), r.told()
				require.Empty(t, r.found())
				r.pass(2 * time.Minute)
				raised := r.raise()
				r.z.Resolve(resolved)
				require.NoError(t, r.z.Do("bob", acked, zabbixsim.Acknowledge, "", 0))
				require.NoError(t, r.z.Do("bob", severe, zabbixsim.Severity, "", alert.Disaster))
				r.pass(r.set.Interval + grace + 3*time.Second)
				require.Equal(t, "problem 1, recovery 1, update 2", r.found())
				require.Equal(t, alert.StateResolved, r.problem(resolved).State)
				require.True(t, r.problem(acked).Acknowledged)
				require.Equal(t, alert.Disaster, r.problem(severe).Severity)
				require.True(t, r.problem(raised).Found())
				require.True(t, r.posted(raised))
				require.False(t, r.problem(same).Found())

				// Comments change no count. The next full round finds them.
				require.NoError(t, r.z.Do("bob", same, zabbixsim.Comment, "hm", 0))
				r.pass(fullEvery + r.set.Interval + grace + 3*time.Second)
				require.Equal(t, "problem 1, recovery 1, update 3", r.found())
				require.Equal(t, "hm", r.problem(same).LastComment().Message)

				// When the messages come after all, nothing is posted again.
				revision := r.problem(resolved).Revision
				r.webhook(alert.KindRecovery, resolved)
				require.Equal(t, revision, r.problem(resolved).Revision)
				r.webhook(alert.KindProblem, raised)
				require.False(t, r.problem(raised).Found(), "it isn't marked any more")
				require.Equal(t, "problem 1, recovery 1, update 3", r.found())
				require.Zero(t, r.log.warned())
			})
		})
	}
}

// What Zabbix's messages bring within the grace is never counted or marked as found, whenever the round is.
func TestOrdinaryMessagesAreNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22")
		r.set.Interval = time.Second
		r.known().start()
		defer r.stop()
		for range 10 {
			id := r.raise()
			r.pass(11 * time.Second)
			r.webhook(alert.KindProblem, id)
			require.NoError(t, r.z.Do("bob", id, zabbixsim.Acknowledge, "", 0))
			r.pass(21 * time.Second)
			r.webhook(alert.KindUpdate, id)
			r.z.Resolve(id)
			r.pass(30 * time.Second)
			r.webhook(alert.KindRecovery, id)
		}
		r.pass(15 * time.Minute)
		require.Empty(t, r.found())
	})
}

// A round in which nothing differs is one request, and reads no problem. Every ten minutes everything is listed.
func TestQuietRounds(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, version).known()
			for range 3 {
				r.raise()
			}
			for range 2 { // suppressed ones are listed
				require.NoError(t, r.z.Maintain(r.raise(), 100*time.Hour))
			}
			r.start()
			defer r.stop()
			r.pass(5*time.Minute + 10*time.Second)
			before := r.z.Calls()
			rounds := testutil.ToFloat64(r.metrics.Rounds.WithLabelValues("main", "full", "ok"))
			r.pass(time.Hour)
			after := r.z.Calls()
			require.Equal(t, before["event.get"], after["event.get"], version)
			require.Equal(t, 60, after["problem.get"]-before["problem.get"])
			require.Equal(t, 6., testutil.ToFloat64(r.metrics.Rounds.WithLabelValues("main", "full", "ok"))-rounds)
		})
	}
}

// A rank that somebody changes in Zabbix is noticed within an interval, where ranks exist. It isn't marked: Zabbix sends no message of it.
func TestRanksAreFound(t *testing.T) {
	for _, version := range zabbixsim.Versions[2:] {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, version).known().start()
				defer r.stop()
				cause, symptom := r.told(), r.told()
				r.pass(time.Minute)
				r.z.Rank(symptom, cause)
				r.pass(r.set.Interval + 3*time.Second)
				require.Equal(t, strconv.FormatInt(cause, 10), r.problem(symptom).CauseEventID)
				r.z.Rank(symptom, 0)
				r.pass(r.set.Interval + 3*time.Second)
				require.Empty(t, r.problem(symptom).CauseEventID)
				require.Empty(t, r.found())
			})
		})
	}
}

// A maintenance that begins over an open problem, and its early end, are noticed within an interval. They aren't marked: Zabbix sends no
// message of them.
func TestSuppressionsAreFound(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, version).known().start()
				defer r.stop()
				one, two := r.told(), r.told()
				r.pass(time.Minute)
				hidden := func() (ids []int64) {
					for _, id := range []int64{one, two} {
						if r.problem(id).Suppressed {
							ids = append(ids, id)
						}
					}
					return ids
				}
				require.Empty(t, hidden())
				require.NoError(t, r.z.Maintain(one, 10*time.Hour))
				r.pass(r.set.Interval + 3*time.Second)
				require.Equal(t, []int64{one}, hidden())
				require.NoError(t, r.z.Maintain(one, 0))
				require.NoError(t, r.z.Maintain(two, 10*time.Hour))
				r.pass(r.set.Interval + 3*time.Second)
				require.Equal(t, []int64{two}, hidden(), "though their number is the same")
				require.NoError(t, r.z.Maintain(two, 0))
				r.pass(r.set.Interval + 3*time.Second)
				require.Empty(t, hidden())
				require.Empty(t, r.found())
			})
		})
	}
}

// Whatever Zabbix answers instead of its list, nothing changes, the log has one line, and what differs is found once the list is back.
func TestFailingLists(t *testing.T) {
	for _, breaks := range []string{"page-500", "page-429", "page-401", "login-page", "lost-cut", "empty", "wrong-type", "null-result", "other-json", "database-away",
		"forbid:problem.get", "list", "truncated"} {
		t.Run(breaks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "7.0.22").known().start()
				defer r.stop()
				resolved, open := r.told(), r.told()
				r.pass(2 * time.Minute)
				require.NoError(t, r.z.Break("only:problem.get"))
				require.NoError(t, r.z.Break(breaks))
				r.z.Resolve(resolved)
				asked := r.z.Calls()
				r.pass(30 * time.Minute)
				calls := r.z.Calls()
				require.True(t, r.problem(resolved).Open())
				require.Equal(t, asked["event.get"], calls["event.get"])
				require.Less(t, calls["problem.get"]-asked["problem.get"], 42, "it isn't flooded with calls")
				require.Equal(t, 1, r.log.warned())

				r.z.Mend()
				r.pass(2*time.Minute + grace)
				require.False(t, r.problem(resolved).Open())
				require.True(t, r.problem(open).Open())
				require.Equal(t, "recovery 1", r.found())
				require.Equal(t, 1, r.log.warned())
			})
		})
	}
}

// A problem that opened longer than max_age ago is known without being posted, and isn't counted. It is posted once Zabbix reports a
// change, or it becomes more severe.
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known()
		old, severe, commented, resolved := r.raise(), r.raise(), r.raise(), r.raise()
		r.pass(23 * time.Hour)
		young := r.raise()
		r.pass(2 * time.Hour)
		r.start()
		defer r.stop()
		r.pass(grace + 5*time.Second)
		require.True(t, r.posted(young))
		require.Equal(t, "problem 1", r.found())
		for _, id := range []int64{old, severe, commented, resolved} {
			require.Equal(t, alert.StateOpen, r.problem(id).State)
			require.False(t, r.posted(id))
			require.False(t, r.problem(id).Found())
		}
		require.NoError(t, r.z.Do("bob", old, zabbixsim.Acknowledge, "", 0))
		require.NoError(t, r.z.Do("bob", severe, zabbixsim.Severity, "", alert.Disaster))
		require.NoError(t, r.z.Do("bob", commented, zabbixsim.Comment, "hm", 0))
		r.z.Resolve(resolved)
		r.webhook(alert.KindUpdate, commented)
		r.pass(2*time.Minute + grace)
		require.True(t, r.problem(old).Acknowledged)
		require.False(t, r.posted(old))
		require.True(t, r.posted(severe))
		require.True(t, r.posted(commented))
		require.False(t, r.problem(resolved).Open())
		require.False(t, r.posted(resolved))
	})
}

// A relay that is new to a Zabbix posts nothing that was open before. Each room gets one message, also if the relay is restarted
// meanwhile. Later problems are posted.
func TestANewRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22")
		var ids []int64
		for range 1200 {
			ids = append(ids, r.raise())
		}
		r.pass(time.Minute)
		require.NoError(t, r.z.Break("slow:50ms"))
		r.start()
		r.pass(5 * time.Second)
		r.stop()
		known, err := r.store.OpenStates(t.Context(), "main", time.Now())
		require.NoError(t, err)
		require.NotEmpty(t, known)
		require.Less(t, len(known), len(ids))
		require.Empty(t, r.notices())
		later := r.raise()
		r.start()
		defer r.stop()
		r.pass(5 * time.Minute)
		for _, id := range ids {
			require.Equal(t, alert.StateOpen, r.problem(id).State)
			require.False(t, r.posted(id))
		}
		require.True(t, r.posted(later))
		require.Len(t, r.notices(), 1)
		require.Contains(t, r.notices()[0], "first [{noc "+r.z.Triggers()[0].Severity.String()+" 1200 ")
		require.LessOrEqual(t, r.fold.FoundSoFar("main", alert.FoundProblem), int64(1))
		r.pass(15 * time.Minute)
		require.Len(t, r.notices(), 1)
	})
}

// A problem that Zabbix no longer has is closed as gone, after two answers a minute apart and no sooner.
func TestGone(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, version).known().start()
			defer r.stop()
			before, deleted, other := r.told(), r.told(), r.told()
			r.z.Resolve(before)
			r.webhook(alert.KindRecovery, before)
			r.pass(2 * time.Minute)
			r.z.DeleteTrigger(deleted)
			for range 4 {
				r.pass(grace / 2)
				require.True(t, r.problem(deleted).Open())
			}
			r.pass(3 * time.Minute)
			require.True(t, r.problem(deleted).Gone, version)
			require.Equal(t, alert.StateResolved, r.problem(deleted).State)
			require.True(t, r.problem(other).Open())
			require.Equal(t, "gone 1", r.found())
			require.Empty(t, r.notices())
			r.pass(time.Hour)
			require.Equal(t, "gone 1", r.found())
		})
	}
}

// Nothing is closed as gone while Zabbix or the relay's user may be at fault, however many are gone. An operator closes too many with an
// acceptance; what is doubtful needs another one.
func TestGoneIsDoubted(t *testing.T) {
	nothing := func(r *rig, _ []int64) { require.NoError(r.t, r.z.Break("show-nothing")) }
	lose := func(n int) func(*rig, []int64) {
		return func(r *rig, ids []int64) {
			for _, id := range ids[:n] {
				r.z.Delete(id)
			}
		}
	}
	for name, c := range map[string]struct {
		ids    int
		loses  func(r *rig, ids []int64)
		reason Reason
	}{
		"no permissions":           {3, nothing, ShowsNone},
		"no permissions for many":  {14, nothing, ShowsNone},
		"too many":                 {20, lose(11), TooMany},
		"another database":         {3, func(r *rig, ids []int64) { lose(3)(r, ids); r.z.Resolve(r.raise()) }, OtherPast},
		"another database of many": {14, func(r *rig, ids []int64) { lose(14)(r, ids); r.z.Resolve(r.raise()) }, OtherPast},
		"none of them":             {3, lose(3), NoneOfThem},
		"none of many":             {14, lose(14), NoneOfThem},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "7.0.22").known().start()
				defer r.stop()
				past := r.raise() // the relay never learns of it
				r.z.Resolve(past)
				var ids []int64
				for range c.ids {
					ids = append(ids, r.told())
				}
				over := r.told()
				r.z.Resolve(over)
				r.webhook(alert.KindRecovery, over)
				r.pass(3 * time.Minute)
				if c.reason == NoneOfThem {
					r.z.Delete(over)
				}
				if c.reason == OtherPast {
					r.z.Delete(past)
					r.z.Delete(over)
				}
				open := func() (n int) {
					for _, id := range ids {
						if r.problem(id).Open() {
							n++
						}
					}
					return n
				}
				c.loses(r, ids)
				r.pass(time.Hour)
				require.Equal(t, c.ids, open())
				held, _ := r.sweeps.Held("main")
				require.Equal(t, c.reason, held.Reason)
				gone := held.Count
				require.Equal(t, float64(gone), testutil.ToFloat64(r.metrics.GoneHeld.WithLabelValues("main")))
				if c.reason != TooMany {
					require.Equal(t, c.ids, gone)
					report, err := r.sweeps.Now(t.Context(), "main", Acceptance{Gone: true})
					require.NoError(t, err)
					require.Equal(t, Report{Source: "main", Missing: gone, GoneHeld: gone, Reason: c.reason}, report)
					r.pass(5 * time.Minute)
					require.Equal(t, c.ids, open())
				}
				report, err := r.sweeps.Now(t.Context(), "main", Acceptance{Gone: true, Replaced: c.reason != TooMany})
				require.NoError(t, err)
				require.Equal(t, gone, report.Closing)
				require.Zero(t, report.GoneHeld)
				r.pass(5 * time.Minute)
				require.Equal(t, c.ids-gone, open())
				held, _ = r.sweeps.Held("main")
				require.Equal(t, Held{Accepted: gone}, held)
				require.Zero(t, testutil.ToFloat64(r.metrics.GoneHeld.WithLabelValues("main")))
			})
		})
	}
}

// What is held is known again after a restart, not as none before the problems were read, and ends once Zabbix shows them again.
func TestHeldAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		id := r.told()
		r.pass(3 * time.Minute)
		require.NoError(t, r.z.Break("show-nothing"))
		r.pass(10 * time.Minute)
		want := Held{Count: 1, Reason: ShowsNone}
		held, known := r.sweeps.Held("main")
		require.True(t, known)
		require.Equal(t, want, held)
		r.stop()
		r.start()
		defer r.stop()
		for range 10 * 60 {
			if held, known = r.sweeps.Held("main"); known {
				require.Equal(t, want, held)
			}
			r.pass(time.Second)
		}
		require.True(t, known)
		r.z.Mend()
		r.pass(5 * time.Minute)
		held, known = r.sweeps.Held("main")
		require.True(t, known)
		require.Zero(t, held)
		require.True(t, r.problem(id).Open())
	})
}

// After Zabbix's database was replaced nothing is closed as gone, although it shows other problems, also once their ids are higher.
func TestDoubts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		var old []int64
		for range 3 {
			old = append(old, r.told())
		}
		r.pass(2 * time.Minute)
		r.stop()
		fresh, err := zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
		require.NoError(t, err)
		r.z = fresh
		r.raise() // has the first one's id
		r.start()
		defer r.stop()
		r.pass(10 * time.Minute)
		held, _ := r.sweeps.Held("main")
		require.Equal(t, OtherPast, held.Reason)
		for _, id := range old[1:] {
			require.True(t, r.problem(id).Open())
		}
		for range 10 { // now its ids are higher
			fresh.Delete(r.raise())
		}
		later := r.raise()
		r.pass(10 * time.Minute)
		require.True(t, r.problem(later).Open())
		for _, id := range old[1:] {
			require.True(t, r.problem(id).Open())
		}
	})
}

// While more problems are missing than may be gone, and not all of them were read yet, none is closed.
func TestGoneWaitsForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		r.z.Resolve(r.raise())
		var ids []int64
		for range 20 {
			ids = append(ids, r.told())
		}
		r.pass(time.Until(time.Now().Truncate(time.Minute).Add(2 * time.Minute)))
		for _, id := range ids[:2] {
			r.z.Delete(id)
		}
		r.pass(time.Minute + grace + 5*time.Second) // these two were read
		for _, id := range ids[2:14] {
			require.NoError(t, r.z.Break(fmt.Sprint("fail-event:", id)))
			r.z.Delete(id)
		}
		r.pass(10 * time.Minute)
		for _, id := range ids {
			require.True(t, r.problem(id).Open())
		}
		r.z.Mend()
		r.pass(2 * time.Hour)
		held, _ := r.sweeps.Held("main")
		require.Equal(t, Held{Count: 14, Reason: TooMany}, held)
	})
}

// An unknown problem that Zabbix suppresses isn't marked as found: Zabbix sends no message about it meanwhile.
func TestSuppressedProblemsAreNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		r.pass(2 * time.Minute)
		id := r.raise()
		require.NoError(t, r.z.Maintain(id, 100*time.Hour))
		r.pass(5 * time.Minute)
		require.Equal(t, alert.StateOpen, r.problem(id).State)
		require.False(t, r.problem(id).Found())
		require.Empty(t, r.found())
	})
}

// After an outage everything is listed, so that what changes no count is found at once, too.
func TestEverythingIsListedAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		id := r.told()
		r.pass(2 * time.Minute)
		require.NoError(t, r.z.Break("page-500"))
		r.pass(2 * time.Minute)
		require.NoError(t, r.z.Do("bob", id, zabbixsim.Comment, "hm", 0))
		r.z.Mend()
		r.pass(maxRetry + grace + 5*time.Second)
		require.NotNil(t, r.problem(id).LastComment())
	})
}

// A new relay tells each room what was open also if Zabbix can't answer about one of the problems.
func TestANewRelayDoesWithoutUnreadableProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22")
		r.raise()
		require.NoError(t, r.z.Break(fmt.Sprint("fail-event:", r.raise())))
		r.pass(time.Minute)
		r.start()
		defer r.stop()
		r.pass(30 * time.Second)
		require.Empty(t, r.notices(), "it is tried again first")
		r.pass(20 * time.Minute)
		require.Len(t, r.notices(), 1)
	})
}

// A problem that is resolved here and open in Zabbix, which was restored from a backup, is read three times and logged once. Then rounds
// are quiet again, and other differences are found as ever.
func TestARestoredZabbix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		r.told()
		id := r.told()
		r.pass(2 * time.Minute)
		r.webhook(alert.KindRecovery, id)
		require.False(t, r.problem(id).Open())
		r.pass(10 * time.Minute)
		full := func() float64 { return testutil.ToFloat64(r.metrics.Rounds.WithLabelValues("main", "full", "ok")) }
		before := full()
		r.pass(6 * time.Hour)
		require.Equal(t, 36., full()-before)
		require.False(t, r.problem(id).Open())
		require.Equal(t, 1, r.log.warned())
		require.Empty(t, r.found())

		missed := r.raise()
		r.pass(2*time.Minute + grace)
		require.True(t, r.posted(missed))
		r.z.Resolve(id)
		r.pass(time.Hour)
		require.Equal(t, "problem 1", r.found())
		require.Equal(t, 1, r.log.warned())
	})
}

// Another problem with the id, severity and state of an open one, after Zabbix's database was replaced, isn't taken for it.
func TestAnotherProblemWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		id := r.told()
		r.pass(2 * time.Minute)
		r.stop()
		fresh, err := zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
		require.NoError(t, err)
		trigger := fresh.Triggers()[1]
		trigger.Severity = r.z.Triggers()[0].Severity
		r.z = fresh
		require.Equal(t, id, r.z.Raise(trigger))
		r.start()
		defer r.stop()
		r.pass(2*time.Minute + grace)
		require.Equal(t, trigger.Name, r.problem(id).Name)
		require.True(t, r.posted(id))
		require.Equal(t, "problem 1", r.found())
	})
}

// A problem that came to be known as gone opens again when Zabbix lists it again.
func TestGoneComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		id := r.told()
		r.pass(time.Minute)
		key := alert.Key{Source: "main", EventID: strconv.FormatInt(id, 10)}
		payload, err := json.Marshal(store.Envelope{EventID: key.EventID, Observation: &alert.Observation{At: time.Now(), Gone: true}})
		require.NoError(t, err)
		_, err = r.store.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryObservation, Payload: payload, ReceivedAt: time.Now()})
		require.NoError(t, err)
		r.pass(3 * time.Second)
		require.False(t, r.problem(id).Open())
		r.pass(2*time.Minute + grace)
		require.True(t, r.problem(id).Open())
	})
}

// Now reads everything that differs at once, and says what that is. What opened just now isn't marked: its message may be on its way.
func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		resolved, acked := r.told(), r.told()
		r.pass(time.Minute)
		missed := r.raise()
		r.pass(time.Second) // the counts of the last round were those before
		r.z.Resolve(resolved)
		require.NoError(t, r.z.Do("bob", acked, zabbixsim.Acknowledge, "", 0))
		report, err := r.sweeps.Now(t.Context(), "main", Acceptance{})
		require.NoError(t, err)
		require.Equal(t, Report{Source: "main", Open: 2, Known: 1, Unknown: 1, Missing: 1, Changed: 1}, report)
		r.pass(2 * time.Second)
		require.False(t, r.problem(resolved).Open())
		require.True(t, r.problem(acked).Acknowledged)
		require.True(t, r.posted(missed))
		require.Empty(t, r.found())
		_, err = r.sweeps.Now(t.Context(), "lab", Acceptance{})
		require.ErrorIs(t, err, store.ErrNotFound)

		require.NoError(t, r.z.Break("page-502"))
		report, err = r.sweeps.Now(t.Context(), "main", Acceptance{})
		require.NoError(t, err)
		require.Contains(t, report.Error, "502")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = r.sweeps.Now(ctx, "main", Acceptance{})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []string{"main"}, r.sweeps.Sources())
	})
}

// However often somebody asks, two answers without a problem must be a minute apart.
func TestGoneTakesAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		r.told()
		deleted := r.told()
		r.pass(2 * time.Minute)
		r.z.DeleteTrigger(deleted)
		for asked := time.Duration(0); asked < 61*time.Second; asked += 4 * time.Second {
			require.True(t, r.problem(deleted).Open(), "after %v", asked)
			_, err := r.sweeps.Now(t.Context(), "main", Acceptance{})
			require.NoError(t, err)
			r.pass(4 * time.Second)
		}
		r.pass(4 * time.Second)
		require.True(t, r.problem(deleted).Gone)
	})
}

// After a command heard that Zabbix doesn't have an event, that event is read at once.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known().start()
		defer r.stop()
		resolved, deleted := r.told(), r.told()
		r.pass(2 * time.Minute)
		r.z.Resolve(resolved)
		r.z.DeleteTrigger(deleted)
		for _, id := range []int64{resolved, deleted} {
			r.sweeps.Look(alert.Key{Source: "main", EventID: strconv.FormatInt(id, 10)})
		}
		r.pass(3 * time.Second)
		require.False(t, r.problem(resolved).Open())
		require.True(t, r.problem(deleted).Open())
		r.pass(4 * time.Minute)
		require.True(t, r.problem(deleted).Gone)
	})
}

// Compared says why a source isn't compared: also if the role of the relay's user forbids it, which no retry changes.
func TestComparedSaysWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").known()
		require.NoError(t, r.z.Break("forbid:problem.get"))
		r.start()
		defer r.stop()
		r.pass(time.Hour)
		at, failure := r.sweeps.Compared("main")
		require.Zero(t, at)
		require.Contains(t, failure, "problem.get")
		r.z.Mend()
		r.pass(10 * time.Minute)
		at, failure = r.sweeps.Compared("main")
		require.WithinDuration(t, time.Now(), at, 2*time.Minute)
		require.Empty(t, failure)
		_, failure = r.sweeps.Compared("other")
		require.Empty(t, failure)
	})
}
