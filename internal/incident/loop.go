package incident

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Webex is the part of webex.Client that a bot needs for incidents.
type Webex interface {
	Rooms(ctx context.Context) ([]webex.Room, error)
	Room(ctx context.Context, id string) (webex.Room, error)
	CreateRoom(ctx context.Context, title string) (webex.Room, error)
	AddMember(ctx context.Context, roomID, email string) error
	Leave(ctx context.Context, roomID string) error
}

// Options configure a Loop. All are required.
type Options struct {
	Keeper   *Keeper
	Settings func() Settings
	Webex    func(bot string) (Webex, bool)
	Graph    func(ctx context.Context, f Facts, p alert.Problem) (Graph, error) // of a problem, around the incident
	Refused  func(ctx context.Context, room, reason string)                     // ends what a space that takes no messages was for
	Log      *slog.Logger
	Metrics  *Metrics
}

// Loop does what Next decides for each incident, one step at a time. Several incidents advance at once: a slow call holds up its own.
type Loop struct {
	o        Options
	drawings chan drawing  // without a buffer: what drawAll can't take now is handed over at the next look
	turns    chan struct{} // has an element for each incident that advances now

	mu    sync.Mutex
	found map[int64]time.Time // when the space of an incident was last found
	busy  map[int64]bool      // the incidents that advance, or wait for their turn; true: they get another one
}

// NewLoop makes a Loop.
func NewLoop(o Options) *Loop {
	return &Loop{o: o, drawings: make(chan drawing), turns: make(chan struct{}, maxTurns), found: map[int64]time.Time{}, busy: map[int64]bool{}}
}

const (
	// look is how often the incidents that go on are looked at: their problems change without telling.
	look = 15 * time.Second
	// findEvery is how often each space is looked for: Webex may delete it, or people remove the bot, while nothing is posted there.
	findEvery = 5 * time.Minute
	// maxTurns is how many incidents advance at once, turnTime for how long before others get their turn: a call goes on to its end.
	maxTurns, turnTime = 8, 30 * time.Second
	// callTime bounds one step.
	callTime = 2 * time.Minute
	// clockSlack is how much earlier than the incident its space may have been made, by Webex's clock.
	clockSlack = 5 * time.Minute
	// The backoff of calls to Webex.
	minBackoff, maxBackoff = 5 * time.Second, 2 * time.Minute
)

// Run works until ctx ends. What it doesn't finish, the next start does.
func (l *Loop) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	workers.Go(func() { l.drawAll(ctx) })
	for {
		live := l.o.Keeper.Live()
		for _, i := range live {
			if l.begin(i.ID) {
				workers.Go(func() { l.work(ctx, i.ID) })
			}
		}
		wait := look
		if len(live) == 0 {
			wait = 24 * time.Hour // until one is opened
		}
		if !pace.Pause(ctx, wait, l.o.Keeper.woken) && ctx.Err() != nil {
			return nil
		}
	}
}

// begin reports whether an incident isn't busy, and makes it so. One that is gets another turn.
func (l *Loop) begin(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, busy := l.busy[id]
	l.busy[id] = busy
	return !busy
}

// end reports whether an incident gets another turn, and otherwise makes it not busy.
func (l *Loop) end(id int64) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if again = l.busy[id]; again {
		l.busy[id] = false
	} else {
		delete(l.busy, id)
	}
	return again
}

// work has a busy incident advance at each of its turns.
func (l *Loop) work(ctx context.Context, id int64) {
	for again := true; again; again = l.end(id) {
		select {
		case <-ctx.Done():
			return
		case l.turns <- struct{}{}:
		}
		if i, ok := l.o.Keeper.Get(id); ok {
			l.find(ctx, i, time.Now().Add(-findEvery))
		}
		if err := l.advance(ctx, id); err != nil && ctx.Err() == nil {
			l.o.Log.Error("an incident doesn't advance, trying again in a moment", "incident", Number(id), "error", err)
		}
		<-l.turns
	}
}

// find looks whether the bot is still in the space of an incident, if it hasn't since then. Only an answer of Webex itself that it isn't
// counts.
func (l *Loop) find(ctx context.Context, i store.Incident, since time.Time) {
	l.mu.Lock()
	before := l.found[i.ID]
	l.mu.Unlock()
	if !Reachable(i) || before.After(since) {
		return
	}
	client, ok := l.o.Webex(i.Bot)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := client.Room(ctx, i.RoomID)
	l.mu.Lock()
	l.found[i.ID] = time.Now()
	l.mu.Unlock()
	if class := webex.ClassOf(err); err != nil && (class == webex.Forbidden || class == webex.NotFound) {
		l.o.Refused(ctx, Space(i), reasonOf(l.o.Settings().lang(i), err))
	}
}

