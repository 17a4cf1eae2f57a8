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
)

// Options make a Server.
type Options struct {
	Version string           // "7.0.22"; decides the API's form and which macros resolve
	Clock   func() time.Time // time.Now by default
	Log     *slog.Logger
	// Relay is where events are posted: ".../v1/zabbix/events"; "" for nowhere.
	Relay  string
	Secret string       // signs them
	Client *http.Client // http.DefaultClient by default
	// Sessions is how many alerts are sent at a time: max_sessions of the media type.
	Sessions int
	// Attempts and Interval are the media type's; 3 and 10 s by default, as Zabbix's own.
	Attempts int
	Interval time.Duration
	// SendTo is {ALERT.SENDTO} of the one user that receives.
	SendTo string
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
	// Expired, Disabled and Mute make the token fail, or the role forbid acknowledging.
	Expired, Disabled, Mute bool
	// ReadOnly forbids closing and changing the severity.
	ReadOnly bool
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
	Maintained time.Time         // suppressed by a maintenance until then; zero for none
	closing    bool
}

// Alert is one message that the media type sends.
type Alert struct {
	ID       int64
	EventID  int64
	Kind     alert.Kind
	Body     []byte
	Status   string // "new", "sent", "failed"
	Attempts int
	Error    string
	due      time.Time
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
	alerts   map[int64]*Alert
	queue    []*Alert
	tasks    []task
	nextID   int64
	nextAck  int64
	nextTask int
	calls    map[string]int
	down     bool
	broken   broken
	changed  map[chan struct{}]bool
	wake     chan struct{}
}

type task struct {
	at  time.Time
	seq int
	do  func() // called with mu held
}

// Tokens of the accounts that every simulated Zabbix has.
const (
	RelayToken  = "simulated-zabbix-token-of-the-relay"
	ReaderToken = "simulated-zabbix-token-of-a-reader"
	MuteToken   = "simulated-zabbix-token-of-mute"
)

// New makes a Zabbix with a handful of hosts and triggers and no problems.
func New(opts Options) (*Server, error) {
	f, err := formsOf(opts.Version)
	if err != nil {
		return nil, err
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Client == nil {
		opts.Client = http.DefaultClient
	}
	opts.Sessions = cmp.Or(opts.Sessions, 8)
	opts.Attempts = cmp.Or(opts.Attempts, 3)
	opts.Interval = cmp.Or(opts.Interval, 10*time.Second)
	return &Server{
		opts: opts, forms: f,
		users: []User{
			{ID: "1", Username: "Admin", Name: "Zabbix", Surname: "Administrator"},
			{ID: "3", Username: "relay-api", Name: "Alert", Surname: "Relay", Token: RelayToken},
			{ID: "4", Username: "bob", Name: "Bob", Surname: "Builder"},
			{ID: "5", Username: "carol", Name: "Carol", Surname: "Reader", Token: ReaderToken, ReadOnly: true},
			{ID: "6", Username: "mute", Name: "Mute", Surname: "Role", Token: MuteToken, Mute: true},
		},
		triggers: defaultTriggers(),
		problems: map[int64]*Problem{},
		alerts:   map[int64]*Alert{},
		calls:    map[string]int{},
		changed:  map[chan struct{}]bool{},
		nextID:   4700, nextAck: 100,
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
	s.nextID++
	p := &Problem{ID: s.nextID, Trigger: t, Severity: t.Severity, Opened: s.opts.Clock(), Tags: map[string]string{}}
	s.problems[p.ID] = p
	s.order = append(s.order, p.ID)
	s.tell(p, alert.KindProblem, nil, 0)
	return p.ID
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
	p.RecoveryID, p.Resolved = s.nextID, s.opts.Clock()
	s.tell(p, alert.KindRecovery, nil, 0)
}

// Bits of event.acknowledge: the API's documentation.
const (
	bitClose      = 1
	bitAck        = 2
	bitMessage    = 4
	bitSeverity   = 8
	bitUnack      = 16
	bitSuppress   = 32
	bitUnsuppress = 64
)

// The bits of what people do.
const (
	Acknowledge = bitAck
	Comment     = bitMessage
	Close       = bitClose
	Severity    = bitSeverity
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
	a := Ack{User: u, At: s.opts.Clock(), Until: until}
	if action&bitAck != 0 && !p.Acked {
		p.Acked, a.Action = true, a.Action|bitAck
	}
	if action&bitUnack != 0 && p.Acked {
		p.Acked, a.Action = false, a.Action|bitUnack
	}
	if action&bitMessage != 0 {
		a.Message, a.Action = message, a.Action|bitMessage
	}
	if action&bitSeverity != 0 && severity != p.Severity {
		a.Old, a.New, a.Action = p.Severity, severity, a.Action|bitSeverity
		p.Severity = severity
	}
	if action&bitSuppress != 0 {
		p.Suppressed, a.Action = true, a.Action|bitSuppress
	}
	if action&bitUnsuppress != 0 && p.Suppressed {
		p.Suppressed, a.Action = false, a.Action|bitUnsuppress
	}
	if action&bitClose != 0 && p.RecoveryID == 0 && !p.closing {
		p.closing, a.Action = true, a.Action|bitClose
	}
	if a.Action == 0 {
		return
	}
	s.nextAck++
	a.ID = s.nextAck
	p.Acks = append(p.Acks, a)
	if a.Action&bitClose == 0 {
		s.tell(p, alert.KindUpdate, &a, 0)
		return
	}
	// The server closes the problem later. 6.0 sends the update first (it says already that the problem is resolved), 7.0 the
	// recovery.
	s.after(time.Second, func() {
		if s.forms.updateFirst {
			s.nextID++
			p.RecoveryID, p.Resolved = s.nextID, s.opts.Clock()
			s.tell(p, alert.KindUpdate, &a, 0)
			s.tell(p, alert.KindRecovery, nil, 2*time.Millisecond)
			return
		}
		s.resolve(p)
		s.tell(p, alert.KindUpdate, &a, 2*time.Second)
	})
}

// after runs do, with mu held, after d.
func (s *Server) after(d time.Duration, do func()) {
	if s.opts.Quick {
		d = 0
	}
	s.nextTask++
	s.tasks = append(s.tasks, task{at: s.opts.Clock().Add(d), seq: s.nextTask, do: do})
	slices.SortFunc(s.tasks, func(a, b task) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
	s.notify()
}

// notify wakes the loop and everybody who waits for a change. mu is held.
func (s *Server) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
	for ch := range s.changed {
		select {
		case ch <- struct{}{}:
		default:
		}
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
		p := *s.problems[id]
		p.Acks = slices.Clone(p.Acks)
		list = append(list, p)
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
	c := *p
	c.Acks = slices.Clone(p.Acks)
	return c, true
}

// AlertCounts counts the alerts by state.
func (s *Server) AlertCounts() (waiting, sent, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.alerts {
		switch a.Status {
		case "sent":
			sent++
		case "failed":
			failed++
		default:
			waiting++
		}
	}
	return waiting, sent, failed
}

// Calls counts the calls of each API method.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
