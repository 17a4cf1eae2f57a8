package queue

type heapKind int

const (
	byUrgency heapKind = iota
	byAge
	byWake
)

// itemHeap is a heap (container/heap) whose items know their position.
type itemHeap[T any] struct {
	kind  heapKind
	items []*Item[T]
}

func (h *itemHeap[T]) Len() int { return len(h.items) }

func (h *itemHeap[T]) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	switch {
	case h.kind == byUrgency && (a.before(b.Urgency) || b.before(a.Urgency)):
		return a.before(b.Urgency)
	case h.kind == byAge && !a.Since.Equal(b.Since):
		return a.Since.Before(b.Since)
	case h.kind == byWake && !a.wake.Equal(b.wake):
		return a.wake.Before(b.wake)
	}
	return a.arrival < b.arrival
}

func (h *itemHeap[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].index[h.kind], h.items[j].index[h.kind] = i, j
}

func (h *itemHeap[T]) Push(x any) {
	i := x.(*Item[T])
	i.index[h.kind] = len(h.items)
	h.items = append(h.items, i)
}

func (h *itemHeap[T]) Pop() any {
	last := len(h.items) - 1
	i := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	return i
}
