// Package zabbixsim simulates a Zabbix: the JSON-RPC API of 6.0 to 8.0, and the webhook media type that sends problems, updates
// and recoveries to the relay. Its answers follow recorded fixtures, or the published differences of versions without recordings.
package zabbixsim

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
)

// Options configure a Server.
type Options struct {
	Version string // "7.0.22"; decides the API's form and which macros resolve
	Log     *slog.Logger
	// Relay is where events are posted: ".../v1/zabbix/events"; "" for nowhere.
	Relay  string
	Secret string // signs them
	// Sessions is how many alerts are sent at a time: max_sessions of the media type.
	Sessions int
	// Attempts and Interval are the media type's; 3 and 10 s by default, as Zabbix's own.
	Attempts int
	Interval time.Duration
	// Client sends alerts; nil: http.DefaultClient.
	Client *http.Client
	// Lose makes the media type lose a message; nil loses none.
	Lose func(eventID int64, kind alert.Kind) bool
	// LeaveOut is the action's conditions: Zabbix makes no message about a problem for which it returns true; nil for none.
	LeaveOut func(Problem) bool
	// Quick sends alerts and closes problems at once, without Zabbix's delays of seconds.
	Quick bool
}

// User is one account with an API token.
type User struct {
	ID       string
	Username string
	Name     string
	Surname  string
	Token    string
	Expired  bool // the token
	Expires  int64
	ReadOnly bool // may not close or change the severity
	// Admin: the role is of type Admin, which maintenances need.
	Admin bool
	// Denied are permissions that the role denies.
	Denied []string
	// SuperAdmin may change the configuration.
	SuperAdmin bool
	// Methods are those that the role allows; nil for all.
	Methods []string
}

func (u User) fullName() string { return fmt.Sprintf("%s %s (%s)", u.Name, u.Surname, u.Username) }

// Host is one monitored host.
type Host struct {
	ID, Host, Name, IP string
	Groups             []string
	Tags               []alert.Tag
}

// Trigger is what raises problems.
type Trigger struct {
	ID          string
	Host        Host
	Name        string
	Description string
	URL         string
	Severity    alert.Severity
	ManualClose bool
	ItemID      string
	ItemName    string
	Items       []Item // all of them; nil for a ping
	Expression  string // "" for the ping's
	OpData      string // when the problem opens
	Recovered   string // when it recovers
	Tags        []alert.Tag
}

// Ack is one acknowledgement of a problem.
type Ack struct {
	ID      int64
	User    User
	At      time.Time
	Message string
	Action  int
	Old     alert.Severity
	New     alert.Severity
	Until   int64 // of a suppression; 0 is indefinitely
}

// Problem is one event of a trigger.
type Problem struct {
	ID         int64
	Trigger    Trigger
	Severity   alert.Severity
	Opened     time.Time
	RecoveryID int64
	Resolved   time.Time
	Acked      bool
	Acks       []Ack
	Tags       map[string]string // what the webhook returned
	Suppressed bool              // by hand
	Until      int64             // when that ends; 0 is never
	CauseID    int64             // of which it is a symptom; 0 for none
	Maintained time.Time         // suppressed by a maintenance until then; zero for none
	Orphaned   bool              // its trigger was deleted, and only the event is left
	closing    bool
}

// message is what the media type sends about an event.
type message struct {
	eventID  int64
	alert    *madeAlert
	body     []byte
	attempts int
}

// Server is one simulated Zabbix. It is safe for concurrent use.
type Server struct {
	opts  Options
	forms forms

	mu       sync.Mutex
	users    []User
	triggers []Trigger
	problems map[int64]*Problem
	order    []int64
	deleted  map[string]bool // ids of triggers
	queue    []*message      // to be sent now
	waiting  int             // messages in the queue, in flight, or delayed
	sent     int
	failed   int
	tasks    []task // by time
	nextID   int64
	nextAck  int64
	calls    map[string]int
	down     bool
	broken   broken
	changed  map[chan struct{}]bool
	wake     chan struct{}
	// objects are the configuration, by kind.
	objects      map[string][]row
	maintenances []maintenance
	scripts      []Script
	executed     []string
	alerts       []*madeAlert
	hidden       bool      // the relay's user doesn't see them
	stopped      time.Time // when the server stopped; zero while it runs
	nextObject   int
}

