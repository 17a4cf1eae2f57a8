package ledger

import "nms-alert-relay/internal/store"

// Wake wakes the fold as an append to the journal does.
func (l *Ledger) Wake() { l.opts.Notifier.Notify(store.TopicJournal) }
