package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/webex"
)

const botEmail = "relay@webex.bot"

// real is delivery between its real neighbours: the SQLite store, the renderer,
// the REST client and, over a network in memory, the simulated Webex.
type real struct {
	t      *testing.T
	path   string
	sim    *webexsim.Server
	client *webex.Client
	render *render.Renderer
	cfg    *config.Config
	rate   float64
	log    *slog.Logger
	reg    *prometheus.Registry // of the current process

	store *sqlite.Store
	d     *Delivery
	stop  func()
}

func inReality(t *testing.T, simOpts webexsim.Options, story func(t *testing.T, r *real)) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		r := &real{t: t, path: path, rate: 20, sim: webexsim.New(simOpts)}
		r.sim.AddBot(botEmail, "Relay", "token-of-relay")
		r.sim.AddPerson("alice@example.com", "Alice")
		for _, room := range []string{"noc", "db", "line"} {
			r.sim.AddRoom(room, room, botEmail, "alice@example.com")
		}
		transport, hangUp := memnet.Serve("webex.test:80", r.sim)
		t.Cleanup(func() {
			hangUp()
			r.sim.Close()
		})
		r.client = webex.New(webex.Options{BaseURL: "http://webex.test/v1", Token: "token-of-relay", Transport: transport})
		var err error
		r.render, err = render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
		require.NoError(t, err)
		r.cfg = &config.Config{
			Webex: config.Webex{Bots: []config.Bot{{Name: "noc"}}},
			Rooms: []config.Room{
				{Name: "noc", ID: webexsim.RoomID("noc")}, {Name: "db", ID: webexsim.RoomID("db"), Presentation: config.PresentCard},
				{Name: "line", ID: webexsim.RoomID("line"), Presentation: config.PresentLine},
			},
			DefaultRooms: []string{"noc"},
			Delivery:     config.Delivery{Debounce: config.Duration(2 * time.Second)},
		}
		r.start()
		t.Cleanup(func() { r.stop() })
		story(t, r)
		require.Zero(t, r.sim.Stats().TooEarly, "no request while Webex says to wait")
	})
}

func (r *real) start() {
	var err error
	r.store, err = sqlite.Open(context.Background(), sqlite.Options{Path: r.path})
	require.NoError(r.t, err)
	r.reg = prometheus.NewRegistry()
	notifier := new(store.Local)
	r.d, err = New(Options{
		Store: store.Waking(r.store, notifier), Notifier: notifier, Render: func() Renderer { return r.render }, Bots: []Bot{{Name: "noc", Client: r.client}}, Rooms: RoomsOf(r.cfg), Fallback: FallbackOf(r.cfg),
		RateLimit: r.rate, Metrics: NewMetrics(r.reg), Log: r.log,
	})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.d.Run(ctx) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(r.t, <-ended)
		require.NoError(r.t, r.store.Close())
	}
}

// event folds one event as the ledger does.
func (r *real) event(e alert.Event, rooms ...string) { r.fold([]alert.Event{e}, rooms...) }

// batch folds an event of each of these problems.
func (r *real) batch(keys []int, event func(n int) alert.Event, rooms ...string) {
	events := make([]alert.Event, 0, len(keys))
	for _, n := range keys {
		events = append(events, event(n))
	}
	r.fold(events, rooms...)
}

