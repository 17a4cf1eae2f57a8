package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Lister lists what one Zabbix holds open: zabbix.Client.
type Lister interface {
	Shower
	Open(ctx context.Context, each func(zabbix.Open)) error
	OpenCounts(ctx context.Context) (zabbix.OpenCounts, error)
	Alerts(ctx context.Context, eventIDs []int64) (alerts []zabbix.Alert, known bool, err error)
}

// Store is what Sweeps need of store.Store.
type Store interface {
	Known
	Journal
	OpenBySource(ctx context.Context) (map[string]int, error)
	OpenStates(ctx context.Context, source string, at time.Time) ([]store.OpenState, error)
	HasSource(ctx context.Context, source string) (bool, error)
	Unposted(ctx context.Context, source string) ([]store.Unposted, error)
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
}

const (
	// grace is how long a difference must last before it counts as found. Until then Zabbix's own message may still come: recoveries
	// come up to 9 s late, and the media type tries again every 30 s.
	grace = 45 * time.Second
	// fullEvery is how often everything is listed, whatever the counts say.
	fullEvery = 10 * time.Minute
	// share is which part of the time full rounds may take, unless somebody asks for one.
	share = 20
	// minGoneGap is how far apart two answers without a problem must be.
	minGoneGap = time.Minute
	// maxDemands is how many requests for a round may wait.
	maxDemands = 8
)

// Settings are what a configuration says.
type Settings struct {
	Interval time.Duration
	MaxAge   time.Duration // an unknown problem that opened longer ago is known, but not posted
}

// SweepOptions configure Sweeps.
type SweepOptions struct {
	Sources  map[string]Lister // by the source's name
	Settings Settings
	// Configured reports whether there is such a source, also one without an API token; nil if all problems are of such sources.
	Configured func(name string) bool
	Store      Store
	Inquirer   *Inquirer
	// Notices makes the messages; nil for none.
	Notices Notices
	Log     *slog.Logger
	Metrics *Metrics
}

// Sweeps compare, source by source, what Zabbix holds open with what the store does: at the start, every interval, on demand and after an
// outage. They have the inquirer read what differs. Most rounds compare counts alone. See docs/adr/036-what-webhooks-missed.md.
type Sweeps struct {
	opts    SweepOptions
	sources roster.Roster[*swept]
	changed chan struct{} // the sources were set

	mu       sync.Mutex // guards settings, and what the loop of each source shares
	settings Settings
}

// swept is a source.
type swept struct {
	Lister
	woken   chan struct{}
	demands chan demand
	ended   chan struct{}       // closed when its loop has ended
	gone    map[int64]time.Time // when the inquirer first heard that Zabbix doesn't show it
	held    *Held               // nil before the first full round

	compared time.Time // when the last comparison ended
	failure  string    // why there is none since
}

// demand is a request for a full round.
type demand struct {
	accept Acceptance
	reply  chan<- Report // with room for one
}

// Report is the result of a full round.
type Report struct {
	Source   string `json:"source"`
	Removed  bool   `json:"removed,omitempty"` // it isn't configured any more
	Open     int    `json:"open"`              // in Zabbix
	Known    int    `json:"known"`             // of these, in the store
	Unknown  int    `json:"unknown"`           // the others
	Missing  int    `json:"missing"`           // open in the store, not in Zabbix
	Changed  int    `json:"changed"`           // acted on, suppressed or of another severity
	Closing  int    `json:"closing"`           // of the missing ones: gone from Zabbix
	GoneHeld int    `json:"gone_held"`         // of the missing ones: gone from Zabbix, and not closed
	Reason   Reason `json:"gone_reason,omitempty"`
	Error    string `json:"error,omitempty"`
}

// NewSweeps makes Sweeps.
func NewSweeps(opts SweepOptions) *Sweeps {
	s := &Sweeps{opts: opts, changed: make(chan struct{}, 1)}
	s.SetSources(opts.Sources, opts.Settings)
	return s
}

// SetSources makes these the sources, while they run too. Those that stay keep their lister.
func (s *Sweeps) SetSources(sources map[string]Lister, settings Settings) {
	s.sources.Set(slices.Collect(maps.Keys(sources)), func(name string) *swept {
		return &swept{Lister: sources[name], woken: make(chan struct{}, 1), demands: make(chan demand, maxDemands), ended: make(chan struct{}), gone: map[int64]time.Time{}}
	})
	pace.Wake(s.changed)
	s.mu.Lock()
	same := s.settings == settings
	s.settings = settings
	s.mu.Unlock()
	if same {
		return
	}
	for _, source := range s.sources.All() {
		pace.Wake(source.woken)
	}
}

func (s *Sweeps) current() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// Run compares until ctx ends.
func (s *Sweeps) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { s.sources.Run(ctx, s.loop) })
	loops.Go(func() { s.logRemoved(ctx) })
	loops.Wait()
	return nil
}

// The errors of Now.
var (
	ErrBusy  = errors.New("too many rounds are waiting")
	ErrEnded = errors.New("the relay stops, or the source was removed")
)

// Now makes a full round of a source at once and has everything that differs read.
func (s *Sweeps) Now(ctx context.Context, name string, accept Acceptance) (Report, error) {
	source, ok := s.sources.Get(name)
	if !ok {
		return Report{}, store.ErrNotFound
	}
	reply := make(chan Report, 1)
	select {
	case source.demands <- demand{accept, reply}:
		pace.Wake(source.woken)
	default:
		return Report{}, ErrBusy
	}
	select {
	case r := <-reply:
		return r, nil
	case <-source.ended:
		return Report{}, ErrEnded
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
}

// Sources are the names of the sources.
func (s *Sweeps) Sources() []string { return slices.Sorted(maps.Keys(s.sources.All())) }

// Compared returns when a source was last compared since the relay's start, and why it isn't since; "" if it is.
func (s *Sweeps) Compared(name string) (at time.Time, failure string) {
	source, ok := s.sources.Get(name)
	if !ok {
		return time.Time{}, ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return source.compared, source.failure
}

// Look reads one problem of which Zabbix said that it doesn't have it.
func (s *Sweeps) Look(key alert.Key) {
	s.opts.Inquirer.LookUp([]Lookup{{Key: key, Found: alert.FoundRecovery}})
}

// Gone records that Zabbix doesn't show a problem: Options.Gone of the inquirer.
func (s *Sweeps) Gone(key alert.Key, at time.Time) {
	source, ok := s.sources.Get(key.Source)
	id, err := strconv.ParseInt(key.EventID, 10, 64)
	if !ok || err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if source.gone[id].IsZero() {
		source.gone[id] = at
		pace.Wake(source.woken)
	}
}
