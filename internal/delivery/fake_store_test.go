package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// memStore is a store in memory, with a minimal ledger (fold).
type memStore struct {
	mu       sync.Mutex
	problems map[alert.Key]alert.Problem
	posts    map[alert.Key][]store.Post
	notices  map[int64]store.Notice
	groups   map[int64]store.Group
	values   map[string]string
	nextID   int64
	slow     time.Duration // of each call
	storm    bool          // new posts join a storm group
	flap     string        // new posts join the group of this flapping trigger
	// fail is asked before each call: an error is what the store answers.
	fail func(op string) error
	// damaged are problems whose documents can't be read.
	damaged map[alert.Key]bool
}

func newMemStore() *memStore {
	return &memStore{problems: map[alert.Key]alert.Problem{}, posts: map[alert.Key][]store.Post{}, notices: map[int64]store.Notice{}, groups: map[int64]store.Group{}, values: map[string]string{}}
}

func (s *memStore) enter(op string) (func(), error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	if s.fail != nil {
		if err := s.fail(op); err != nil {
			s.mu.Unlock()
			return nil, err
		}
	}
	return s.mu.Unlock, nil
}

func (s *memStore) Problems(_ context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	leave, err := s.enter("Problems")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := map[alert.Key]alert.Problem{}
	for _, k := range keys {
		if s.damaged[k] {
			return nil, fmt.Errorf("%w: problem %s can't be read", store.ErrRejected, k)
		}
		if p, ok := s.problems[k]; ok {
			p.Timeline = slices.Clone(p.Timeline)
			out[k] = p
		}
	}
	return out, nil
}

func (s *memStore) PostsOf(_ context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	leave, err := s.enter("PostsOf")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := map[alert.Key][]store.Post{}
	for _, k := range keys {
		out[k] = slices.Clone(s.posts[k])
	}
	return out, nil
}

func (s *memStore) PendingPosts(_ context.Context, _ []string, dueBefore time.Time) ([]store.Post, error) {
	leave, err := s.enter("PendingPosts")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Post
	for _, posts := range s.posts {
		for _, p := range posts {
			due := p.NotBefore
			if p.PendingSince.After(due) {
				due = p.PendingSince
			}
			if p.Group == 0 && p.Pending() && (dueBefore.IsZero() || !due.After(dueBefore)) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b store.Post) int {
		return cmp.Or(cmp.Compare(a.Key.String(), b.Key.String()), cmp.Compare(a.Room, b.Room))
	})
	return out, nil
}

func (s *memStore) ClaimPost(_ context.Context, key alert.Key, room string) (bool, error) {
	leave, err := s.enter("ClaimPost")
	if err != nil {
		return false, err
	}
	defer leave()
	for i, p := range s.posts[key] {
		if p.Room == room && p.Group == 0 && (p.Claimed || p.Pending()) {
			s.posts[key][i].Claimed = true
			return true, nil
		}
	}
	return false, nil
}

func (s *memStore) SavePost(_ context.Context, key alert.Key, room string, c store.Cursor) error {
	leave, err := s.enter("SavePost")
	if err != nil {
		return err
	}
	defer leave()
	for i, p := range s.posts[key] {
		if p.Room != room || !p.Claimed {
			continue
		}
		p.Cursor = c
		if c.Delivered >= p.Desired || c.State == store.PostDead {
			p.PendingSince = time.Time{}
		} else if p.PendingSince.IsZero() {
			p.PendingSince = time.Now()
		}
		s.posts[key][i] = p
		return nil
	}
	return store.ErrNotFound
}

func (s *memStore) AddNotice(_ context.Context, n store.Notice) (int64, error) {
	leave, err := s.enter("AddNotice")
	if err != nil {
		return 0, err
	}
	defer leave()
	for id, old := range s.notices {
		if n.Dedup != "" && old.Dedup == n.Dedup && old.Sender == n.Sender && old.Room == n.Room && old.Person == n.Person {
			old.Kind, old.Bot, old.Markdown, old.Text, old.Card, old.State = n.Kind, n.Bot, n.Markdown, n.Text, n.Card, store.NoticePending
			old.Attempts, old.NotBefore, old.LastError, old.TrackingID = 0, time.Time{}, "", ""
			old.Version++
			old.ChangedAt = time.Now()
			s.notices[id] = old
			return id, nil
		}
	}
	s.nextID++
	n.ID, n.State, n.Version, n.CreatedAt, n.ChangedAt = s.nextID, store.NoticePending, 1, time.Now(), time.Now()
	s.notices[n.ID] = n
	return n.ID, nil
}

func (s *memStore) Notice(_ context.Context, id int64) (store.Notice, error) {
	leave, err := s.enter("Notice")
	if err != nil {
		return store.Notice{}, err
	}
	defer leave()
	n, ok := s.notices[id]
	if !ok {
		return n, store.ErrNotFound
	}
	return n, nil
}

// noticeNow is a notice as it stands.
func (s *memStore) noticeNow(id int64) store.Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notices[id]
}

