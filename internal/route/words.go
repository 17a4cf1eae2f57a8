package route

import "nms-alert-relay/internal/text"

// Explanations go to terminals: what comes from Zabbix is shown without control
// characters, and not at any length.
const (
	maxShown = 60 // characters of one text
	maxItems = 8  // of one list
)

func quoted(s string) string { return text.Quoted(s, maxShown) }

func quotedAll(texts []string) []string { return text.Names(texts, quoted) }

func shortList(items []string) string { return text.Some(items, maxItems) }
