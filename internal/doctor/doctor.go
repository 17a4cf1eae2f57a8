// Package doctor checks a relay and its neighbours: configuration, files, store, Webex, Zabbix and actions. It reads what is there, and pure
// functions turn that into checks: each a verdict with what it means and what to do. Only the test message of Options.Room changes
// anything.
package doctor

import (
	"context"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/config"
)

// Verdict is the result of a check.
type Verdict string

// The verdicts. A warning is something to look at: it works now, or it can't be seen.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning"
	Failure Verdict = "failure"
)

// Check is one thing that was checked.
type Check struct {
	Area    string  `json:"area"`             // configuration, files, store, relay, webex, zabbix, action or duty
	Target  string  `json:"target,omitempty"` // the bot, the source, the action or the schedule
	Name    string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`        // what was found, and what that means
	Do      string  `json:"do,omitempty"` // what to do about it
}

// Options say what is checked, and how the parts outside of this package are reached.
type Options struct {
	Config *config.Config // nil if it is faulty
	Faults config.Faults  // of the configuration
	// StorePath is the store's path; "" if it is unknown.
	StorePath string
	// Store reads the store; nil leaves it out, for a machine other than the relay's.
	Store func(ctx context.Context, path string) (Store, error)
	// Tokens reads people's own API tokens that are in use; nil leaves them out.
	Tokens func(ctx context.Context, path string) ([]PersonToken, error)
	// Backups is a backup, or a directory of backups; "" for none.
	Backups string
	// Ready asks the relay whether it accepts events. answers is false if nothing answers there.
	Ready func(ctx context.Context) (word string, answers bool, err error)
	// MustRun says that the relay's address was given, so that an answer is expected.
	MustRun bool
	// Room is where a test message is posted and deleted; "" for nowhere.
	Room string
	// AdminToken is the API token of a Super admin in Zabbix, and AdminSource its source; empty for none.
	AdminToken  string
	AdminSource string
	Version     string // of the relay
	Now         func() time.Time
	// Timeout bounds each call, and PartTimeout all of one bot, of one source or of the store.
	Timeout, PartTimeout time.Duration
}

// The default timeouts.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultPartTimeout = 45 * time.Second
)

// Run makes all checks and returns them in a fixed order. Each bot, each source and the store is read at the same time.
func Run(ctx context.Context, o Options) []Check {
	type part func(ctx context.Context, o Options) []Check
	relay, running := relayChecks(ctx, o)
	parts := []part{configurationChecks, fileChecks, storeChecks, func(context.Context, Options) []Check { return relay }}
	if o.Config != nil {
		parts = append(parts, publicURLChecks)
		for i := range o.Config.Webex.Bots {
			parts = append(parts, func(ctx context.Context, o Options) []Check { return webexChecks(ctx, o, i, running) })
		}
		for i := range o.Config.Zabbix {
			parts = append(parts, func(ctx context.Context, o Options) []Check { return zabbixChecks(ctx, o, i) })
		}
		for i := range o.Config.Actions {
			parts = append(parts, func(ctx context.Context, o Options) []Check { return actionChecks(ctx, o, i) })
		}
		for i := range o.Config.Duty {
			parts = append(parts, func(ctx context.Context, o Options) []Check { return dutyChecks(ctx, o, i) })
		}
	}
	results := make([][]Check, len(parts))
	var reading sync.WaitGroup
	for i, p := range parts {
		reading.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, o.PartTimeout)
			defer cancel()
			results[i] = p(ctx, o)
		})
	}
	reading.Wait()
	return slices.Concat(results...)
}

// Worst returns the worst verdict of all.
func Worst(checks []Check) Verdict {
	worst := OK
	for _, c := range checks {
		if c.Verdict == Failure || worst == OK {
			worst = c.Verdict
		}
	}
	return worst
}

// list collects the checks of one area and target.
type list struct {
	area, target string
	checks       []Check
}

func (l *list) add(v Verdict, name, found, do string) {
	l.checks = append(l.checks, Check{Area: l.area, Target: l.target, Name: name, Verdict: v, Found: found, Do: do})
}

func (l *list) ok(name, found string)          { l.add(OK, name, found, "") }
func (l *list) warning(name, found, do string) { l.add(Warning, name, found, do) }
func (l *list) failure(name, found, do string) { l.add(Failure, name, found, do) }
