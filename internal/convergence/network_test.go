package convergence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"sync"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

// chance returns the same number in [0,1) for the same words: the duration of a call depends on the call, not on
// what else runs.
type chance struct {
	seed uint64

	mu   sync.Mutex
	seen map[string]int
}

func (c *chance) of(words string) float64 {
	c.mu.Lock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	n := c.seen[words]
	c.seen[words]++
	c.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %s", c.seed, n, words)
	x := h.Sum64() // the low bits of FNV are poor
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// answer is a message that Webex posted and confirmed.
type answer struct {
	life int
	at   time.Time
	bot  int
}

// wait is a pause that a 429 demanded, of the bot or of one room.
type wait struct{ demanded, until time.Time }

// limited identifies a bot that must wait, in one room or ("") everywhere.
type limited struct {
	bot  int
	room string
}

// ears records the traffic on the relay's side: which messages were confirmed to it, and when it had to wait.
type ears struct {
	mu      sync.Mutex
	known   map[string]answer // by message id
	waits   map[limited]wait
	rooms   map[string]string // message id → its room
	early   []string          // requests that began although the bot had to wait
	calls   int
	refused map[int]int     // status → answers
	stays   map[string]bool // messages that Webex refused to delete, or didn't find because the bot was removed
	kept    map[string]bool // messages that Webex refused to edit although they exist
	lost    int             // requests without an answer, or 5xx: their effect is unknown
	pace    map[int]*paced  // by bot
	fooled  bool            // a step refused a call as the account's that the account would have accepted
}

// paced is what a bot knows about its account's limit.
type paced struct {
	answered int // calls since the last 429
	inFlight int
	last     time.Time // when a call last ended
}

// proof is a call after a silence, after that many answered ones: an account with a limit accepts it (ADR 012).
const (
	proofCalls   = 20
	proofSilence = 250 * time.Millisecond
)

func newEars() *ears {
	return &ears{known: map[string]answer{}, waits: map[limited]wait{}, rooms: map[string]string{}, refused: map[int]int{}, stays: map[string]bool{}, kept: map[string]bool{}, pace: map[int]*paced{}}
}

// line is one bot's connection to Webex in one life of the process. After a kill nothing is sent any more.
type line struct {
	ears *ears
	bot  int
	life *life
	next http.RoundTripper
}

var errKilled = errors.New("the process is gone")

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	proven := l.ears.begin(l.bot, r)
	defer l.ears.end(l.bot)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(l.life.alive, func() { cancel(errKilled) })()
	if l.life.alive.Err() != nil {
		return nil, errKilled
	}
	resp, err := l.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		l.ears.nothing()
		return nil, err
	}
	body, err := io.ReadAll(resp.Body) // an answer counts when all of it has arrived
	_ = resp.Body.Close()
	if err != nil {
		l.ears.nothing()
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	l.ears.hear(l, r, resp, body, proven)
	return resp, nil
}

// begin records a request. It reports whether a 429 for it can't be the account's.
func (e *ears) begin(bot int, r *http.Request) (proven bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.pace[bot] == nil {
		e.pace[bot] = &paced{}
	}
	p := e.pace[bot]
	proven = p.answered >= proofCalls && p.inFlight == 0 && time.Since(p.last) >= proofSilence
	p.inFlight++
	// A request that begins at the same instant as the 429 couldn't know.
	for _, who := range []limited{{bot, ""}, {bot, e.roomOf(r)}} {
		if now, w := time.Now(), e.waits[who]; now.After(w.demanded) && now.Before(w.until) {
			e.early = append(e.early, fmt.Sprintf("%v: %s %s by bot %d, which had to wait until %v (room %q)", now.Sub(epoch), r.Method, r.URL.Path, bot, w.until.Sub(epoch), who.room))
			break
		}
	}
	return proven
}

func (e *ears) end(bot int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pace[bot].inFlight--
	e.pace[bot].last = time.Now()
}

var roomInForm = regexp.MustCompile(`name="roomId"\r\n\r\n([^\r]+)\r\n`)

// roomOf returns the room that a request writes to; "" for a direct chat or a read.
func (e *ears) roomOf(r *http.Request) string {
	if r.GetBody == nil {
		return e.rooms[path.Base(r.URL.Path)]
	}
	body, err := r.GetBody()
	if err != nil {
		return ""
	}
	all, _ := io.ReadAll(body)
	if found := roomInForm.FindSubmatch(all); found != nil {
		return string(found[1])
	}
	var m struct {
		RoomID string `json:"roomId"`
	}
	_ = json.Unmarshal(all, &m)
	return m.RoomID
}

func (e *ears) nothing() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost++
}

func (e *ears) hear(l *line, r *http.Request, resp *http.Response, body []byte, proven bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if resp.Header.Get("Trackingid") == "" { // a proxy answered: what Webex did is unknown
		e.lost++
		return
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		who := limited{bot: l.bot}
		whole := resp.Header.Get(webexsim.LimitHeader) == "account"
		if whole && proven && bytes.Contains(body, []byte("Injected fault")) {
			e.fooled, whole = true, false
		}
		e.pace[l.bot].answered = 0
		if !whole { // a step of the schedule, for one operation only
			if who.room = e.roomOf(r); who.room == "" {
				break
			}
		}
		if until := now.Add(time.Duration(seconds) * time.Second); until.After(e.waits[who].until) {
			e.waits[who] = wait{now, until}
		}
	case resp.StatusCode >= 500:
		e.lost++
	case resp.StatusCode < 300:
		e.pace[l.bot].answered++
		if r.Method != http.MethodPost {
			break
		}
		var m struct {
			ID     string `json:"id"`
			RoomID string `json:"roomId"`
		}
		if json.Unmarshal(body, &m) == nil {
			e.known[m.ID] = answer{l.life.number, now, l.bot}
			e.rooms[m.ID] = m.RoomID
		}
	}
	gone := resp.StatusCode == http.StatusNotFound && r.Method == http.MethodPut && l.life.has(readmit)
	if resp.StatusCode >= 400 && resp.StatusCode < 429 && r.Method == http.MethodDelete || gone {
		e.stays[path.Base(r.URL.Path)] = true
	}
	if resp.StatusCode == http.StatusBadRequest && r.Method == http.MethodPut {
		e.kept[path.Base(r.URL.Path)] = true
	}
	if resp.StatusCode >= 400 {
		e.refused[resp.StatusCode]++
	}
}

// forget shortens waits to those that the process still knows after a kill: one that was demanded right before it may
// not have reached the disk.
func (e *ears) forget(bot int, known, lastMoment time.Time) (shortened bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for who, w := range e.waits {
		if who.bot != bot || !known.Before(w.until) || !time.Now().Before(w.until) || w.demanded.Before(lastMoment) {
			continue
		}
		e.waits[who] = wait{w.demanded, known}
		shortened = true
	}
	return shortened
}

func (e *ears) callsMade() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

// far delays requests and answers. A request in flight arrives even if its sender dies.
func far(h http.Handler, most time.Duration, c *chance) http.Handler {
	if most == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		words := r.Method + r.URL.Path + string(body)
		time.Sleep(time.Duration(c.of("there "+words) * float64(most)))
		h.ServeHTTP(w, r)
		time.Sleep(time.Duration(c.of("back "+words) * float64(most)))
	})
}
