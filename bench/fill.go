package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/zabbix"
)

// filled is the first event id of the stored problems. As in Zabbix, later events have larger ids, also compared as text.
const filled = 1_000_000_001

// fillBatch is the number of problems in one transaction.
const fillBatch = 2000

// lives are recorded events of problems: opened and resolved.
type lives struct{ opened, over []alert.Event }

// recordedLives reads the recordings: a problem of each severity, and a recovery.
func recordedLives() (l lives, err error) {
	for severity := range alert.Disaster {
		e, err := recordedEvent(fmt.Sprintf("problem-severity-%d", severity))
		if err != nil {
			return l, err
		}
		l.opened = append(l.opened, e)
	}
	e, err := recordedEvent("recovery")
	l.over = append(l.over, e)
	return l, err
}

func recordedEvent(name string) (alert.Event, error) {
	raw, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/"+name+".json")
	if err != nil {
		return alert.Event{}, err
	}
	return decoded(store.Entry{Source: "main", Payload: raw, ReceivedAt: time.Now()})
}

// decoded returns the event of a journal entry.
func decoded(e store.Entry) (alert.Event, error) {
	p, faults := zabbix.Parse(e.Payload)
	if len(faults) > 0 {
		return alert.Event{}, errors.New(faults[0].Error())
	}
	return p.Event(zabbix.DecodeOptions{Source: e.Source, Location: time.UTC, ReceivedAt: e.ReceivedAt})
}

// problem is problem i after its events: opened, observed in the Zabbix API, and resolved if over.
func (l lives) problem(i int, now time.Time, over bool) alert.Problem {
	host := stormTrigger(i)
	at := now.Add(-time.Duration(i%100_000) * time.Second)
	e := l.opened[i%len(l.opened)]
	e.Key = alert.Key{Source: "main", EventID: strconv.Itoa(filled + i)}
	e.ReceivedAt, e.SentAt, e.At, e.Opened = at, at, at, at
	e.Facts.Hosts = []alert.Host{{ID: host.Host.ID, Host: host.Host.Host, Name: host.Host.Name, IP: host.Host.IP}}
	e.Facts.TriggerID, e.Facts.ItemID = host.ID, host.ItemID
	p, _ := alert.Apply(alert.Problem{}, e)
	seen := at.Add(time.Second)
	p, _ = alert.Apply(p, alert.Event{Key: e.Key, Kind: alert.KindObservation, Origin: e.Origin, ReceivedAt: seen, SentAt: seen, At: seen, Exact: true, Opened: at,
		Observation: &alert.Observation{At: seen, Name: e.Facts.Name, Opened: at, Severity: p.Severity, Hosts: e.Facts.Hosts, Groups: e.Facts.Groups, Tags: e.Facts.Tags,
			OpData: e.Facts.OpData, TriggerID: host.ID, ItemID: host.ItemID, ItemName: e.Facts.ItemName, ManualClose: true}})
	if !over {
		return p
	}
	end, key := l.over[i%len(l.over)], e.Key
	ended := at.Add(time.Minute)
	hosts, trigger, item := e.Facts.Hosts, e.Facts.TriggerID, e.Facts.ItemID
	end.Key, end.ReceivedAt, end.SentAt, end.At, end.Opened, end.ResolvedAt = key, ended, ended, ended, at, ended
	end.Facts.Hosts, end.Facts.TriggerID, end.Facts.ItemID = hosts, trigger, item
	p, _ = alert.Apply(p, end)
	return p
}

// post is a fully delivered post: message and card.
func post(p alert.Problem, at time.Time) store.Post {
	id := func(what string) string { return "Y2lzY29zcGFyazovL3VzL01FU1NBR0Uv" + what + p.Key.EventID }
	c := store.Cursor{State: store.PostLive, Delivered: p.Revision, Shown: p.Revision, ToldSeq: p.LastSeq(), RootID: id("cm9vdC"), RootHash: "0123456789abcdef", DeliveredAt: at}
	if p.Open() {
		c.CardID, c.CardActions = id("Y2FyZC"), "ack,comment,close,suppress,severity"
	}
	return store.Post{Key: p.Key, Room: "noc", Desired: p.Revision, Severity: p.Severity, Open: p.Open(), OpenedAt: p.OpenedAt, Cursor: c}
}

// fill makes a database with n delivered problems, open or resolved.
func (b *bench) fill(ctx context.Context, name string, n int, over bool) (took time.Duration, err error) {
	began := time.Now()
	l, err := recordedLives()
	if err != nil {
		return 0, err
	}
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(b.dir, name+".db")})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()); took = time.Since(began) }()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.NumCPU() + 1)
	for first := 0; first < n; first += fillBatch {
		work.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var f store.Fold
			for i := first; i < min(first+fillBatch, n); i++ {
				p := l.problem(i, began, over)
				f.Problems = append(f.Problems, p)
				f.Posts = append(f.Posts, post(p, began))
				if trigger, ok := p.Trigger(); ok && over {
					stats, _ := alert.TriggerStats{}.Add(p, []string{"noc"})
					stats.Trigger = trigger
					f.Triggers = append(f.Triggers, stats)
				}
			}
			return s.CommitFold(ctx, f)
		})
	}
	return 0, work.Wait()
}