// fold folds events as the ledger does. New problems below disaster join a group if there are enough for a storm.
func (r *real) fold(events []alert.Event, rooms ...string) {
	ctx := context.Background()
	keys := make([]alert.Key, 0, len(events))
	for _, e := range events {
		keys = append(keys, e.Key)
	}
	problems, err := r.store.Problems(ctx, keys)
	require.NoError(r.t, err)
	known, err := r.store.PostsOf(ctx, keys)
	require.NoError(r.t, err)
	now := time.Now()
	fold := store.Fold{Read: map[alert.Key]int64{}}
	groups := map[int64]*store.Group{}
	for _, e := range events {
		fold.Read[e.Key] = problems[e.Key].Revision
		e.ReceivedAt, e.SentAt, e.At = now, now, now
		p, _ := alert.Apply(problems[e.Key], e)
		posts := known[e.Key]
		for n, room := range rooms {
			post := store.Post{Key: e.Key, Room: room, JoinedAt: now}
			if limit := r.cfg.Storm.Threshold; p.Severity < alert.Disaster && limit > 0 && len(events) > limit {
				post.Group = r.join(groups, room, int64(n))
			}
			posts = append(posts, post)
		}
		for i := range posts {
			post := &posts[i]
			post.Desired, post.Severity, post.Open, post.OpenedAt = p.Revision, p.Severity, p.Open(), p.OpenedAt
			switch {
			case post.Group > 0 && groups[post.Group] == nil:
				g, err := r.store.Group(ctx, post.Group)
				require.NoError(r.t, err)
				groups[post.Group] = &g
				fallthrough
			case post.Group != 0:
				g := groups[post.Group]
				g.Revision++
				if g.PendingSince.IsZero() {
					g.PendingSince = now
				}
			case post.PendingSince.IsZero():
				post.PendingSince = now
			}
		}
		fold.Problems, fold.Posts = append(fold.Problems, p), append(fold.Posts, posts...)
	}
	for _, g := range groups {
		fold.Groups = append(fold.Groups, *g)
	}
	require.NoError(r.t, store.Waking(r.store, r.d.Notifier).CommitFold(ctx, fold))
	r.d.Notify(fold)
}

// join returns the group of a room that a new post joins.
func (r *real) join(groups map[int64]*store.Group, room string, n int64) int64 {
	for id, g := range groups {
		if g.Room == room {
			g.Joined++
			return id
		}
	}
	found, err := r.store.Grouping(context.Background(), []store.GroupingAsk{{Room: room, Below: alert.Disaster, Since: time.Now(), Limit: 1}})
	require.NoError(r.t, err)
	g := store.Group{ID: -1 - n, Room: room, Kind: store.GroupStorm, OpenedAt: time.Now()}
	for _, old := range found[room].Groups {
		if old.MessageID == "" || old.Open && old.Edits < 5 && time.Since(old.OpenedAt) < 10*time.Minute {
			g = old
		}
	}
	g.Joined++
	g.JoinedAt, g.JoinedRevision = time.Now(), g.Revision+1
	groups[g.ID] = &g
	return g.ID
}

func (r *real) open(n int, rooms ...string) {
	high := alert.High
	r.event(alert.Event{
		Key: key(n), Kind: alert.KindProblem, Origin: alert.OriginTrigger, Severity: &high, Exact: true,
		Facts: alert.Facts{Name: fmt.Sprintf("problem number %d", n), Hosts: []alert.Host{{Host: fmt.Sprintf("sw%d", n)}}},
	}, rooms...)
}

func (r *real) comment(n int, words string) {
	r.event(alert.Event{Key: key(n), Kind: alert.KindUpdate, Origin: alert.OriginTrigger, Update: &alert.Update{
		At: time.Now(), Exact: true, Message: words, Actions: alert.Actions{Comment: true}, Actor: alert.Actor{Name: "Alice"},
	}})
}

func (r *real) resolve(n int) {
	r.event(alert.Event{Key: key(n), Kind: alert.KindRecovery, Origin: alert.OriginTrigger, Resolved: true, Exact: true})
}

// settle waits until every room is up to date.
func (r *real) settle(within time.Duration) {
	r.t.Helper()
	for range int(within / time.Second) {
		time.Sleep(time.Second)
		synctest.Wait()
		s, err := r.store.Stats(context.Background())
		require.NoError(r.t, err)
		if s.PostsPending+s.NoticesPending == 0 {
			return
		}
	}
	posts, _ := r.store.PendingPosts(context.Background(), nil, time.Time{})
	r.t.Fatalf("still behind after %v: %+v", within, posts)
}

// said returns the live messages of a room: the roots of threads, and the replies in them.
func (r *real) said(room string) (roots, replies []webexsim.MessageView) {
	for _, m := range r.sim.Timeline(room) {
		switch {
		case m.Deleted:
		case m.ParentID == "":
			roots = append(roots, m)
		default:
			replies = append(replies, m)
		}
	}
	return roots, replies
}

