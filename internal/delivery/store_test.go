package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// testStore is a store in memory that can fail, be slow and have unreadable problems, with a minimal ledger (fold).
type testStore struct {
	store.Store // wakes delivery as in production
	store.Local
	silent *memory.Store // the same, without the wake-ups

	mu     sync.Mutex
	fail   func(op string) error // asked before each call of delivery; what it returns is the store's answer
	slow   time.Duration         // before each call of delivery
	unread map[alert.Key]bool    // problems whose documents can't be read

	beforeMembers func() // called before delivery reads the members of a group

	storm   bool             // new posts join a storm group
	flap    string           // new posts join the group of this flapping trigger
	cause   string           // new posts join the group of this cause
	burst   time.Duration    // new posts are pending only after this time
	changed func(store.Fold) // called after folds that the store begins itself, for reroutes
	causes  []store.Cause    // of new posts
	keys    []alert.Key      // of all problems, in order of their first fold
}

func newTestStore() *testStore {
	s := &testStore{silent: memory.New(time.Now)}
	s.Store = store.Waking(s.silent, &s.Local)
	return s
}

// through makes a call of delivery, unless the store fails it.
func through[T any](s *testStore, op string, call func() (T, error)) (result T, err error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(op); err != nil {
			return result, err
		}
	}
	return call()
}

// write is through for calls that return nothing.
func (s *testStore) write(op string, call func() error) error {
	_, err := through(s, op, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func (s *testStore) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	return through(s, "Problems", func() (map[alert.Key]alert.Problem, error) {
		found, err := s.Store.Problems(ctx, keys)
		for _, k := range keys {
			if s.unread[k] {
				delete(found, k)
				err = errors.Join(err, fmt.Errorf("%w: problem %s can't be read", store.ErrRejected, k))
			}
		}
		return found, err
	})
}

func (s *testStore) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	return through(s, "PostsOf", func() (map[alert.Key][]store.Post, error) { return s.Store.PostsOf(ctx, keys) })
}

func (s *testStore) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	return through(s, "PendingPosts", func() ([]store.Post, error) { return s.Store.PendingPosts(ctx, rooms, dueBefore) })
}

func (s *testStore) ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error) {
	return through(s, "ClaimPost", func() (bool, error) { return s.Store.ClaimPost(ctx, key, room) })
}

func (s *testStore) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	return s.write("SavePost", func() error { return s.Store.SavePost(ctx, key, room, c) })
}

func (s *testStore) Group(ctx context.Context, id int64) (store.Group, error) {
	return through(s, "Group", func() (store.Group, error) { return s.Store.Group(ctx, id) })
}

func (s *testStore) PendingGroups(ctx context.Context, room string) ([]store.Group, error) {
	return through(s, "PendingGroups", func() ([]store.Group, error) { return s.Store.PendingGroups(ctx, room) })
}

func (s *testStore) GroupPosts(ctx context.Context, id int64) ([]store.Post, error) {
	return through(s, "GroupPosts", func() ([]store.Post, error) { return s.Store.GroupPosts(ctx, id) })
}

func (s *testStore) GroupLeavers(ctx context.Context, id, after int64) ([]store.Post, error) {
	return through(s, "GroupLeavers", func() ([]store.Post, error) { return s.Store.GroupLeavers(ctx, id, after) })
}

func (s *testStore) SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error {
	return s.write("SaveGroup", func() error { return s.Store.SaveGroup(ctx, id, c) })
}

func (s *testStore) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	return through(s, "AddNotice", func() (int64, error) { return s.Store.AddNotice(ctx, n) })
}

func (s *testStore) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return through(s, "Notice", func() (store.Notice, error) { return s.Store.Notice(ctx, id) })
}

func (s *testStore) PendingNotices(ctx context.Context) ([]store.Notice, error) {
	return through(s, "PendingNotices", func() ([]store.Notice, error) { return s.Store.PendingNotices(ctx) })
}

func (s *testStore) SaveNotice(ctx context.Context, n store.Notice) error {
	return s.write("SaveNotice", func() error { return s.Store.SaveNotice(ctx, n) })
}

