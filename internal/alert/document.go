package alert

import (
	"encoding/json"
	"maps"
	"slices"
)

// AppendJSON appends the problem as json.Marshal writes it, byte for byte (a test
// holds that), in a fraction of the time: a storm writes thousands of problems a second.
func (p *Problem) AppendJSON(b []byte) ([]byte, error) {
	c := codec{out: append(b, '{')}
	c.problem(p)
	return append(c.out, '}'), c.err
}

// ParseProblem reads what AppendJSON wrote, in a fraction of the time that
// json.Unmarshal takes; everything else is left to that. The problem's texts are parts of
// one copy of the document: who holds one holds all.
func ParseProblem(doc []byte) (Problem, error) {
	if p, ok := parseProblem(doc); ok {
		return p, nil
	}
	var p Problem
	return p, json.Unmarshal(doc, &p)
}

// parseProblem is false where the document isn't exactly as AppendJSON writes it.
func parseProblem(doc []byte) (p Problem, ok bool) {
	c := codec{in: string(doc), reading: true}
	c.literal("{")
	c.problem(&p)
	c.literal("}")
	return p, c.err == nil && c.at == len(c.in)
}

// problem is the document: one list of fields for writing and reading. What few
// problems have (updates, their tellings, nudges) is left to encoding/json.
func (c *codec) problem(p *Problem) {
	c.object("key", func() {
		always(c, "source", &p.Key.Source)
		always(c, "event_id", &p.Key.EventID)
	})
	always(c, "origin", &p.Origin)
	always(c, "state", &p.State)
	whole(c, "generation", &p.Generation)
	alwaysWhole(c, "revision", &p.Revision)
	c.facts(&p.Facts)
	elements(c, "send_to", `","`, &p.SendTo, c.string)
	alwaysWhole(c, "severity", &p.Severity)
	c.bool("acknowledged", &p.Acknowledged)
	c.flag("suppressed", &p.Suppressed)
	c.time("suppressed_until", &p.SuppressedUntil)
	c.flag("held_back", &p.HeldBack)
	c.flag("cancelled", &p.Cancelled)
	c.flag("gone", &p.Gone)
	c.flag("announced", &p.Announced)
	c.flag("can_close", &p.CanClose)
	c.flag("observed", &p.Observed)
	c.text("recovered_opdata", &p.RecoveredOpData)
	c.time("opened_at", &p.OpenedAt)
	c.time("resolved_at", &p.ResolvedAt)
	c.time("changed_at", &p.ChangedAt)
	objects(c, "timeline", &p.Timeline, func(e *Entry) {
		alwaysWhole(c, "seq", &e.Seq)
		always(c, "key", &e.Key)
		always(c, "kind", &e.Kind)
		c.alwaysTime("at", &e.At)
		other(c, "update", &e.Update, e.Update != nil)
		other(c, "nudge", &e.Nudge, e.Nudge != nil)
	})
	c.object("merge", func() { c.merge(&p.Merge) })
}

func (c *codec) facts(f *Facts) {
	c.text("name", &f.Name)
	c.hosts("hosts", &f.Hosts)
	elements(c, "groups", `","`, &f.Groups, c.string)
	c.flag("groups_split", &f.GroupsSplit)
	objects(c, "tags", &f.Tags, func(t *Tag) {
		always(c, "tag", &t.Tag)
		always(c, "value", &t.Value)
	})
	c.text("opdata", &f.OpData)
	c.text("trigger_id", &f.TriggerID)
	c.text("trigger_name", &f.TriggerName)
	c.text("trigger_description", &f.TriggerDescription)
	c.text("trigger_url", &f.TriggerURL)
	c.text("trigger_url_name", &f.TriggerURLName)
	c.text("item_id", &f.ItemID)
	c.text("item_name", &f.ItemName)
	c.text("service", &f.Service)
	c.text("root_cause", &f.RootCause)
	c.text("cause_event_id", &f.CauseEventID)
	c.text("object", &f.Object)
	c.texts("macros", &f.Macros)
}

