package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
)

// Which problems Zabbix made messages about follows from its alerts, if it shows those of problems that came by message.
func TestJudgeSent(t *testing.T) {
	const relay, colleague = "5", "6"
	ours := func(id int64) zabbix.Alert {
		return zabbix.Alert{EventID: id, User: relay, MediaType: "36", Ours: true}
	}
	renamed := func(id int64) zabbix.Alert { return zabbix.Alert{EventID: id, User: relay, MediaType: "36"} }
	failed := func(a zabbix.Alert) zabbix.Alert { a.Failed = true; return a }
	mail := func(id int64) zabbix.Alert { return zabbix.Alert{EventID: id, User: colleague, MediaType: "1"} }
	noMedia := func(id int64, user string) zabbix.Alert {
		return zabbix.Alert{EventID: id, User: user, Failed: true}
	}
	const asked = 9
	for name, c := range map[string]struct {
		alerts   []zabbix.Alert
		controls []int64
		known    bool
		of       delivery
	}{
		"nothing is shown":                      {nil, []int64{1, 2}, false, none},
		"nothing is shown, without controls":    {nil, nil, false, none},
		"without controls, an alert":            {[]zabbix.Alert{ours(asked)}, nil, false, underWay},
		"left out":                              {[]zabbix.Alert{ours(1), ours(2)}, []int64{1, 2}, true, none},
		"left out, though a colleague was told": {[]zabbix.Alert{ours(1), mail(1), mail(asked)}, []int64{1}, true, none},
		"a colleague has the others, too":       {[]zabbix.Alert{ours(1), mail(2), mail(3), mail(asked)}, []int64{1, 2, 3}, false, none},
		"renamed, left out":                     {[]zabbix.Alert{renamed(1), renamed(2)}, []int64{1, 2}, true, none},
		"renamed, sent":                         {[]zabbix.Alert{renamed(1), renamed(2), renamed(asked)}, []int64{1, 2}, true, underWay},
		"renamed, a colleague has some":         {[]zabbix.Alert{renamed(1), renamed(2), mail(1), mail(asked)}, []int64{1, 2}, true, none},
		"renamed, a colleague has all":          {[]zabbix.Alert{renamed(1), mail(1), mail(asked)}, []int64{1}, true, underWay},
		"sent":                                  {[]zabbix.Alert{ours(1), ours(asked)}, []int64{1}, true, underWay},
		"given up":                              {[]zabbix.Alert{ours(1), failed(ours(asked))}, []int64{1}, true, undelivered},
		"one of two given up":                   {[]zabbix.Alert{ours(1), failed(ours(asked)), ours(asked)}, []int64{1}, true, underWay},
		"one of two given up, in other order":   {[]zabbix.Alert{ours(1), ours(asked), failed(ours(asked))}, []int64{1}, true, underWay},
		"the relay's user had no media":         {[]zabbix.Alert{ours(1), noMedia(asked, relay)}, []int64{1}, true, undelivered},
		"a colleague had no media":              {[]zabbix.Alert{ours(1), noMedia(asked, colleague)}, []int64{1}, true, none},
		"most controls are shown":               {[]zabbix.Alert{ours(1), ours(2)}, []int64{1, 2, 3}, true, none},
		"half of the controls are shown":        {[]zabbix.Alert{ours(1)}, []int64{1, 2}, false, none},
	} {
		t.Run(name, func(t *testing.T) {
			s := judgeSent(c.alerts, c.controls)
			require.Equal(t, c.known, s.known)
			require.Equal(t, c.of, s.by[asked])
			require.Equal(t, c.known && c.of == none, s.leftOut(asked))
		})
	}
}

// severe makes the action's condition one on the severity.
func (r *rig) severe(limit alert.Severity) *rig {
	z, err := zabbixsim.New(zabbixsim.Options{Version: r.version, Quick: true, LeaveOut: func(p zabbixsim.Problem) bool { return p.Trigger.Severity < limit }})
	require.NoError(r.t, err)
	r.z = z
	return r
}

func (r *rig) raiseAs(s alert.Severity) int64 {
	trigger := r.z.Triggers()[0]
	trigger.Severity = s
	return r.z.Raise(trigger)
}

