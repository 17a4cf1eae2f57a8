package main

import (
	"fmt"
	"slices"
	"time"
)

// reportStorm reports the first storm. Without an Alertmanager, each and grouped are nil.
func (b *bench) reportStorm(r rained, each, grouped *outcome) {
	const alone, own, both = "a message for each host", "its own grouping", "both groupings at once"
	beside := func(name, unit string, figure func(outcome) float64, of *outcome, how string) *row {
		against := fmt.Sprintf("Alertmanager, %s, after %s", how, b.wait)
		row := b.report.add(name, unit, figure(r.outcome))
		if of == nil {
			return row.missing(notInstalled, against)
		}
		return row.beside(figure(*of), against)
	}
	count := func(name, unit string, figure func(outcome) int, of *outcome, how string) *row {
		return beside(name, unit, func(o outcome) float64 { return float64(figure(o)) }, of, how)
	}
	named := func(o outcome) int { return o.named }
	b.report.add(fmt.Sprintf("storm of %d problems: sending them over %d connections", b.problems, b.connections), "s", r.sending.Seconds())
	b.report.add("  every host and event id in the room, after the last event", "s", r.namedAfter.Seconds())
	b.report.add("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	count("  told: hosts named in the room", "problems", named, each, alone)
	count("  told: hosts named in the room", "problems", named, grouped, own)
	count("  messages in the room", "messages", func(o outcome) int { return o.messages }, each, alone).atMost(12)
	b.report.add("  edits", "edits", float64(r.edits))
	b.report.add("  nothing pending any more, nor in the journal", "s", r.quiet.Seconds())
	count("  given up: dead letters; not tried again before the next group_interval", "problems", func(o outcome) int { return o.dead }, each, both).atMost(0)
	count("  answers of 429", "calls", func(o outcome) int { return o.refused }, each, alone)
	count("  answers of 429 after the first second", "calls", func(o outcome) int { return o.late }, each, alone).atMost(0)
	count("  requests while told to wait", "calls", func(o outcome) int { return o.early }, each, alone).atMost(0)
	beside("  peak resident memory", "MiB", func(o outcome) float64 { return o.peak }, each, both).atMost(200)
}

func (b *bench) reportRecovery(r rained) {
	b.report.add(fmt.Sprintf("recovery of the %d: every message says so, after the last event", b.problems), "s", r.namedAfter.Seconds())
	b.report.add("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	b.report.add("  messages in the room", "messages", float64(r.messages)).atMost(12)
	b.report.add("  edits", "edits", float64(r.edits))
	b.report.add("  nothing pending any more, nor in the journal", "s", r.quiet.Seconds())
	b.report.add("  answers of 429", "calls", float64(r.refused))
	b.report.add("  answers of 429 after the first second", "calls", float64(r.late)).atMost(0)
	b.report.add("  requests while told to wait", "calls", float64(r.early)).atMost(0)
	b.report.add("  peak resident memory", "MiB", r.peak).atMost(200)
}

func (b *bench) reportUrgent(r rained, rate float64, u urgencies) {
	worst := func(d []time.Duration) float64 { return slices.Max(d).Seconds() }
	b.report.add(fmt.Sprintf("second storm, %.0f events/s: a disaster to its room, by itself (worst of %d)", rate, urgent), "s", worst(u.room)).atMost(2)
	b.report.add("  a command answered in the room (worst)", "s", worst(u.answer)).atMost(2)
	b.report.add("  that command in Zabbix (worst)", "s", worst(u.zabbix)).atMost(2)
	b.report.add("  every host and event id in the room, after the last event", "s", r.namedAfter.Seconds())
	b.report.add("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	b.report.add("  messages in the room, with the disasters' and the answers", "messages", float64(r.messages))
	b.report.add("  answers of 429", "calls", float64(r.refused))
	b.report.add("  requests while told to wait", "calls", float64(r.early)).atMost(0)
	b.report.add("  peak resident memory", "MiB", r.peak).atMost(200)
}
