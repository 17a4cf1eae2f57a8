package store

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/alert"
)

// Collector is a Prometheus collector over Stats: its gauges are exact when scraped.
type Collector struct {
	stats func(ctx context.Context) (Stats, error)
	clock func() time.Time
	bots  func() map[string]string
	free  func() (uint64, bool)

	journal, setAside, posts, oldest, roomPending, roomOldest, dead, open, commands, up, freeBytes *prometheus.Desc
}

// OtherRooms is the label of direct chats, and of rooms that aren't configured any more.
const OtherRooms = "other"

// NewCollector returns a collector. bots returns the configured rooms, and OtherRooms, with their bots. free returns the free space for
// the store; false if it isn't known.
func NewCollector(s interface {
	Stats(ctx context.Context) (Stats, error)
}, clock func() time.Time, bots func() map[string]string, free func() (uint64, bool)) *Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("alert_relay_"+name, help, labels, nil)
	}
	return &Collector{
		stats: s.Stats, clock: clock, bots: bots, free: free,
		journal:  d("journal_pending", "Events in the journal that aren't folded yet."),
		setAside: d("journal_set_aside", "Events that couldn't be applied and wait for an operator."),
		posts: d("posts_pending", "Posts (with their cards and threads), digests and notices still to be sent, including those that wait for a delay or quiet hours. "+
			"0: nothing more is sent until something happens."),
		oldest:      d("oldest_pending_seconds", "How far behind the rooms are: age of the oldest pending event, post, digest or notice; 0 for none."),
		roomPending: d("room_pending", "Posts, digests and notices to be sent to a room now. Room other: direct chats, and rooms that aren't configured any more.", "bot", "room"),
		roomOldest:  d("room_oldest_pending_seconds", "Age of the oldest of a room's pending posts, digests and notices; 0 for none.", "bot", "room"),
		dead: d("dead_letters", "Messages that Webex refused for good and nobody has replayed or dropped: "+
			"post, digest (with all of its problems), list (of a digest), notice.", "bot", "room", "kind"),
		open:      d("problems_open", "Open problems. Compare it with Zabbix.", "severity"),
		commands:  d("commands_pending", "Commands in progress."),
		up:        d("store_up", "1 if the store could be read when scraped. At 0, the gauges of its content are missing."),
		freeBytes: d("store_free_bytes", "Free space on the store's file system."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.journal, c.setAside, c.posts, c.oldest, c.roomPending, c.roomOldest, c.dead, c.open, c.commands, c.up, c.freeBytes} {
		ch <- d
	}
}

// scrapeTime bounds how long a scrape waits for the store.
const scrapeTime = 5 * time.Second

// Collect implements prometheus.Collector. If the store can't be read, it reports only that, and the free space.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if n, ok := c.free(); ok {
		gauge(c.freeBytes, float64(n))
	}
	s, err := c.stats(ctx)
	if err != nil {
		gauge(c.up, 0)
		return
	}
	gauge(c.up, 1)
	gauge(c.journal, float64(s.JournalPending))
	gauge(c.setAside, float64(s.SetAside))
	gauge(c.posts, float64(s.PostsPending+s.NoticesPending))
	now := c.clock()
	gauge(c.oldest, age(s.OldestPending, now))
	bots := c.bots()
	for name, room := range byLabel(s.Rooms, bots) {
		gauge(c.roomPending, float64(room.Pending), bots[name], name)
		gauge(c.roomOldest, age(room.OldestPending, now), bots[name], name)
		for _, kind := range LetterKinds {
			gauge(c.dead, float64(room.Dead[kind]), bots[name], name, string(kind))
		}
	}
	for _, severity := range alert.Severities {
		gauge(c.open, float64(s.OpenProblems[severity]), severity.String())
	}
	gauge(c.commands, float64(s.CommandsPending))
}

func age(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}

// byLabel returns the counts of every configured room, and those of all others as OtherRooms.
func byLabel(rooms map[string]RoomStats, configured map[string]string) map[string]RoomStats {
	labelled := make(map[string]RoomStats, len(configured))
	for name := range configured {
		labelled[name] = RoomStats{}
	}
	for name, room := range rooms {
		if _, ok := configured[name]; !ok {
			name = OtherRooms
		}
		sum := labelled[name]
		sum.Add(room.Pending, room.OldestPending)
		if sum.Dead == nil {
			sum.Dead = map[LetterKind]int64{}
		}
		for kind, n := range room.Dead {
			sum.Dead[kind] += n
		}
		labelled[name] = sum
	}
	return labelled
}
