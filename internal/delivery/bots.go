package delivery

import (
	"maps"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/text"
)

// SetBots makes these the bots, while delivery runs too; there is at least one, and the first serves rooms without a bot. Bots that
// stay keep queue and pace. A bot that goes finishes its calls; what it had queued is read from the store again, for the bots that
// serve the rooms now. It calls publish when the new bots are there and the old ones still are: from then on Rooms may name the new.
func (d *Delivery) SetBots(bots []Bot, workers int, publish func()) {
	names := text.Names(bots, func(b Bot) string { return b.Name })
	d.bots.Set(append(slices.Collect(maps.Keys(d.bots.All())), names...), d.maker(bots))
	publish()
	_, gone := d.bots.Set(names, d.maker(bots))
	for _, b := range gone {
		d.Metrics.removeBot(b)
	}
	d.first.Store(&bots[0].Name)
	d.workers.Store(int64(workers))
	for _, b := range d.bots.All() {
		b.mu.Lock()
		b.queue.PerRoom = perRoom(workers)
		b.mu.Unlock()
		pace.Wake(b.woken)
	}
	pace.Wake(d.changed)
}

// maker returns a function that makes one of these bots, by its name.
func (d *Delivery) maker(bots []Bot) func(name string) *bot {
	named := make(map[string]Bot, len(bots))
	for _, b := range bots {
		named[b.Name] = b
	}
	return func(name string) *bot { return newBot(d, named[name]) }
}

// perRoom is how many workers a room may have at once: one is left for the other rooms.
func perRoom(workers int) int { return max(1, workers-1) }

// bot returns a bot by its name; nil for an unknown one.
func (d *Delivery) bot(name string) *bot {
	b, _ := d.bots.Get(name)
	return b
}

// botOf is the bot that serves a room, the first one if the room isn't configured.
func (d *Delivery) botOf(room, route string) *bot {
	if s, ok := d.Rooms(room, route); ok {
		if b := d.bot(s.Bot); b != nil {
			return b
		}
	}
	return d.bot(*d.first.Load())
}

// left reports whether another bot serves a room now, by its settings. That bot has the room's tasks from the store (SetBots).
func (b *bot) left(s RoomSettings) bool { return s.Bot != b.name && b.bot(s.Bot) != nil }

// tenancy is which bot makes calls in which room. While a room passes from one bot to another, the new one waits until the calls of the
// old one have ended: the calls of a room are in order only within one bot. Notices name their bot: they wait by lane.
type tenancy struct {
	mu    sync.Mutex
	rooms map[string]*tenant
}

// tenancyRetry is how soon a task is served again whose room another bot still works in.
const tenancyRetry = 500 * time.Millisecond

// tenure is what only one bot at a time may do with a task: its room, or its lane.
func tenure(t *task) string {
	if t.Lane != "" {
		return "lane " + t.Lane
	}
	return t.Room
}

type tenant struct {
	bot   *bot
	calls int
}

// enter reports whether the bot may work in the room now; leave must follow.
func (o *tenancy) enter(room string, b *bot) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.rooms[room]
	if t == nil {
		if o.rooms == nil {
			o.rooms = map[string]*tenant{}
		}
		o.rooms[room] = &tenant{b, 1}
		return true
	}
	if t.bot != b {
		return false
	}
	t.calls++
	return true
}

func (o *tenancy) leave(room string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.rooms[room]; t.calls > 1 {
		t.calls--
	} else {
		delete(o.rooms, room)
	}
}
