package relay

import (
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"testing/synctest"

	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/zabbixsim"
)

// lapsing has acknowledgements lapse after half an hour, and opens the problem of the incident.
func (i *incident) lapsing() {
	i.t.Helper()
	i.stop()
	i.cfg.Routes[0].AckExpires = config.Duration(30 * time.Minute)
	i.start()
	i.pass(time.Minute)
	i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
	i.pass(time.Minute)
	roots := i.webex.Timeline("noc")
	require.NotEmpty(i.t, roots)
	i.root = roots[0].ID
}

// questions counts the lines of the problem's thread that ask whether somebody is still on it.
func (i *incident) questions() (n int, mentioned []string) {
	for _, m := range i.webex.Timeline("noc") {
		if m.ParentID == i.root && m.From.Bot && m.Card == nil && strings.Contains(m.Text, "Still on it?") {
			n++
			mentioned = append(mentioned, m.Mentions...)
		}
	}
	return n, mentioned
}

// throughLapse tells a story, perhaps with a restart of the relay before each of its steps.
func throughLapse(t *testing.T, restarts bool, story func(i *incident, step func())) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		i := newIncident(t, path, config.ListenWebhook)
		story(i, func() {
			if restarts {
				i.stop()
				i.start()
				i.pass(time.Minute)
			}
		})
	})
}

// An acknowledgement lapses unless somebody says that they are still on it.
func TestAcknowledgementLapses(t *testing.T) {
	throughLapse(t, true, func(i *incident, step func()) {
		step() // Alice acknowledges a problem, and nobody acts on it for half an hour: the thread asks her.
		i.lapsing()
		i.say("alice", "ack on it")
		i.pass(25 * time.Minute)
		n, _ := i.questions()
		require.Zero(i.t, n)
		i.say("bob", "show")
		i.thread("The acknowledgement lapses from")
		i.pass(6 * time.Minute)
		n, mentioned := i.questions()
		require.Equal(i.t, 1, n)
		require.Equal(i.t, []string{"alice@example.com"}, mentioned)
		i.thread("Still on it?", "Alice Archer acknowledged it", "for 30m", "within 15m")

		step() // She is, so the half hour begins again.
		i.press("alice", "Yes, still on it", nil)
		p, act := i.recorded()
		require.True(i.t, p.Acked)
		require.Contains(i.t, act.Message, "Still on it")
		require.Contains(i.t, act.Message, "Alice Archer")
		i.pass(20 * time.Minute)
		p, _ = i.recorded()
		require.True(i.t, p.Acked)
		require.Empty(i.t, i.webex.Timeline("leads"))

		step() // A comment in Zabbix counts as well.
		require.NoError(i.t, i.zabbix.Do("bob", i.event, zabbixsim.Comment, "waiting for the carrier", 0))
		i.pass(25 * time.Minute)
		n, _ = i.questions()
		require.Equal(i.t, 1, n)

		step() // Nobody answers the next question: the acknowledgement is taken back in Zabbix.
		i.pass(24 * time.Minute)
		n, _ = i.questions()
		require.Equal(i.t, 2, n)
		p, act = i.recorded()
		require.False(i.t, p.Acked)
		require.Contains(i.t, act.Message, "alert-relay <automatic> (Webex #")
		require.Contains(i.t, act.Message, "The acknowledgement lapsed")
		i.thread("alert-relay", "The acknowledgement lapsed")
		i.shows("!acknowledged by")
		acts := len(p.Acks)

		step() // So it escalates.
		i.pass(16 * time.Minute)
		require.NotEmpty(i.t, i.webex.Timeline("leads"))
		require.Contains(i.t, mentionsIn(i.webex.Timeline("leads")), "lea@example.com")

		step() // It was taken back once, and nobody is asked while it is unacknowledged.
		i.pass(time.Hour)
		p, _ = i.recorded()
		require.Len(i.t, p.Acks, acts)
		n, _ = i.questions()
		require.Equal(i.t, 2, n)

		step() // An acknowledgement made in Zabbix lapses, too. Its author's address isn't known, so the question only names them.
		require.NoError(i.t, i.zabbix.Do("bob", i.event, zabbixsim.Acknowledge, "", 0))
		i.pass(33 * time.Minute)
		n, mentioned = i.questions()
		require.Equal(i.t, 3, n)
		require.Len(i.t, mentioned, 2)
		i.pass(15 * time.Minute)
		p, _ = i.recorded()
		require.False(i.t, p.Acked)
	})
}

// While Zabbix is away an acknowledgement that lapsed isn't given up. One that was made anew meanwhile stays.
func TestAcknowledgementLapsesWhileZabbixIsAway(t *testing.T) {
	for name, anew := range map[string]bool{"lapsed": false, "acted on in Zabbix meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			throughLapse(t, false, func(i *incident, step func()) {
				i.lapsing()
				i.say("alice", "ack on it")
				i.pass(35 * time.Minute)
				n, _ := i.questions()
				require.Equal(i.t, 1, n)
				step() // Zabbix's API goes away for longer than a command waits.
				i.zabbix.SetDown(true)
				i.pass(70 * time.Minute)
				step() // It is back.
				if anew {
					require.NoError(i.t, i.zabbix.Do("bob", i.event, zabbixsim.Comment, "changing the optics", 0))
				}
				i.zabbix.SetDown(false)
				i.pass(5 * time.Minute)
				p, _ := i.recorded()
				require.Equal(i.t, anew, p.Acked)
				took := 0
				for _, a := range p.Acks {
					if a.Action&zabbixsim.Unack != 0 {
						took++
					}
				}
				require.Equal(i.t, !anew, took == 1)
			})
		})
	}
}
