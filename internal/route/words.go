package route

import "nms-alert-relay/internal/text"

// Explanations are shown in terminals: text from Zabbix is printed without control characters, and shortened.
const (
	maxShown = 60 // characters of one text
	maxItems = 8  // of one list
)

func quoted(s string) string { return text.Quoted(s, maxShown) }

func quotedAll(texts []string) []string { return text.Names(texts, quoted) }

func shortList(items []string) string { return text.Some(items, maxItems) }