func (s *testStore) Value(ctx context.Context, name string) (string, error) {
	return through(s, "Value", func() (string, error) { return s.Store.Value(ctx, name) })
}

func (s *testStore) SetValue(ctx context.Context, name, value string) error {
	return s.write("SetValue", func() error { return s.Store.SetValue(ctx, name, value) })
}

// Append folds a reroute at once, as the ledger does.
func (s *testStore) Append(ctx context.Context, e store.Entry) (int64, error) {
	id, err := through(s, "Append", func() (int64, error) { return s.Store.Append(ctx, e) })
	if err != nil {
		return 0, err
	}
	var to store.Envelope
	if err := json.Unmarshal(e.Payload, &to); err != nil {
		return 0, err
	}
	s.changed(s.commit(alert.Key{Source: e.Source, EventID: to.EventID}, func(*alert.Problem) {}, false, to.Room))
	return id, nil
}

// Members returns what posts say of the problems that are unreadable.
func (s *testStore) Members(ctx context.Context, id int64) ([]store.Member, error) {
	s.mu.Lock()
	before := s.beforeMembers
	s.mu.Unlock()
	if before != nil {
		before()
	}
	members, err := through(s, "Members", func() ([]store.Member, error) { return s.Store.Members(ctx, id) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range members {
		if k := m.Problem.Key; s.unread[k] {
			post := slices.IndexFunc(s.postsOf(k), func(p store.Post) bool { return p.Group == id })
			members[i].Problem = s.postsOf(k)[post].UnreadableProblem()
		}
	}
	return members, err
}

// set changes how new posts are grouped.
func (s *testStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// setFail replaces fail; nil for none.
func (s *testStore) setFail(fail func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// failUntil makes every call fail until then.
func (s *testStore) failUntil(end time.Time) {
	s.setFail(func(string) error {
		if time.Now().Before(end) {
			return store.ErrBusy
		}
		return nil
	})
}

// rejects makes the store reject one operation permanently.
func (s *testStore) rejects(op string) {
	s.setFail(func(asked string) error {
		if asked == op {
			return fmt.Errorf("%w: as the test wants", store.ErrRejected)
		}
		return nil
	})
}

// damage makes problems unreadable.
func (s *testStore) damage(ns ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = map[alert.Key]bool{}
	for _, n := range ns {
		s.unread[key(n)] = true
	}
}

// must returns the result of a read that bypasses the failures.
func must[T any](result T, err error) T {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		panic(err)
	}
	return result
}

// problem is a problem as stored; its Revision is 0 if there is none.
func (s *testStore) problem(key alert.Key) alert.Problem {
	return must(s.Store.Problems(context.Background(), []alert.Key{key}))[key]
}

func (s *testStore) postsOf(key alert.Key) []store.Post {
	return must(s.Store.PostsOf(context.Background(), []alert.Key{key}))[key]
}

func (s *testStore) post(key alert.Key, room string) store.Post {
	for _, p := range s.postsOf(key) {
		if p.Room == room {
			return p
		}
	}
	return store.Post{}
}

func (s *testStore) allPosts() (all []store.Post) {
	s.mu.Lock()
	keys := slices.Clone(s.keys)
	s.mu.Unlock()
	for _, k := range keys {
		all = append(all, s.postsOf(k)...)
	}
	return all
}

// group is a group as stored; its ID is 0 if there is none.
func (s *testStore) group(id int64) store.Group { return must(s.Store.Group(context.Background(), id)) }

// setGroup changes a group's cursor.
func (s *testStore) setGroup(id int64, change func(*store.GroupCursor)) {
	g := s.group(id)
	change(&g.GroupCursor)
	must(0, s.Store.SaveGroup(context.Background(), id, g.GroupCursor))
}

func (s *testStore) notice(id int64) store.Notice {
	return must(s.Store.Notice(context.Background(), id))
}

// pending is what alert_relay_posts_pending counts.
func (s *testStore) pending() int {
	ctx := context.Background()
	return len(must(s.Store.PendingPosts(ctx, nil, time.Time{}))) + len(must(s.Store.PendingNotices(ctx))) + len(must(s.Store.PendingGroups(ctx, "")))
}