// A storm against a Webex that allows less than the bot's initial rate, with an outage and a restart in the middle: every
// problem is posted once and correct in the end.
func TestAStormWithRealNeighbours(t *testing.T) {
	const problems = 60
	inReality(t, webexsim.Options{PerAccount: webexsim.Rate{PerSecond: 4, Burst: 8}}, func(t *testing.T, r *real) {
		for n := range problems {
			r.open(n, "noc", "line")
		}
		time.Sleep(10 * time.Second)
		for n := range problems / 2 {
			r.resolve(n)
		}
		r.sim.Outage(time.Now().Add(2 * time.Minute))
		time.Sleep(30 * time.Second)
		r.stop()
		r.start()
		for n := problems / 2; n < problems; n++ {
			r.comment(n, fmt.Sprintf("looking at %d", n))
		}
		r.settle(20 * time.Minute)
		require.NotZero(t, r.sim.Stats().Limited, "the limit was met")

		for _, room := range []string{"noc", "line"} {
			roots, replies := r.said(room)
			require.Len(t, roots, problems)
			for _, m := range roots {
				require.LessOrEqual(t, m.Edits, webex.MaxEdits)
			}
			for n := range problems {
				name := fmt.Sprintf("problem number %d\n", n)
				found := 0
				for _, m := range roots {
					if strings.Contains(m.Text+"\n", name) || strings.Contains(m.Text, strings.TrimSpace(name)+" ") {
						found++
						require.Equal(t, n < problems/2, strings.Contains(strings.ToLower(m.Text), "resolved"), m.Text)
					}
				}
				require.Equal(t, 1, found, "problem %d in %s", n, room)
			}
			cards := 0
			for _, m := range replies {
				if m.Card != nil {
					cards++
				}
			}
			if room == "noc" {
				require.Equal(t, problems/2, cards, "open problems have buttons, others don't")
			} else {
				require.Empty(t, replies)
			}
		}
	})
}

func TestAProblemWithRealNeighbours(t *testing.T) {
	inReality(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.open(1, "noc", "db", "person:alice@example.com")
		r.settle(time.Minute)
		r.comment(1, "on it")
		r.settle(time.Minute)
		alices := "direct:" + min(botEmail, "alice@example.com") + ":" + max(botEmail, "alice@example.com")
		for _, room := range []string{"noc", alices} {
			roots, replies := r.said(room)
			require.Len(t, roots, 1, room)
			require.Contains(t, roots[0].Text, "on it")
			require.Equal(t, 1, roots[0].Edits)
			require.Len(t, replies, 2, "a card and a line")
		}
		roots, replies := r.said("db")
		require.Len(t, roots, 1)
		require.NotNil(t, roots[0].Card)
		require.Len(t, replies, 1)

		// A root that somebody deleted is posted again.
		roots, _ = r.said("noc")
		require.NoError(t, r.sim.Delete(roots[0].ID, botEmail))
		r.comment(1, "still on it")
		r.settle(time.Minute)
		roots, _ = r.said("noc")
		require.Len(t, roots, 1)
		require.Contains(t, roots[0].Text, "still on it")

		// When the bot is removed from a room, the default room is notified.
		require.NoError(t, r.sim.RemoveFromRoom("db", botEmail))
		r.open(2, "db")
		r.settle(time.Minute)
		roots, _ = r.said("noc")
		require.Len(t, roots, 2)
		require.Contains(t, roots[1].Text, "Room db refuses messages.")
		entries, err := r.store.PendingEntries(context.Background(), 10)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, store.EntryReroute, entries[0].Kind, "the ledger shows the problem there")
		require.JSONEq(t, `{"event_id": "2", "room": "noc"}`, string(entries[0].Payload))
		dead, err := r.store.DeadLetters(context.Background())
		require.NoError(t, err)
		require.Len(t, dead, 1)

		// The bot is added again, and an operator replays the dead letter.
		require.NoError(t, r.sim.AddToRoom("db", botEmail))
		require.NoError(t, r.store.ReplayDead(context.Background(), dead[0].ID()))
		r.d.Notifier.Notify(store.TopicPosts)
		r.settle(time.Minute)
		roots, _ = r.said("db")
		require.Len(t, roots, 2)

		r.resolve(1)
		r.settle(time.Minute)
		for _, room := range []string{"noc", "db", alices} {
			roots, replies := r.said(room)
			text := ""
			for _, m := range roots {
				text += m.Text
			}
			require.Contains(t, strings.ToLower(text), "resolved", room)
			for _, m := range replies {
				require.Nil(t, m.Card, "no buttons are left in %s", room)
			}
		}
	})
}
