package convergence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// disk is the real SQLite store on a disk that is sometimes slow or full, for a process that may be killed before,
// during and after each call. Only the process's own parts use it; checks read the store itself.
type disk struct {
	*sqlite.Store
	life *life
	most time.Duration // the longest wait before and after a call
	c    *chance
	full *atomic.Bool
}

var errFull = errors.New("database or disk is full")

// on makes one call. The process may be dead before it returns.
func on[T any](d *disk, ctx context.Context, words string, writes bool, call func() (T, error)) (T, error) {
	var none T
	if err := d.wait(ctx, "before "+words); err != nil {
		return none, err
	}
	if writes && d.full.Load() {
		return none, errFull
	}
	got, err := call()
	if d.wait(context.WithoutCancel(ctx), "after "+words) != nil {
		return none, store.ErrClosed
	}
	return got, err
}

func (d *disk) wait(ctx context.Context, words string) error {
	if d.most > 0 {
		timer := time.NewTimer(time.Duration(d.c.of(words) * float64(d.most)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.life.alive.Done():
		}
	}
	if d.life.alive.Err() != nil {
		return store.ErrClosed
	}
	return nil
}

type nothing = struct{}

func just(err error) (nothing, error) { return nothing{}, err }

func (d *disk) Append(ctx context.Context, e store.Entry) (int64, error) {
	return on(d, ctx, "append "+string(e.Payload), true, func() (int64, error) { return d.Store.Append(ctx, e) })
}

func (d *disk) PendingEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	return on(d, ctx, "pending entries", false, func() ([]store.Entry, error) { return d.Store.PendingEntries(ctx, limit) })
}

func (d *disk) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	return on(d, ctx, fmt.Sprint("problems ", keys), false, func() (map[alert.Key]alert.Problem, error) { return d.Store.Problems(ctx, keys) })
}

func (d *disk) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	return on(d, ctx, fmt.Sprint("posts ", keys), false, func() (map[alert.Key][]store.Post, error) { return d.Store.PostsOf(ctx, keys) })
}

func (d *disk) CommitFold(ctx context.Context, f store.Fold) error {
	_, err := on(d, ctx, "fold", true, func() (nothing, error) { return just(d.Store.CommitFold(ctx, f)) })
	return err
}

func (d *disk) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	return on(d, ctx, "pending posts", false, func() ([]store.Post, error) { return d.Store.PendingPosts(ctx, rooms, dueBefore) })
}

func (d *disk) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	return on(d, ctx, "due posts", false, func() ([]store.Post, error) { return d.Store.DuePosts(ctx, now, limit) })
}

func (d *disk) Grouping(ctx context.Context, asks []store.GroupingAsk) (map[string]store.RoomGrouping, error) {
	return on(d, ctx, "grouping", false, func() (map[string]store.RoomGrouping, error) { return d.Store.Grouping(ctx, asks) })
}

func (d *disk) FreshRooms(ctx context.Context) ([]string, error) {
	return on(d, ctx, "fresh rooms", false, func() ([]string, error) { return d.Store.FreshRooms(ctx) })
}

func (d *disk) ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error) {
	return on(d, ctx, fmt.Sprint("claim ", key, room), true, func() (bool, error) { return d.Store.ClaimPost(ctx, key, room) })
}

func (d *disk) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	_, err := on(d, ctx, fmt.Sprint("save ", key, room), true, func() (nothing, error) { return just(d.Store.SavePost(ctx, key, room, c)) })
	return err
}

func (d *disk) Group(ctx context.Context, id int64) (store.Group, error) {
	return on(d, ctx, fmt.Sprint("group ", id), false, func() (store.Group, error) { return d.Store.Group(ctx, id) })
}

func (d *disk) PendingGroups(ctx context.Context, room string) ([]store.Group, error) {
	return on(d, ctx, "pending groups "+room, false, func() ([]store.Group, error) { return d.Store.PendingGroups(ctx, room) })
}

func (d *disk) GroupPosts(ctx context.Context, id int64) ([]store.Post, error) {
	return on(d, ctx, fmt.Sprint("group posts ", id), false, func() ([]store.Post, error) { return d.Store.GroupPosts(ctx, id) })
}

func (d *disk) GroupLeavers(ctx context.Context, id, after int64) ([]store.Post, error) {
	return on(d, ctx, fmt.Sprint("group leavers ", id), false, func() ([]store.Post, error) { return d.Store.GroupLeavers(ctx, id, after) })
}

func (d *disk) SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error {
	_, err := on(d, ctx, fmt.Sprint("save group ", id), true, func() (nothing, error) { return just(d.Store.SaveGroup(ctx, id, c)) })
	return err
}

func (d *disk) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	return on(d, ctx, "add notice "+n.Dedup, true, func() (int64, error) { return d.Store.AddNotice(ctx, n) })
}

func (d *disk) SaveNotice(ctx context.Context, n store.Notice) error {
	_, err := on(d, ctx, "save notice "+n.Dedup, true, func() (nothing, error) { return just(d.Store.SaveNotice(ctx, n)) })
	return err
}

func (d *disk) SetValue(ctx context.Context, name, value string) error {
	_, err := on(d, ctx, "set "+name, true, func() (nothing, error) { return just(d.Store.SetValue(ctx, name, value)) })
	return err
}

// copyStore copies a store's files as they are on disk, while nobody writes.
func copyStore(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal"} { // -shm is memory of the process
		data, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+suffix, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
