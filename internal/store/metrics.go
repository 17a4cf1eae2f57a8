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

	journal, setAside, posts, oldest, dead, open, commands, up *prometheus.Desc
}

// NewCollector returns a collector.
func NewCollector(s interface {
	Stats(ctx context.Context) (Stats, error)
}, clock func() time.Time) *Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("alert_relay_"+name, help, labels, nil)
	}
	return &Collector{
		stats: s.Stats, clock: clock,
		journal:  d("journal_pending", "Journal entries that aren't folded yet."),
		setAside: d("journal_set_aside", "Journal entries that couldn't be applied and wait for an operator."),
		posts:    d("posts_pending", "Posts (with their cards and threads), digests and notices still to be sent. 0: nothing more is sent until something happens."),
		oldest:   d("oldest_pending_seconds", "Age of the oldest pending journal entry, post, digest or notice; 0 for none."),
		dead:     d("dead_letters", "Posts, digests, lists and notices that Webex refused for good, by kind: post, digest, list (of a digest), notice.", "kind"),
		open:     d("problems_open", "Open problems by severity.", "severity"),
		commands: d("commands_pending", "Commands that aren't finished."),
		up:       d("store_up", "1 if the store could be read when scraped."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.journal, c.setAside, c.posts, c.oldest, c.dead, c.open, c.commands, c.up} {
		ch <- d
	}
}

// scrapeTime bounds how long a scrape waits for the store.
const scrapeTime = 5 * time.Second

// Collect implements prometheus.Collector. If the store can't be read, it reports only that.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
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
	age := 0.0
	if !s.OldestPending.IsZero() {
		age = max(0, c.clock().Sub(s.OldestPending).Seconds())
	}
	gauge(c.oldest, age)
	gauge(c.dead, float64(s.DeadPosts), "post")
	gauge(c.dead, float64(s.DeadGroups), "digest")
	gauge(c.dead, float64(s.DeadLists), "list")
	gauge(c.dead, float64(s.DeadNotices), "notice")
	for _, severity := range alert.Severities {
		gauge(c.open, float64(s.OpenProblems[severity]), severity.String())
	}
	gauge(c.commands, float64(s.CommandsPending))
}