func (s *memStore) PendingNotices(context.Context) ([]store.Notice, error) {
	leave, err := s.enter("PendingNotices")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Notice
	for _, n := range s.notices {
		if n.State == store.NoticePending {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b store.Notice) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (s *memStore) SaveNotice(_ context.Context, n store.Notice) error {
	leave, err := s.enter("SaveNotice")
	if err != nil {
		return err
	}
	defer leave()
	old, ok := s.notices[n.ID]
	if !ok {
		return store.ErrNotFound
	}
	old.State, old.MessageID, old.SentVersion, old.Edits, old.Attempts = n.State, n.MessageID, n.SentVersion, n.Edits, n.Attempts
	old.NotBefore, old.LastError, old.TrackingID = n.NotBefore, n.LastError, n.TrackingID
	if old.Version > n.Version || old.State == store.NoticeSent && old.Version > old.SentVersion {
		old.State = store.NoticePending // what became of a body says nothing about a newer one
	} else if old.State != store.NoticePending {
		old.ChangedAt = time.Now()
	}
	s.notices[n.ID] = old
	return nil
}

func (s *memStore) Value(_ context.Context, name string) (string, error) {
	leave, err := s.enter("Value")
	if err != nil {
		return "", err
	}
	defer leave()
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	return "", store.ErrNotFound
}

func (s *memStore) SetValue(_ context.Context, name, value string) error {
	leave, err := s.enter("SetValue")
	if err != nil {
		return err
	}
	defer leave()
	s.values[name] = value
	return nil
}

// fold is one change by the ledger: the problem gets a revision, and a post for each of rooms. It returns what the
// ledger passes to Notify, with cursors that may be stale.
func (s *memStore) fold(key alert.Key, change func(p *alert.Problem), rooms ...string) store.Fold {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.problems[key]
	p := before
	p.Timeline = slices.Clone(p.Timeline)
	opens := p.Revision == 0
	if opens {
		p.Key, p.State, p.Severity, p.OpenedAt = key, alert.StateOpen, alert.High, time.Now()
		addEntry(&p, alert.EntryOpened, "")
	}
	if change != nil {
		change(&p)
	}
	p.Revision++
	if opens && len(p.Timeline) > 1 {
		p.Revision++ // it opened, and something happened to it
	}
	s.problems[key] = p
	for _, room := range rooms {
		if !slices.ContainsFunc(s.posts[key], func(p store.Post) bool { return p.Room == room }) {
			post := store.Post{Key: key, Room: room, JoinedAt: time.Now(), Cursor: store.Cursor{State: store.PostLive}}
			if p.Severity < alert.Disaster && !acted(before, p) {
				post.Group = s.join(room)
			}
			s.posts[key] = append(s.posts[key], post)
		}
	}
	fold := store.Fold{Problems: []alert.Problem{p}}
	for i := range s.posts[key] {
		post := &s.posts[key][i]
		post.Desired, post.Severity, post.Open, post.OpenedAt = p.Revision, p.Severity, p.Open(), p.OpenedAt
		if post.Group != 0 && p.Open() && (p.Severity >= alert.Disaster || acted(before, p)) {
			fold.Groups = append(fold.Groups, s.leave(post))
		}
		if post.Group != 0 {
			fold.Groups = append(fold.Groups, s.raise(post.Group, p))
		} else if post.PendingSince.IsZero() && post.State != store.PostDead {
			post.PendingSince = time.Now()
		}
		stale := *post
		if stale.State != store.PostDead {
			stale.Cursor = store.Cursor{State: store.PostLive}
		}
		fold.Posts = append(fold.Posts, stale)
	}
	return fold
}

func addEntry(p *alert.Problem, kind alert.EntryKind, words string) {
	e := alert.Entry{Seq: p.LastSeq() + 1, Kind: kind, At: time.Now()}
	if words != "" {
		e.Update = &alert.Update{At: time.Now(), Message: words}
	}
	p.Timeline = append(p.Timeline, e)
}

func say(words string) func(*alert.Problem) {
	return func(p *alert.Problem) { addEntry(p, alert.EntryUpdate, words) }
}

func ack(p *alert.Problem) {
	p.Acknowledged = true
	addEntry(p, alert.EntryUpdate, "acknowledged")
}

func resolve(p *alert.Problem) {
	p.State, p.ResolvedAt = alert.StateResolved, time.Now()
	addEntry(p, alert.EntryResolved, "")
}

func severity(s alert.Severity) func(*alert.Problem) {
	return func(p *alert.Problem) { p.Severity = s }
}

func (s *memStore) post(key alert.Key, room string) store.Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.posts[key] {
		if p.Room == room {
			return p
		}
	}
	return store.Post{}
}

// pending is what alert_relay_posts_pending counts.
func (s *memStore) pending() int {
	posts, _ := s.PendingPosts(context.Background(), nil, time.Time{})
	notices, _ := s.PendingNotices(context.Background())
	groups, _ := s.PendingGroups(context.Background(), "")
	return len(posts) + len(notices) + len(groups)
}
