package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// condition is one condition of a route.
type condition interface {
	holds(s *subject) bool
	// why explains why the condition holds or doesn't.
	why(s *subject, held bool) lang.Phrase
}

// subject is the problem to route, with the names that conditions compare, in lower case.
type subject struct {
	problem *alert.Problem
	now     time.Time
	hosts   []string
	groups  []string
	tags    []alert.Tag
	lower   string // the problem's name, once name has been called
}

func (s *subject) name() string {
	if s.lower == "" {
		s.lower = strings.ToLower(s.problem.Name)
	}
	return s.lower
}

func newSubject(p *alert.Problem, now time.Time, commas []commaGlob) *subject {
	s := &subject{problem: p, now: now, groups: text.Names(p.Groups, strings.ToLower)}
	for _, h := range p.Hosts {
		s.hosts = append(s.hosts, strings.ToLower(h.Host), strings.ToLower(h.Name))
	}
	s.hosts = slices.DeleteFunc(s.hosts, func(name string) bool { return name == "" })
	if p.GroupsSplit {
		s.groups = rejoin(s.groups, commas)
	}
	for _, t := range p.Tags {
		s.tags = append(s.tags, alert.Tag{Tag: strings.ToLower(t.Tag), Value: strings.ToLower(t.Value)})
	}
	return s
}

// commaGlob is a pattern for host groups with commas in their names; parts is the number of pieces that such a name is split into.
type commaGlob struct {
	config.Glob
	parts int
}