// texts is a map of texts, by name.
func (c *codec) texts(name string, m *map[string]string) {
	if !c.field(name, len(*m) > 0) {
		return
	}
	c.literal("{")
	if c.reading {
		*m = make(map[string]string, c.expected(`","`, "}"))
		for !c.next("}") {
			var key, value string
			c.string(&key)
			c.literal(":")
			c.string(&value)
			(*m)[key] = value
		}
	} else {
		keys := slices.AppendSeq(make([]string, 0, len(*m)), maps.Keys(*m))
		slices.Sort(keys)
		for _, key := range keys {
			value := (*m)[key]
			c.comma()
			c.string(&key)
			c.literal(":")
			c.string(&value)
		}
	}
	c.literal("}")
}

func (c *codec) hosts(name string, hosts *[]Host) {
	objects(c, name, hosts, func(h *Host) {
		c.text("id", &h.ID)
		c.text("host", &h.Host)
		c.text("name", &h.Name)
		c.text("ip", &h.IP)
	})
}

func (c *codec) merge(m *Merge) {
	c.flag("p", &m.Problem)
	c.flag("r", &m.Recovery)
	c.flag("c", &m.Confirmed)
	whole(c, "x", &m.Cancelled)
	whole(c, "xl", &m.Released)
	whole(c, "al", &m.Alive)
	whole(c, "cl", &m.Clock)
	whole(c, "su", &m.Superseded)
	c.flag("e", &m.Resolved)
	c.clock("o", &m.Opened)
	c.clock("d", &m.ResolvedAt)
	c.seen("s", &m.Severity)
	c.seen("a", &m.Ack)
	c.seen("u", &m.Suppressed)
	c.said("ca", &m.Cause)
	c.said("rc", &m.RootCause)
	if o := &m.Observation; c.present("ob", *o != observed{}) {
		c.object("ob", func() {
			whole(c, "t", &o.At)
			c.flag("g", &o.Gone)
			c.flag("h", &o.HeldBack)
			c.flag("c", &o.CanClose)
		})
	}
	whole(c, "g", &m.GoneAt)
	if f := &m.Facts; c.present("f", f.From != nil || f.Of != nil) {
		c.object("f", func() {
			c.stamps("f", &f.From)
			elements(c, "o", ",", &f.Of, func(n *int) { integer(c, n) })
		})
	}
	if f := &m.Macros; c.present("m", f.From != nil || f.Of != nil) {
		c.object("m", func() {
			c.stamps("f", &f.From)
			other(c, "o", &f.Of, len(f.Of) > 0)
		})
	}
	c.hosts("th", &m.ToldHosts)
	c.hosts("ah", &m.AskedHosts)
	other(c, "t", &m.Pieces, len(m.Pieces) > 0)
	other(c, "nu", &m.Nudges, len(m.Nudges) > 0)
	whole(c, "n", &m.Seq)
}

func (c *codec) clock(name string, v *clock) {
	if c.present(name, *v != clock{}) {
		c.object(name, func() {
			whole(c, "k", &v.Class)
			whole(c, "r", &v.Received)
			whole(c, "t", &v.At)
		})
	}
}

func (c *codec) seen(name string, v *seen) {
	if c.present(name, *v != seen{}) {
		c.object(name, func() {
			whole(c, "t", &v.Seen)
			whole(c, "a", &v.At)
			whole(c, "k", &v.Rank)
			whole(c, "v", &v.Value)
			whole(c, "u", &v.Until)
		})
	}
}

func (c *codec) said(name string, v *said) {
	if c.present(name, *v != said{}) {
		c.object(name, func() {
			whole(c, "t", &v.Seen)
			whole(c, "a", &v.At)
			whole(c, "k", &v.Rank)
			c.text("v", &v.Text)
		})
	}
}

func (c *codec) stamps(name string, stamps *[]stamp) {
	objects(c, name, stamps, func(s *stamp) {
		alwaysWhole(c, "k", &s.Rank)
		alwaysWhole(c, "t", &s.At)
	})
}