type task struct {
	at time.Time
	do func() // called with mu held
}

// RelayToken is the API token of the relay's account.
const RelayToken = "simulated-zabbix-token-of-the-relay"

// New makes a Zabbix with a handful of hosts and triggers and no problems.
func New(opts Options) (*Server, error) {
	f, err := formsOf(opts.Version)
	if err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.Sessions = cmp.Or(opts.Sessions, 8)
	opts.Client = cmp.Or(opts.Client, http.DefaultClient)
	opts.Attempts = cmp.Or(opts.Attempts, 3)
	opts.Interval = cmp.Or(opts.Interval, 10*time.Second)
	return &Server{
		opts: opts, forms: f,
		users: []User{
			{ID: "1", Username: "Admin", Name: "Zabbix", Surname: "Administrator", Token: SetupToken, SuperAdmin: true},
			{ID: "3", Username: "relay-api", Name: "Alert", Surname: "Relay", Token: RelayToken, Admin: true},
			{ID: "4", Username: "bob", Name: "Bob", Surname: "Builder"},
		},
		triggers: defaultTriggers(),
		scripts:  defaultScripts(),
		problems: map[int64]*Problem{},
		deleted:  map[string]bool{},
		calls:    map[string]int{},
		changed:  map[chan struct{}]bool{},
		nextID:   4700, nextAck: 100,
		objects: map[string][]row{"role": defaultRoles()}, nextObject: 100,
		wake: make(chan struct{}, 1),
	}, nil
}

// Version is the simulated version.
func (s *Server) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forms.version
}

// Triggers are the initial triggers.
func (s *Server) Triggers() []Trigger { return s.triggers }

// SetDown makes the API answer 503 until it is called with false.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Raise opens a problem of a trigger and returns its event id.
func (s *Server) Raise(t Trigger) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raise(t, time.Now()).ID
}

func (s *Server) raise(t Trigger, at time.Time) *Problem {
	s.nextID++
	p := &Problem{ID: s.nextID, Trigger: t, Severity: t.Severity, Opened: at, Tags: map[string]string{}}
	s.problems[p.ID] = p
	s.order = append(s.order, p.ID)
	s.report(p, alert.KindProblem, nil, 0)
	return p
}

// Resolve resolves a problem; a second time has no effect.
func (s *Server) Resolve(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.problems[id]; p != nil {
		s.resolve(p)
	}
}

func (s *Server) resolve(p *Problem) {
	if p.RecoveryID != 0 {
		return
	}
	s.nextID++
	p.RecoveryID, p.Resolved = s.nextID, time.Now()
	s.report(p, alert.KindRecovery, nil, 0)
}

// The bits of event.acknowledge, from the API's documentation.
const (
	Close       = 1
	Acknowledge = 2
	Comment     = 4
	Severity    = 8
	Unack       = 16
	Suppress    = 32
	Unsuppress  = 64
	toCause     = 128
	toSymptom   = 256
)

// Do updates a problem as a person in Zabbix's own pages does; action has the bits of event.acknowledge.
func (s *Server) Do(username string, id int64, action int, message string, severity alert.Severity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.problems[id]
	i := slices.IndexFunc(s.users, func(u User) bool { return u.Username == username })
	if p == nil || i < 0 {
		return fmt.Errorf("no problem %d or no user %q", id, username)
	}
	s.acknowledge(p, s.users[i], action, message, severity, 0)
	return nil
}

