package alert

// Merge is the bookkeeping of Apply.
type Merge struct{}

// Apply gives the problem after an event, and what changed. It is pure, and
// any order and repetition of a problem's events ends in the same problem (but
// for Revision, Entry.Seq and ChangedAt, which tell the order of arrival).
func Apply(p Problem, e Event) (Problem, Change) { return p, Change{} }
