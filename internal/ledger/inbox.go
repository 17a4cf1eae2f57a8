package ledger

import (
	"sync"

	"nms-alert-relay/internal/store"
)

// What may wait decoded. What comes beyond it is read out of the journal when it is its turn.
const (
	inboxMost  = 8192
	inboxBytes = 16 << 20 // of payloads, which what was decoded still holds
)

// inbox holds entries that were handed over as they were appended, decoded: as long
// as the fold keeps up nothing needs to be read out of the journal, nor decoded twice. It is
// no more than a cache: the journal is the truth.
type inbox struct {
	mu    sync.Mutex
	items map[int64]handed
	bytes int
	done  int64 // nothing up to this id is taken in any more
}

type handed struct {
	Item
	size int
}

// put takes an item in; false where there is no room for it.
func (b *inbox) put(item Item) bool {
	size := len(item.Entry.Payload)
	item.Entry.Payload = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case item.Entry.ID <= b.done:
		return true // it was read out of the journal meanwhile
	case len(b.items) >= inboxMost || b.bytes+size > inboxBytes:
		return false
	}
	if b.items == nil {
		b.items = map[int64]handed{}
	}
	b.items[item.Entry.ID] = handed{item, size}
	b.bytes += size
	return true
}

// run takes out the items that follow what is done without a gap, limit at most. gap
// says that there are none, but later ones.
func (b *inbox) run(limit int) (items []Item, gap bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	items = make([]Item, 0, min(limit, len(b.items)))
	for len(items) < limit {
		one, ok := b.items[b.done+1]
		if !ok {
			break
		}
		b.done++
		b.drop(b.done, one)
		items = append(items, one.Item)
	}
	return items, len(items) == 0 && len(b.items) > 0
}

// read gives the items of entries that were read out of the journal, the oldest
// first: decoded already, or by decode. next says that the one after them is here.
func (b *inbox) read(entries []store.Entry, decode func(store.Entry) Item) (items []Item, next bool) {
	items = make([]Item, 0, len(entries))
	for _, e := range entries {
		b.mu.Lock()
		one, ok := b.items[e.ID]
		if ok {
			b.drop(e.ID, one)
		}
		b.done = max(b.done, e.ID)
		b.mu.Unlock()
		if !ok {
			one.Item = decode(e)
		}
		items = append(items, one.Item)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, next = b.items[b.done+1]
	return items, next
}

func (b *inbox) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

func (b *inbox) drop(id int64, one handed) {
	delete(b.items, id)
	b.bytes -= one.size
}
