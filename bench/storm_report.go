package main

import (
	"fmt"
	"slices"
	"time"
)

// beside adds a row with an Alertmanager's figure, if there is one.
func (b *bench) beside(name, unit string, relay float64, of *rivalry, figure func(*rivalry) float64, how string) *row {
	against := fmt.Sprintf("Alertmanager, %s, after %s", how, b.wait)
	if of == nil {
		return b.report.without(name, unit, relay, notInstalled, against)
	}
	return b.report.add(name, unit, relay, figure(of), against)
}

// tellStorm reports the first storm. Without an Alertmanager, each and grouped are nil.
func (b *bench) tellStorm(r rained, each, grouped *rivalry) {
	const alone, own = "a message for each host", "its own grouping"
	b.report.alone(fmt.Sprintf("storm of %d problems: sending them over %d connections", b.problems, b.connections), "s", r.sending.Seconds())
	b.report.alone("  every host and event id in the room, after the last event", "s", r.namedAfter.Seconds())
	b.report.alone("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	told := func(a *rivalry) float64 { return float64(a.told) }
	b.beside("  told: hosts named in the room", "problems", float64(r.named), each, told, alone)
	b.beside("  told: hosts named in the room", "problems", float64(r.named), grouped, told, own)
	b.beside("  messages in the room", "messages", float64(r.messages), each, func(a *rivalry) float64 { return float64(a.messages) }, alone).atMost(12)
	b.report.alone("  edits", "edits", float64(r.edits))
	b.report.alone("  nothing pending any more, nor in the journal", "s", r.quiet.Seconds())
	b.beside("  given up: dead letters; not tried again before the next group_interval", "problems", float64(r.dead), each, func(a *rivalry) float64 { return float64(a.failed) }, "both groupings at once").atMost(0)
	b.beside("  answers of 429", "calls", float64(r.refused), each, func(a *rivalry) float64 { return float64(a.refused) }, alone)
	b.beside("  answers of 429 after the first second", "calls", float64(r.late), each, func(a *rivalry) float64 { return float64(a.late) }, alone).atMost(0)
	b.beside("  requests while told to wait", "calls", float64(r.early), each, func(a *rivalry) float64 { return float64(a.early) }, alone).atMost(0)
	b.beside("  peak resident memory", "MiB", r.peak, each, func(a *rivalry) float64 { return a.peak }, "both groupings at once").atMost(200)
}

func (b *bench) tellRecovery(r rained) {
	b.report.alone(fmt.Sprintf("recovery of the %d: every message says so, after the last event", b.problems), "s", r.namedAfter.Seconds())
	b.report.alone("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	b.report.alone("  messages in the room", "messages", float64(r.messages)).atMost(12)
	b.report.alone("  edits", "edits", float64(r.edits))
	b.report.alone("  nothing pending any more, nor in the journal", "s", r.quiet.Seconds())
	b.report.alone("  answers of 429", "calls", float64(r.refused))
	b.report.alone("  answers of 429 after the first second", "calls", float64(r.late)).atMost(0)
	b.report.alone("  requests while told to wait", "calls", float64(r.early)).atMost(0)
	b.report.alone("  peak resident memory", "MiB", r.peak).atMost(200)
}

func (b *bench) tellUrgent(r rained, rate float64, u urgencies) {
	worst := func(d []time.Duration) float64 { return slices.Max(d).Seconds() }
	b.report.alone(fmt.Sprintf("second storm, %.0f events/s: a disaster to its room, by itself (worst of %d)", rate, urgent), "s", worst(u.room)).atMost(2)
	b.report.alone("  a command answered in the room (worst)", "s", worst(u.answer)).atMost(2)
	b.report.alone("  that command in Zabbix (worst)", "s", worst(u.zabbix)).atMost(2)
	b.report.alone("  every host and event id in the room, after the last event", "s", r.namedAfter.Seconds())
	b.report.alone("  told: that, and no post pending any more", "s", r.after.Seconds()).atMost(5)
	b.report.alone("  messages in the room, with the disasters' and the answers", "messages", float64(r.messages))
	b.report.alone("  answers of 429", "calls", float64(r.refused))
	b.report.alone("  requests while told to wait", "calls", float64(r.early)).atMost(0)
	b.report.alone("  peak resident memory", "MiB", r.peak).atMost(200)
}