// commaGlobs returns these patterns, those with the most parts first.
func commaGlobs(routes []config.Route) (found []commaGlob) {
	for _, r := range routes {
		for _, g := range r.Match.Groups {
			if n := strings.Count(g.String(), ","); n > 0 { // "Berlin,*" too
				found = append(found, commaGlob{g, n + 1})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b commaGlob) int { return b.parts - a.parts })
	return found
}

// rejoin joins adjacent parts of a split list that are one name according to the configuration's patterns. The parts alone don't
// count as names then: a route for "DC 1" must not get problems of "Berlin, DC 1".
func rejoin(parts []string, commas []commaGlob) (names []string) {
	for len(parts) > 0 {
		name, n := parts[0], 1
		for _, g := range commas {
			if g.parts > len(parts) {
				continue
			}
			if joined := strings.Join(parts[:g.parts], ", "); g.Match(joined) {
				name, n = joined, g.parts
				break
			}
		}
		names, parts = append(names, name), parts[n:]
	}
	return names
}

// compile lists the conditions of a match, the cheapest first.
func compile(m config.Match) (out []condition) {
	if len(m.Severity.Set) > 0 {
		out = append(out, severityIs{m.Severity})
	}
	if len(m.Sources) > 0 {
		out = append(out, wordIs{lang.Key("source is %s"), lang.Key("source is %s, not %s"), m.Sources, func(p *alert.Problem) string { return p.Key.Source }})
	}
	if len(m.Origins) > 0 {
		out = append(out, wordIs{lang.Key("origin is %s"), lang.Key("origin is %s, not %s"), text.Names(m.Origins, func(o alert.Origin) string { return string(o) }),
			func(p *alert.Problem) string { return string(p.Origin) }})
	}
	if len(m.When) > 0 {
		out = append(out, timeIs{m.When})
	}
	if len(m.Hosts) > 0 {
		out = append(out, hostMatches(m.Hosts))
	}
	if len(m.Groups) > 0 {
		out = append(out, nameMatches{m.Groups, func(s *subject) []string { return s.groups }, groupLabels,
			lang.Key("a host group matches %s"), lang.Key("no host group matches %s: groups are %s"), lang.Key("no host group matches %s: its groups are unknown")})
	}
	if len(m.Tags) > 0 {
		c := tagIs{}
		for _, rule := range m.Tags {
			if rule.Absent {
				c.without = append(c.without, rule)
			} else {
				c.with = append(c.with, rule)
			}
		}
		out = append(out, c)
	}
	if m.Trigger.Regexp != nil {
		out = append(out, nameIs{m.Trigger})
	}
	return out
}

func hostMatches(globs []config.Glob) condition {
	return nameMatches{globs, func(s *subject) []string { return s.hosts }, hostLabels,
		lang.Key("a host matches %s"), lang.Key("no host matches %s: hosts are %s"), lang.Key("no host matches %s: it has no hosts")}
}

type severityIs struct{ match config.SeverityMatch }

func (c severityIs) holds(s *subject) bool { return c.match.Has(s.problem.Severity) }

func (c severityIs) why(s *subject, held bool) lang.Phrase {
	wanted := c.match.String()
	have := s.problem.Severity.String()
	if held {
		return lang.Say("severity is %s (%s)", have, wanted)
	}
	if bound, ok := strings.CutPrefix(wanted, ">="); ok {
		return lang.Say("severity %s is below %s", have, bound)
	}
	if bound, ok := strings.CutPrefix(wanted, "<="); ok {
		return lang.Say("severity %s is above %s", have, bound)
	}
	return lang.Say("severity is %s, not %s", have, wanted)
}

// wordIs compares a word of a problem, such as its source.
type wordIs struct {
	is, isNot lang.Key
	words     []string
	of        func(*alert.Problem) string
}

func (c wordIs) holds(s *subject) bool { return slices.Contains(c.words, c.of(s.problem)) }

func (c wordIs) why(s *subject, held bool) lang.Phrase {
	if held {
		return c.is.With(c.of(s.problem))
	}
	return c.isNot.With(c.of(s.problem), lang.Either(c.words))
}

type timeIs struct{ spans []config.When }

func (c timeIs) holds(s *subject) bool {
	return slices.ContainsFunc(c.spans, func(w config.When) bool { return w.Contains(s.now) })
}

func (c timeIs) why(s *subject, held bool) lang.Phrase {
	now := func(w config.When) lang.Moment { return lang.Moment{At: w.Local(s.now), Layout: "Mon 15:04 MST"} }
	for _, w := range c.spans {
		if w.Contains(s.now) {
			return lang.Say("it is %s: in %s", now(w), w.Words())
		}
	}
	return lang.Say("it is %s: not in %s", now(c.spans[0]), config.AnyTime(c.spans))
}

// nameMatches compares names of a problem's hosts or host groups.
type nameMatches struct {
	globs  []config.Glob
	names  func(*subject) []string // in lower case
	labels func(*alert.Problem) []string
	// The reasons: a name matches; the names are others; there are none.
	matching, others, none lang.Key
}

func (c nameMatches) match(s *subject) (config.Glob, bool) {
	for _, g := range c.globs {
		if slices.ContainsFunc(c.names(s), g.Match) {
			return g, true
		}
	}
	return config.Glob{}, false
}

func (c nameMatches) holds(s *subject) bool { _, ok := c.match(s); return ok }

func (c nameMatches) why(s *subject, held bool) lang.Phrase {
	if g, ok := c.match(s); ok {
		return c.matching.With(g.String())
	}
	globs := lang.Either(text.Names(c.globs, config.Glob.String))
	if labels := c.labels(s.problem); len(labels) > 0 {
		return c.others.With(globs, shortList(labels))
	}
	return c.none.With(globs)
}

func hostLabels(p *alert.Problem) []string {
	return text.Names(p.Hosts, func(h alert.Host) string {
		if h.Host != "" && h.Name != "" && h.Host != h.Name {
			return fmt.Sprintf("%s (%s)", quoted(h.Host), quoted(h.Name))
		}
		return quoted(h.Label())
	})
}

func groupLabels(p *alert.Problem) []string { return text.Names(p.Groups, quoted) }

// tagIs holds if the problem has one of with (if there are any) and none of without.
type tagIs struct{ with, without []config.TagRule }

func (c tagIs) holds(s *subject) bool {
	held, _ := c.decide(s)
	return held
}

func (c tagIs) why(s *subject, _ bool) lang.Phrase {
	_, why := c.decide(s)
	return why()
}

// decide reports whether the condition holds, and explains it on demand.
func (c tagIs) decide(s *subject) (held bool, why func() lang.Phrase) {
	found := func(rules []config.TagRule) int {
		return slices.IndexFunc(rules, func(rule config.TagRule) bool { return hasTag(s.tags, rule) })
	}
	if i := found(c.without); i >= 0 {
		return false, func() lang.Phrase { return lang.Say("a tag is excluded by %s", c.without[i].String()) }
	}
	if len(c.with) == 0 {
		return true, func() lang.Phrase {
			return lang.Say("no tag is excluded by %s", lang.Either(text.Names(c.without, config.TagRule.String)))
		}
	}
	if i := found(c.with); i >= 0 {
		return true, func() lang.Phrase { return lang.Say("a tag matches %s", c.with[i].String()) }
	}
	return false, func() lang.Phrase {
		wanted := lang.Either(text.Names(c.with, config.TagRule.String))
		if tags := slices.DeleteFunc(slices.Clone(s.problem.Tags), func(t alert.Tag) bool { return t.Tag == alert.LinkTag }); len(tags) > 0 {
			return lang.Say("no tag matches %s: tags are %s", wanted, shortList(text.Names(tags, func(t alert.Tag) string { return quoted(t.Tag + "=" + t.Value) })))
		}
		return lang.Say("no tag matches %s: it has no tags", wanted)
	}
}

// hasTag reports whether a tag with the rule's name and value exists, whatever its exclamation mark.
func hasTag(lower []alert.Tag, rule config.TagRule) bool {
	for _, t := range lower {
		if t.Tag == rule.Tag && (rule.Value == nil || rule.Value.Match(t.Value)) {
			return true
		}
	}
	return false
}

type nameIs struct{ re config.Pattern }

func (c nameIs) holds(s *subject) bool { return c.re.MatchString(s.problem.Name) }

func (c nameIs) why(s *subject, held bool) lang.Phrase {
	if held {
		return lang.Say("its name matches %s", c.re.String())
	}
	return lang.Say("its name %s doesn't match %s", quoted(s.problem.Name), c.re.String())
}

// Explanations are shown in terminals and rooms: text from Zabbix is printed without control characters, and shortened.
const (
	maxShown = 60 // characters of one text
	maxItems = 8  // of one list
)

func quoted(s string) string { return text.Quoted(s, maxShown) }

func shortList(items []string) lang.Few { return lang.Few{Words: items, Max: maxItems} }