// maxSteps bounds the steps of one incident in a row.
const maxSteps = 200

// advance does what is to be done for an incident now, for a turn.
func (l *Loop) advance(ctx context.Context, id int64) error {
	begun := time.Now()
	for range maxSteps {
		if time.Since(begun) > turnTime {
			break
		}
		i, ok := l.o.Keeper.Get(id)
		if !ok || ctx.Err() != nil {
			return ctx.Err()
		}
		f, err := l.o.Keeper.Facts(ctx, i)
		if err != nil {
			return err
		}
		var again []alert.Problem
		if f.RoomID != "" && f.EndedAt.IsZero() {
			if again, err = l.o.Keeper.recurring(ctx, f); err != nil {
				return err
			}
		}
		sent, refused, err := l.sent(ctx, i)
		if err != nil {
			return err
		}
		if !refused.IsZero() {
			l.find(ctx, i, refused)
			if now, _ := l.o.Keeper.Get(id); !Reachable(now) { // the review goes to where the incident was opened
				if _, err := l.o.Keeper.Update(ctx, id, func(i *store.Incident) { i.Reviewed, i.Posting, i.Graphs = time.Time{}, 0, nil }); err != nil {
					return err
				}
				continue
			}
		}
		s := l.o.Settings()
		step := Next(f, again, sent, s, time.Now())
		switch step.Op {
		case OpNone:
			return nil
		case OpGraph:
			select {
			case l.drawings <- drawing{f, step.Key}:
			default:
			}
			return nil
		}
		l.o.Log.Debug("incident", "incident", Number(id), "does", step.Op)
		if err := l.do(ctx, f, step, s); err != nil {
			return fmt.Errorf("%s: %w", step.Op, err)
		}
	}
	return nil
}

// sent reports whether an incident's review, and those of its graphs that were posted, have been sent or never will be; and when its
// space refused the review, if it did.
func (l *Loop) sent(ctx context.Context, i store.Incident) (sent bool, refused time.Time, err error) {
	if i.Posting == 0 {
		return true, refused, nil
	}
	n, err := l.o.Keeper.store.Notice(ctx, i.Posting)
	if store.Lasting(err) { // pruned: it was sent
		return true, refused, nil
	}
	if err == nil && n.State == store.NoticeDead && n.Kind != store.NoticeGraph && n.Room == Space(i) {
		refused = n.ChangedAt
	}
	return n.State != store.NoticePending, refused, err
}

// do takes one step. A call that isn't cancelled when ctx ends has its own timeout.
func (l *Loop) do(ctx context.Context, f Facts, step Step, s Settings) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	now := time.Now()
	update := func(change func(i *store.Incident)) error {
		_, err := l.o.Keeper.Update(ctx, f.ID, change)
		return err
	}
	switch step.Op {
	case OpSay:
		_, err := l.say(ctx, f, step.Message, func(i *store.Incident, _ int64) {
			if i.Shown == nil {
				i.Shown = map[string]string{}
			}
			i.Shown[step.Message.Name] = step.Message.digest()
		})
		return err
	case OpRemind:
		_, err := l.say(ctx, f, step.Message, func(i *store.Incident, _ int64) { i.Reminded, i.RemindedAt = i.Reminded+1, now })
		return err
	case OpReview:
		l.o.Log.Info("incident resolved, posting its review", "incident", Number(f.ID))
		_, err := l.say(ctx, f, step.Message, func(i *store.Incident, notice int64) {
			i.Reviewed, i.Review, i.Posting, i.Graphs = now, string(step.Message.File.Content), notice, f.graphed()
		})
		return err
	case OpShow:
		return l.show(ctx, f, step.Key)
	case OpMake:
		return l.makeSpace(ctx, f, step.Search, s.lang(f.Incident))
	case OpGiveUp:
		l.o.Metrics.opened.WithLabelValues(resultRefused).Inc()
		return update(func(i *store.Incident) { i.Refused = step.Why })
	case OpInvite:
		return l.invite(ctx, f, step.Who, s)
	case OpJoin:
		key := step.Problem.Key
		if _, err := l.o.Keeper.Enter(ctx, store.IncidentEntry{
			Incident: f.ID, Key: "again:" + key.String(), Kind: store.IncidentJoin, At: now, Subject: key.String(), Text: nameOf(step.Problem),
		}); err != nil {
			return err
		}
		return update(func(i *store.Incident) { Join(i, key, now) })
	case OpLeave:
		return l.leave(ctx, f, s.lang(f.Incident))
	case OpClose:
		l.o.Log.Info("incident closed", "incident", Number(f.ID))
		f.Closed = now
		last := Message{Name: messageOrigin, Origin: true, Text: f.originText(s)}
		if f.Shown[last.Name] == last.digest() { // it was refused
			return update(func(i *store.Incident) { i.Closed = now })
		}
		_, err := l.say(ctx, f, last, func(i *store.Incident, _ int64) { i.Closed = now })
		return err
	}
	return fmt.Errorf("unknown step %q", step.Op)
}

