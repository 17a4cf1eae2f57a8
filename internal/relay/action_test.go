package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

const ticketSecret = "secret-of-the-ticket-system"

// ticketSystem opens a ticket for each id, and knows an id again.
type ticketSystem struct {
	t *testing.T

	mu       sync.Mutex
	failing  bool
	requests int
	ids      []string
	opened   []payload.Data
}

func (s *ticketSystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	id := r.Header.Get(action.HeaderID)
	var d payload.Data
	switch {
	case err != nil || json.Unmarshal(body, &d) != nil || d.ID != id || r.Method != http.MethodPost || r.URL.Path != "/hook":
		http.Error(w, "what is this?", http.StatusBadRequest)
		return
	case r.Header.Get(receiver.HeaderSignature) != receiver.Sign(ticketSecret, r.Header.Get(receiver.HeaderTimestamp), body):
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	case s.failing:
		http.Error(w, "database is away", http.StatusServiceUnavailable)
		return
	}
	n := slices.Index(s.ids, id)
	if n < 0 {
		n = len(s.ids)
		s.ids, s.opened = append(s.ids, id), append(s.opened, d)
	}
	fmt.Fprintf(w, `{"message": "Ticket %d opened", "url": "/tickets/%[1]d"}`, n+1)
}

// state returns how many requests there were, and the tickets.
func (s *ticketSystem) state() (requests int, opened []payload.Data) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, slices.Clone(s.opened)
}

func (s *ticketSystem) fail(failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = failing
}

// A button opens a ticket: one signed request, whose answer is in the thread. While the ticket system is away or failing the ticket
// waits, across restarts, and is opened once.
func TestActionAcrossRestarts(t *testing.T) {
	throughIncident(t, func(i *incident, step func(string)) {
		i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
		i.pass(time.Minute)
		i.root = i.webex.Timeline("noc")[0].ID

		step("Alice opens a ticket with the card's button.")
		i.press("alice", "Open ticket", map[string]any{"comment": "the carrier is told"})
		requests, opened := i.ticket.state()
		require.Equal(i.t, 1, requests)
		require.Len(i.t, opened, 1)
		require.Equal(i.t, "alice@example.com", opened[0].Person.Email)
		require.Equal(i.t, "the carrier is told", opened[0].Comment)
		require.Equal(i.t, fmt.Sprintf("main/%d", i.event), opened[0].Problem.ID)
		require.Contains(i.t, opened[0].Problem.URL, "http://127.0.0.1:7002/tr_events.php?triggerid=")
		i.thread("Alice Archer", "Did ticket for", "Ticket 1 opened", "127.0.0.1:7003")

		step("A viewer may not.")
		i.press("carol", "Open ticket", nil)
		i.thread("Carol Cook", "needs the role operator")

		step("The ticket system goes away. Bob's ticket waits.")
		i.pass(time.Minute) // connections that were kept are closed
		l, _ := i.hosts.LoadAndDelete("127.0.0.1:7003")
		i.say("bob", "do ticket: second one")
		i.thread("Not done yet", "can't be reached")

		step("It comes back, and fails.")
		i.ticket.fail(true)
		i.hosts.Store("127.0.0.1:7003", l)
		i.pass(5 * time.Minute)
		requests, opened = i.ticket.state()
		require.Greater(i.t, requests, 1)
		require.Len(i.t, opened, 1)

		step("It works again: the second ticket is opened, once, and the thread says so in place of the delay.")
		i.ticket.fail(false)
		i.pass(3 * time.Minute)
		_, opened = i.ticket.state()
		require.Len(i.t, opened, 2)
		require.Equal(i.t, "second one", opened[1].Comment)
		i.thread("Did ticket for", "Ticket 2 opened")
		i.thread("Ticket 1 opened")
		_, found := i.recorded()
		require.Empty(i.t, found.Message, "Zabbix isn't concerned")

		step("A problem that it isn't for has no button.")
		require.NoError(i.t, i.zabbix.Do("bob", i.event, zabbixsim.Severity, "", alert.Average))
		i.pass(time.Minute)
		_, err := i.webex.PressButton(i.card().ID, "alice@example.com", "Open ticket", nil)
		require.Error(i.t, err)
	})
}