// A problem that Zabbix's action leaves out is known, but nothing about it is posted or counted as found, whatever happens to it. One whose
// message was lost is posted.
func TestLeftOut(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, version).severe(alert.High).known()
				r.set.MaxAge = 20 * time.Minute
				r.start()
				defer func() { r.stop() }()
				came := r.raiseAs(alert.High)
				r.webhook(alert.KindProblem, came)
				r.pass(time.Minute)
				var out []int64
				for range 4 {
					out = append(out, r.raiseAs(alert.Average))
				}
				lost := r.raiseAs(alert.Disaster)
				r.pass(r.set.Interval + grace + 3*time.Second)
				require.True(t, r.posted(lost))
				require.True(t, r.problem(lost).Found())
				acked, worse, resolved, same := out[0], out[1], out[2], out[3]
				require.NoError(t, r.z.Do("bob", acked, zabbixsim.Acknowledge, "", 0))
				require.NoError(t, r.z.Do("bob", worse, zabbixsim.Severity, "", alert.Disaster))
				r.z.Resolve(resolved)
				r.pass(fullEvery + r.set.Interval + grace + 3*time.Second)
				require.True(t, r.problem(acked).Acknowledged)
				require.Equal(t, alert.Disaster, r.problem(worse).Severity)
				require.False(t, r.problem(resolved).Open())
				require.True(t, r.problem(same).Open())
				for _, id := range out {
					require.False(t, r.posted(id))
					require.False(t, r.problem(id).Found())
				}
				require.Equal(t, "problem 1", r.found())
				require.Equal(t, 3., testutil.ToFloat64(r.metrics.LeftOut.WithLabelValues("main")))
				require.Zero(t, r.log.warned())

				// It stays so after a restart, and beyond max_age.
				r.stop()
				r.start()
				r.pass(10 * time.Minute)
				require.NoError(t, r.z.Do("bob", same, zabbixsim.Severity, "", alert.Disaster))
				r.pass(fullEvery + grace)
				require.Equal(t, alert.Disaster, r.problem(same).Severity)
				require.False(t, r.posted(same))
				require.Empty(t, r.found())
			})
		})
	}
}

// A problem that is left out at first is posted once Zabbix reports it: a later step of an escalation, say. If that message is lost, too, it
// is found, also over a restart.
func TestLaterStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").severe(alert.High).known().start()
		defer func() { r.stop() }()
		r.webhook(alert.KindProblem, r.raiseAs(alert.High))
		came, gaveUp, vanished := r.raiseAs(alert.Average), r.raiseAs(alert.Average), r.raiseAs(alert.Average)
		r.pass(r.set.Interval + grace + 3*time.Second)
		for _, id := range []int64{came, gaveUp, vanished} {
			require.True(t, r.problem(id).Open())
			require.False(t, r.posted(id))
		}
		r.z.Escalate(came, false)
		r.webhook(alert.KindProblem, came)
		require.True(t, r.posted(came))
		r.stop()
		r.z.Escalate(gaveUp, true)
		r.z.Escalate(vanished, false)
		r.start()
		r.pass(5 * time.Second)
		require.True(t, r.posted(gaveUp))
		require.True(t, r.problem(gaveUp).Found())
		require.False(t, r.posted(vanished), "its message may be on its way")
		r.pass(fullEvery + r.set.Interval + grace)
		require.True(t, r.posted(vanished))
		require.Equal(t, "problem 2", r.found())
		require.False(t, r.problem(came).Found())
	})
}

// What was open before a new relay isn't posted later, although Zabbix had made messages about it.
func TestNewRelayAndAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22")
		before := r.raise()
		r.pass(time.Minute)
		r.start()
		defer func() { r.stop() }()
		r.pass(time.Minute)
		r.told()
		r.pass(3 * fullEvery)
		r.stop()
		r.start()
		r.pass(3 * fullEvery)
		require.True(t, r.problem(before).Open())
		require.False(t, r.posted(before))
		require.Empty(t, r.found())
	})
}

// Where Zabbix doesn't show which messages it made, every problem is posted that the API shows.
func TestUnknownAlerts(t *testing.T) {
	for name, breaks := range map[string]func(r *rig){
		"another user gets the messages": func(r *rig) { r.z.HideAlerts() },
		"the role forbids it":            func(r *rig) { require.NoError(r.t, r.z.Break("forbid:alert.get")) },
		"it fails": func(r *rig) {
			require.NoError(r.t, r.z.Break("only:alert.get"))
			require.NoError(r.t, r.z.Break("page-502"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "7.0.22").severe(alert.High).known().start()
				defer r.stop()
				r.webhook(alert.KindProblem, r.raiseAs(alert.High))
				breaks(r)
				id := r.raiseAs(alert.Average)
				r.pass(10 * time.Minute)
				require.True(t, r.posted(id))
				require.Equal(t, "problem 1", r.found())
			})
		})
	}
}

// While Zabbix is away nothing is decided. Once it is back, only what it meant to send is posted.
func TestAlertsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "7.0.22").severe(alert.High).known()
		r.set.Interval = 10 * time.Second
		r.start()
		defer r.stop()
		r.webhook(alert.KindProblem, r.raiseAs(alert.High))
		out := r.raiseAs(alert.Average)
		r.pass(2 * r.set.Interval) // it is listed, and not asked about
		require.NoError(t, r.z.Break("page-502"))
		lost := r.raiseAs(alert.High)
		r.pass(30 * time.Minute)
		r.z.Mend()
		r.pass(5 * time.Minute)
		require.True(t, r.posted(lost))
		require.False(t, r.posted(out))
		require.True(t, r.problem(out).Open())
	})
}