// say enqueues a message, and then records that. After a crash in between the same message isn't enqueued again.
func (l *Loop) say(ctx context.Context, f Facts, m Message, record func(i *store.Incident, notice int64)) (id int64, err error) {
	n := store.Notice{
		Kind: store.NoticeAnswer, Sender: sender, Room: Space(f.Incident), Bot: f.Bot, Markdown: m.Text, Card: m.Card, File: m.File,
		State: store.NoticePending, CreatedAt: time.Now(),
		Once: store.Once{Key: fmt.Sprintf("%s:%d:%s:%s", Number(f.ID), f.Said, m.Name, m.digest()), Digest: m.digest()},
	}
	if m.Origin {
		n.Room, n.ParentID = f.Room, f.Thread
	}
	if m.File == nil {
		n.Dedup = Number(f.ID) + ":" + m.Name
	} else { // it can't replace another one, and says when it was written
		n.Once = store.Once{Key: fmt.Sprintf("%s:%d:%s", Number(f.ID), f.Said, m.Name), Digest: m.Name}
	}
	if id, err = l.o.Keeper.store.AddNotice(ctx, n); err != nil {
		return 0, err
	}
	_, err = l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) {
		i.Said++
		record(i, id)
	})
	return id, err
}

// sender is the Notice.Sender of what incidents post.
const sender = "incident"

// show has the ledger show a problem in the space. A repetition changes nothing.
func (l *Loop) show(ctx context.Context, f Facts, key alert.Key) error {
	payload, err := json.Marshal(store.Envelope{EventID: key.EventID, Room: Space(f.Incident), Route: Rule(f.ID)})
	if err != nil {
		return err
	}
	if _, err := l.o.Keeper.store.Append(ctx, store.Entry{Source: key.Source, Kind: store.EntryReroute, Payload: payload, ReceivedAt: time.Now()}); err != nil {
		return err
	}
	_, err = l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) {
		for n := range i.Problems {
			if i.Problems[n].Key == key {
				i.Problems[n].Posted = true
			}
		}
	})
	return err
}

// makeSpace makes the space. If an earlier call may have made it, it is looked for among the bot's rooms first: Webex has no idempotency
// key.
func (l *Loop) makeSpace(ctx context.Context, f Facts, search bool, in lang.Lang) error {
	client, ok := l.o.Webex(f.Bot)
	if !ok {
		return l.refuse(ctx, f, in.T("the bot %s isn't configured any more", f.Bot), errNoBot)
	}
	if search {
		rooms, err := client.Rooms(ctx)
		if err != nil {
			return l.postpone(ctx, f, err, in)
		}
		for _, r := range rooms {
			if l.isSpace(f, r) {
				return l.made(ctx, f, r.ID)
			}
		}
	}
	// Recorded before the call: after a crash it is looked for.
	if _, err := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) { i.Tries++ }); err != nil {
		return err
	}
	room, err := client.CreateRoom(ctx, Title(f.Incident))
	if err != nil {
		if final(err) {
			return l.refuse(ctx, f, reasonOf(in, err), err)
		}
		return l.postpone(ctx, f, err, in)
	}
	return l.made(ctx, f, room.ID)
}

// isSpace reports whether a room is the space that was made for an incident, and not one of another store's incident with that number.
func (l *Loop) isSpace(f Facts, r webex.Room) bool {
	if r.Title != Title(f.Incident) || r.Type == "direct" || r.Created.Before(f.Incident.Opened.Add(-clockSlack)) {
		return false
	}
	for _, other := range l.o.Keeper.All() {
		if other.ID != f.ID && other.RoomID == r.ID {
			return false
		}
	}
	return true
}

