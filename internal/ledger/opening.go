package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"nms-alert-relay/internal/alert"
)

// openingOf identifies what opens with a problem and may open again: a trigger with the name and tags of the problem,
// since one trigger may open problems of many things (ports, log lines). Problems without a trigger go by their
// hosts. It is 0 for events that neither last nor recover, and for a problem that nothing identifies.
func openingOf(p alert.Problem) int64 {
	if p.Origin == alert.OriginDiscovery || p.Origin == alert.OriginAutoregistration || p.TriggerID == "" && p.Name == "" {
		return 0
	}
	sum := sha256.New()
	part(sum, p.Key.Source, string(p.Origin), p.TriggerID, p.Name)
	if p.TriggerID == "" {
		part(sum, p.Service)
		for _, h := range p.Hosts {
			part(sum, h.Host, h.Name)
		}
	}
	tags := make([]string, 0, len(p.Tags))
	for _, t := range p.Tags {
		tags = append(tags, fmt.Sprintf("%d:%s%s", len(t.Tag), t.Tag, t.Value))
	}
	slices.Sort(tags)
	part(sum, tags...)
	return int64(binary.BigEndian.Uint64(sum.Sum(nil))>>1 | 1)
}

// part adds texts, each with its length, so that no two lists of texts are the same.
func part(sum hash.Hash, texts ...string) {
	for _, text := range texts {
		fmt.Fprintf(sum, "%d:%s", len(text), text)
	}
}
