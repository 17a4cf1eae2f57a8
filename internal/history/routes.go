package history

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Store is the part of store.Store that graphs of routes need.
type Store interface {
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
}

// Room is where a graph is posted.
type Room struct {
	Bot  string
	Zone *time.Location
	Lang lang.Lang
}

// RoutesOptions make a Routes. All but Metrics are required.
type RoutesOptions struct {
	Store Store
	// Source returns the API of a source; false if it has none.
	Source func(name string) (Source, bool)
	// Wants reports whether a problem of this severity gets a graph in a room by a route, and how the room is.
	Wants   func(room, route string, s alert.Severity) (Room, bool)
	Log     *slog.Logger
	Metrics *Metrics
}

const (
	// settle is how long after its message a problem gets its graph: a storm shows by then, and Zabbix has the value.
	settle = 5 * time.Second
	// maxWaiting is how many problems wait for their graphs at most. More are a storm, which gets none for stormPause.
	maxWaiting = 5
	stormPause = time.Minute
	// patience bounds the reading and drawing of one graph.
	patience = 30 * time.Second
)

// posted is a problem that has got its message in rooms.
type posted struct {
	key   alert.Key
	rooms []string
	at    time.Time // in the first one
}

// Routes posts graphs of new problems in their threads, one at a time, for routes that ask for it. Nothing depends on them: what waits
// when the relay stops is left out.
type Routes struct {
	o     RoutesOptions
	woken chan struct{}

	mu      sync.Mutex
	waiting []*posted // one for each problem
	quiet   time.Time // until then there are none, after a storm
}

// NewRoutes makes a Routes; Run starts it.
func NewRoutes(o RoutesOptions) *Routes { return &Routes{o: o, woken: make(chan struct{}, 1)} }

// Posted is told that a problem has got its message in a room. It doesn't block.
func (r *Routes) Posted(post store.Post, p alert.Problem) {
	if _, ok := r.o.Wants(post.Room, post.Route, p.Severity); !ok {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.waiting, func(w *posted) bool { return w.key == post.Key }); i >= 0 {
		r.waiting[i].rooms = append(r.waiting[i].rooms, post.Room)
		return
	}
	if len(r.waiting) >= maxWaiting {
		for _, w := range r.waiting {
			r.skip(len(w.rooms))
		}
		r.waiting, r.quiet = nil, now.Add(stormPause)
	}
	if now.Before(r.quiet) {
		r.skip(1)
		return
	}
	r.waiting = append(r.waiting, &posted{post.Key, []string{post.Room}, now})
	pace.Wake(r.woken)
}

func (r *Routes) skip(n int) {
	for range n {
		r.o.Metrics.skipped()
	}
}

// Run draws until ctx ends.
func (r *Routes) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next, ok := r.first()
		if !ok {
			pace.Pause(ctx, time.Hour, r.woken)
			continue
		}
		if wait := time.Until(next.at.Add(settle)); wait > 0 {
			pace.Pause(ctx, wait, nil)
			continue // a storm may have removed it
		}
		if r.drop(next) {
			r.post(ctx, next)
		}
	}
	return nil
}

func (r *Routes) first() (*posted, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil, false
	}
	return r.waiting[0], true
}

// drop removes the first one; false if a storm did. It doesn't change any more then.
func (r *Routes) drop(p *posted) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 || r.waiting[0] != p {
		return false
	}
	r.waiting = r.waiting[1:]
	return true
}

// post draws the graph of a problem and adds it to its threads, unless it has ended or shares a message by now. It is drawn once for all
// rooms of a time zone.
func (r *Routes) post(running context.Context, at *posted) {
	ctx, cancel := context.WithTimeout(running, patience)
	defer cancel()
	log := r.o.Log.With("key", at.key.String(), "rooms", at.rooms)
	p, posts, err := r.read(ctx, at.key)
	if err != nil {
		log.Warn("cannot read a problem: it gets no graph", "error", err)
		r.o.Metrics.Count(ForRoute, Picture{}, err, 0)
		return
	}
	source, known := r.o.Source(at.key.Source)
	_, triggered := p.Trigger()
	drawn := map[string]Picture{}
	for n, name := range at.rooms {
		i := slices.IndexFunc(posts, func(post store.Post) bool { return post.Room == name })
		if i < 0 || !triggered || !known || !p.Open() || p.Superseded() || posts[i].RootID == "" { // a member of a group has no message of its own
			r.skip(1)
			continue
		}
		room, wanted := r.o.Wants(name, posts[i].Route, p.Severity)
		if !wanted {
			r.skip(1)
			continue
		}
		begun := time.Now()
		picture, had := drawn[room.Zone.String()+room.Lang.String()]
		if !had {
			picture, err = Of(ctx, source, Request{Problem: p, Zone: room.Zone, Lang: room.Lang, Now: begun})
		}
		if err == nil && picture.PNG != nil {
			drawn[room.Zone.String()+room.Lang.String()] = picture
			_, err = r.o.Store.AddNotice(ctx, store.Notice{
				Kind: store.NoticeGraph, Room: name, Bot: room.Bot, ParentID: posts[i].RootID, Markdown: webex.CutMarkdown(picture.Words, webex.MaxMessageBytes),
				File: &store.File{Name: picture.Name, Type: "image/png", Content: picture.PNG}, Once: store.Once{Key: "graph:" + at.key.String() + "@" + name, Digest: name},
				State: store.NoticePending, CreatedAt: begun,
			})
		}
		r.o.Metrics.Count(ForRoute, picture, err, time.Since(begun))
		if err == nil && picture.PNG != nil {
			continue
		}
		switch {
		case errors.Is(err, store.ErrFull):
			log.Warn("too many files wait to be sent: a problem gets no graph")
		case err != nil && running.Err() == nil: // else the relay stops
			log.Warn("a problem gets no graph", "error", err)
		}
		r.skip(len(at.rooms) - n - 1) // the others wouldn't get one either
		return
	}
}

// read reads a problem and its posts; zero ones if they are gone.
func (r *Routes) read(ctx context.Context, key alert.Key) (p alert.Problem, posts []store.Post, err error) {
	keys := []alert.Key{key}
	problems, err := r.o.Store.Problems(ctx, keys)
	if err != nil {
		return p, nil, err
	}
	all, err := r.o.Store.PostsOf(ctx, keys)
	return problems[key], all[key], err
}