func (l *Loop) made(ctx context.Context, f Facts, roomID string) error {
	l.o.Metrics.opened.WithLabelValues(resultOK).Inc()
	l.o.Log.Info("incident opened", "incident", Number(f.ID), "space", roomID, "by", f.By.Email, "room", f.Room)
	_, err := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) {
		i.RoomID, i.Attempts, i.NotBefore, i.LastError = roomID, 0, time.Time{}, ""
	})
	return err
}

// errNoBot is the reason in the log if a bot was removed from the configuration.
var errNoBot = errors.New("the bot isn't configured any more")

// refuse records that an incident gets no space. why is for people, cause for the log.
func (l *Loop) refuse(ctx context.Context, f Facts, why string, cause error) error {
	l.o.Metrics.opened.WithLabelValues(resultRefused).Inc()
	l.o.Log.Warn("an incident gets no space", "incident", Number(f.ID), "bot", f.Bot, "error", cause)
	_, err := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) { i.Refused = why })
	return err
}

// postpone records that a call to Webex is tried again.
func (l *Loop) postpone(ctx context.Context, f Facts, err error, in lang.Lang) error {
	wait := min(minBackoff<<min(f.Attempts, 10), maxBackoff)
	wait = max(wait, webex.ErrorOf(err).RetryAfter)
	l.o.Log.Warn("a call to Webex for an incident failed and will be tried again", "incident", Number(f.ID), "in", wait, "error", err)
	_, saved := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) {
		i.Attempts, i.NotBefore = i.Attempts+1, time.Now().Add(wait)
		if i.RoomID == "" {
			i.LastError = reasonOf(in, err)
		}
	})
	return saved
}

// final reports whether repeating a call can't help.
func final(err error) bool {
	switch webex.ClassOf(err) {
	case webex.Forbidden, webex.NotFound, webex.Conflict, webex.Refused:
		return true
	}
	return false
}

// reasonOf describes a failure of Webex for people.
func reasonOf(in lang.Lang, err error) string {
	e := webex.ErrorOf(err)
	said := cmp.Or(text.Line(e.Message), in.T("no answer"))
	if e.Status != 0 {
		said = in.T("Webex says %s: %s", strconv.Itoa(e.Status), said)
	}
	return text.Shorten(said, 300)
}

// invite adds a person to the space, and records the result: each is told once.
func (l *Loop) invite(ctx context.Context, f Facts, who store.Someone, s Settings) error {
	in, result, failure := s.lang(f.Incident), resultOK, ""
	client, ok := l.o.Webex(f.Bot)
	switch {
	case !ok:
		result, failure = resultRefused, in.T("the bot %s isn't configured any more", f.Bot)
	case !s.Allowed(who.Email):
		result, failure = resultRefused, in.T("not in a domain that the relay's configuration allows")
	default:
		err := client.AddMember(ctx, f.RoomID, who.Email)
		switch class := webex.ClassOf(err); {
		case err == nil:
		case class == webex.Conflict:
			result = resultMember
		case !final(err) && f.Attempts < inviteTries:
			return l.postpone(ctx, f, err, in)
		default:
			result, failure = resultRefused, reasonOf(in, err)
		}
	}
	l.o.Metrics.invited.WithLabelValues(result).Inc()
	key := "invite:" + who.Email
	if n, _ := f.invitations(who.Email); n > 0 {
		key += ":" + strconv.Itoa(n)
	}
	if _, err := l.o.Keeper.Enter(ctx, store.IncidentEntry{
		Incident: f.ID, Key: key, Kind: store.IncidentInvited, At: time.Now(), Who: who, Subject: who.Email, Text: failure,
	}); err != nil {
		return err
	}
	if f.Attempts == 0 {
		return nil
	}
	_, err := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) { i.Attempts, i.NotBefore = 0, time.Time{} })
	return err
}

// leave takes the bot out of the space. People keep it.
func (l *Loop) leave(ctx context.Context, f Facts, in lang.Lang) error {
	client, ok := l.o.Webex(f.Bot)
	if ok {
		if err := client.Leave(ctx, f.RoomID); err != nil && !final(err) && f.Attempts < inviteTries {
			return l.postpone(ctx, f, err, in)
		} else if err != nil {
			l.o.Log.Warn("the bot can't leave an incident's space", "incident", Number(f.ID), "error", err)
		}
	}
	_, err := l.o.Keeper.Update(ctx, f.ID, func(i *store.Incident) { i.Left, i.Attempts, i.NotBefore = true, 0, time.Time{} })
	return err
}
