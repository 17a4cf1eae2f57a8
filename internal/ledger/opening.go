package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"

	"nms-alert-relay/internal/alert"
)

// openingOf identifies what opens with a problem and may open again: a trigger with the name and tags of the problem,
// since one trigger may open problems of many things (ports, log lines). Problems without a trigger go by their
// hosts. A discovered device or service goes by its state. It is 0 for a
// problem that nothing identifies.
func openingOf(p alert.Problem) int64 {
	if p.Origin == alert.OriginDiscovery {
		own, _ := discoveredOpening(p)
		return own
	}
	if p.Origin == alert.OriginAutoregistration || p.TriggerID == "" && p.Name == "" {
		return 0
	}
	id := part(nil, p.Key.Source, string(p.Origin), p.TriggerID, p.Name)
	if p.TriggerID == "" {
		id = part(id, p.Service)
		for _, h := range p.Hosts {
			id = part(id, h.Host, h.Name)
		}
	}
	tags := make([]string, 0, len(p.Tags))
	for _, t := range p.Tags {
		tags = append(tags, string(part(nil, t.Tag, t.Value)))
	}
	slices.Sort(tags)
	sum := sha256.Sum256(part(id, tags...))
	return int64(binary.BigEndian.Uint64(sum[:])>>1 | 1)
}

// part appends texts, each with its length, so that no two lists of texts are the same.
func part(to []byte, texts ...string) []byte {
	for _, text := range texts {
		to = append(strconv.AppendInt(to, int64(len(text)), 10), ':')
		to = append(to, text...)
	}
	return to
}