// acknowledge applies and records only the actions that change something, as Zabbix does.
func (s *Server) acknowledge(p *Problem, u User, action int, message string, severity alert.Severity, until int64) {
	a := Ack{User: u, At: time.Now(), Until: until}
	if action&Acknowledge != 0 && !p.Acked {
		p.Acked, a.Action = true, a.Action|Acknowledge
	}
	if action&Unack != 0 && p.Acked {
		p.Acked, a.Action = false, a.Action|Unack
	}
	if action&Comment != 0 {
		a.Message, a.Action = message, a.Action|Comment
	}
	if action&Severity != 0 && severity != p.Severity {
		a.Old, a.New, a.Action = p.Severity, severity, a.Action|Severity
		p.Severity = severity
	}
	if action&Suppress != 0 {
		p.Suppressed, p.Until, a.Action = true, until, a.Action|Suppress
	}
	if action&Unsuppress != 0 && p.Suppressed {
		p.Suppressed, a.Action = false, a.Action|Unsuppress
	}
	if action&Close != 0 && p.RecoveryID == 0 && !p.closing {
		p.closing, a.Action = true, a.Action|Close
	}
	a.Action |= action & (toCause | toSymptom)
	if a.Action == 0 {
		return
	}
	s.nextAck++
	a.ID = s.nextAck
	p.Acks = append(p.Acks, a)
	if a.Action&Close == 0 {
		if a.Action&(toCause|toSymptom) == 0 { // nothing is sent about a rank, nor about a message in the same call (measured)
			s.report(p, alert.KindUpdate, &a, 0)
		}
		return
	}
	// The server closes the problem later. 6.0 sends the update first (it says already that the problem is resolved), 7.0 the
	// recovery.
	s.after(time.Second, func() {
		if s.forms.updateFirst {
			s.nextID++
			p.RecoveryID, p.Resolved = s.nextID, time.Now()
			s.report(p, alert.KindUpdate, &a, 0)
			s.report(p, alert.KindRecovery, nil, 2*time.Millisecond)
			return
		}
		s.resolve(p)
		s.report(p, alert.KindUpdate, &a, 2*time.Second)
	})
}

// rank makes a problem a cause, or a symptom of another one. The server does it after the call.
func (s *Server) rank(p *Problem, action int, cause *Problem) {
	switch {
	case action&toCause != 0:
		s.after(time.Second, func() { s.setCause(p, nil) })
	case action&toSymptom != 0:
		s.after(time.Second, func() { s.setCause(p, cause) })
	}
}

// Rank makes a problem a symptom of another one at once, or a cause if that is 0.
func (s *Server) Rank(id, cause int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setCause(s.problems[id], s.problems[cause])
}

// setCause makes a problem a symptom of another one and of that one's cause, together with its own symptoms; nil makes it a cause.
func (s *Server) setCause(p, cause *Problem) {
	if cause == nil {
		p.CauseID = 0
		return
	}
	root := cmp.Or(cause.CauseID, cause.ID)
	if root == p.ID {
		return
	}
	p.CauseID = root
	for _, other := range s.problems {
		if other.CauseID == p.ID {
			other.CauseID = root
		}
	}
}

// after runs do, with mu held, after d.
func (s *Server) after(d time.Duration, do func()) {
	if s.opts.Quick {
		d = 0
	}
	at := time.Now().Add(d)
	i := len(s.tasks)
	for i > 0 && s.tasks[i-1].at.After(at) {
		i--
	}
	s.tasks = slices.Insert(s.tasks, i, task{at: at, do: do})
	s.notify()
}

// notify wakes the loop and everybody who waits for a change. mu is held.
func (s *Server) notify() {
	pace.Wake(s.wake)
	for ch := range s.changed {
		pace.Wake(ch)
	}
}

// Watch returns a channel that receives after every change, until cancel.
func (s *Server) Watch() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.changed[ch] = true
	s.mu.Unlock()
	return ch, func() {
		s.mu.Lock()
		delete(s.changed, ch)
		s.mu.Unlock()
	}
}

// Problems copies all problems, newest first.
func (s *Server) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Problem, 0, len(s.order))
	for _, id := range slices.Backward(s.order) {
		list = append(list, s.problems[id].copy())
	}
	return list
}

// Problem copies one problem.
func (s *Server) Problem(id int64) (Problem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.problems[id]
	if p == nil {
		return Problem{}, false
	}
	return p.copy(), true
}

func (p *Problem) copy() Problem {
	c := *p
	c.Acks = slices.Clone(p.Acks)
	return c
}

// AlertCounts counts the messages of the media type by state.
func (s *Server) AlertCounts() (waiting, sent, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting, s.sent, s.failed
}

// Calls counts the calls of each API method.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
