package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// condition is one condition of a route.
type condition interface {
	holds(s *subject) bool
	// why explains why it holds, or why it doesn't.
	why(s *subject, held bool) string
}

// subject is the problem to route. The names that conditions compare are put into lower case once for all routes, and only if
// needed.
type subject struct {
	problem *alert.Problem
	now     time.Time
	commas  []commaGlob // of the router

	hosts  []string
	groups []string
	tags   []alert.Tag
}

func (s *subject) hostNames() []string {
	if s.hosts == nil {
		s.hosts = make([]string, 0, 2*len(s.problem.Hosts))
		for _, h := range s.problem.Hosts {
			for _, name := range [2]string{h.Host, h.Name} {
				if name != "" {
					s.hosts = append(s.hosts, strings.ToLower(name))
				}
			}
		}
	}
	return s.hosts
}

func (s *subject) groupNames() []string {
	if s.groups == nil {
		s.groups = make([]string, 0, len(s.problem.Groups))
		for _, g := range s.problem.Groups {
			s.groups = append(s.groups, strings.ToLower(g))
		}
		if s.problem.GroupsSplit {
			s.groups = rejoin(s.groups, s.commas)
		}
	}
	return s.groups
}

// commaGlob is a pattern for host groups with commas in their names; parts is the number of pieces that such a name is split into.
type commaGlob struct {
	config.Glob
	parts int
}

// commaGlobs finds these patterns, those with most parts first.
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

func (s *subject) tagPairs() []alert.Tag {
	if s.tags == nil {
		s.tags = make([]alert.Tag, 0, len(s.problem.Tags))
		for _, t := range s.problem.Tags {
			s.tags = append(s.tags, alert.Tag{Tag: strings.ToLower(t.Tag), Value: strings.ToLower(t.Value)})
		}
	}
	return s.tags
}

// compile lists the conditions of a match, the cheapest first.
func compile(m config.Match) (out []condition) {
	if len(m.Severity.Set) > 0 {
		out = append(out, severityIs{m.Severity})
	}
	if len(m.Sources) > 0 {
		out = append(out, sourceIs{m.Sources})
	}
	if len(m.Origins) > 0 {
		out = append(out, originIs{m.Origins})
	}
	if len(m.When) > 0 {
		out = append(out, timeIs{m.When})
	}
	if len(m.Hosts) > 0 {
		out = append(out, hostIs{m.Hosts})
	}
	if len(m.Groups) > 0 {
		out = append(out, groupIs{m.Groups})
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

type severityIs struct{ match config.SeverityMatch }

func (c severityIs) holds(s *subject) bool { return c.match.Has(s.problem.Severity) }

func (c severityIs) why(s *subject, held bool) string {
	wanted := c.match.String()
	have := s.problem.Severity.String()
	if held {
		return fmt.Sprintf("severity is %s (%s)", have, wanted)
	}
	if bound, ok := strings.CutPrefix(wanted, ">="); ok {
		return fmt.Sprintf("severity %s is below %s", have, bound)
	}
	return fmt.Sprintf("severity is %s, not %s", have, wanted)
}

type sourceIs struct{ names []string }

func (c sourceIs) holds(s *subject) bool { return slices.Contains(c.names, s.problem.Key.Source) }

func (c sourceIs) why(s *subject, held bool) string {
	if held {
		return "source is " + s.problem.Key.Source
	}
	return fmt.Sprintf("source is %s, not %s", s.problem.Key.Source, text.Or(c.names))
}

type originIs struct{ origins []alert.Origin }

func (c originIs) holds(s *subject) bool { return slices.Contains(c.origins, s.problem.Origin) }

func (c originIs) why(s *subject, held bool) string {
	if held {
		return "origin is " + string(s.problem.Origin)
	}
	names := make([]string, 0, len(c.origins))
	for _, o := range c.origins {
		names = append(names, string(o))
	}
	return fmt.Sprintf("origin is %s, not %s", s.problem.Origin, text.Or(names))
}

type timeIs struct{ spans []config.When }

func (c timeIs) holds(s *subject) bool {
	return slices.ContainsFunc(c.spans, func(w config.When) bool { return w.Contains(s.now) })
}

func (c timeIs) why(s *subject, held bool) string {
	for _, w := range c.spans {
		if w.Contains(s.now) {
			return fmt.Sprintf("it is %s: in %s", w.Local(s.now).Format("Mon 15:04 MST"), w)
		}
	}
	return fmt.Sprintf("it is %s: not in %s", c.spans[0].Local(s.now).Format("Mon 15:04 MST"), text.Or(text.Names(c.spans, config.When.String)))
}

type hostIs struct{ globs []config.Glob }

func (c hostIs) holds(s *subject) bool { _, ok := anyGlob(c.globs, s.hostNames()); return ok }

func (c hostIs) why(s *subject, held bool) string {
	if g, ok := anyGlob(c.globs, s.hostNames()); ok {
		return "a host matches " + g.String()
	}
	if len(s.problem.Hosts) == 0 {
		return fmt.Sprintf("no host matches %s: it has no hosts", text.Or(text.Names(c.globs, config.Glob.String)))
	}
	labels := make([]string, 0, len(s.problem.Hosts))
	for _, h := range s.problem.Hosts {
		label := quoted(h.Label())
		if h.Host != "" && h.Name != "" && h.Host != h.Name {
			label = fmt.Sprintf("%s (%s)", quoted(h.Host), quoted(h.Name))
		}
		labels = append(labels, label)
	}
	return fmt.Sprintf("no host matches %s: hosts are %s", text.Or(text.Names(c.globs, config.Glob.String)), shortList(labels))
}

type groupIs struct{ globs []config.Glob }

func (c groupIs) holds(s *subject) bool { _, ok := anyGlob(c.globs, s.groupNames()); return ok }

func (c groupIs) why(s *subject, held bool) string {
	if g, ok := anyGlob(c.globs, s.groupNames()); ok {
		return "a host group matches " + g.String()
	}
	if len(s.problem.Groups) == 0 {
		return fmt.Sprintf("no host group matches %s: its groups are unknown", text.Or(text.Names(c.globs, config.Glob.String)))
	}
	return fmt.Sprintf("no host group matches %s: groups are %s", text.Or(text.Names(c.globs, config.Glob.String)), shortList(quotedAll(s.problem.Groups)))
}

// tagIs holds if the problem has one of with (if there are any) and none of without.
type tagIs struct{ with, without []config.TagRule }

func (c tagIs) holds(s *subject) bool {
	tags := s.tagPairs()
	for _, rule := range c.without {
		if hasTag(tags, rule) {
			return false
		}
	}
	return len(c.with) == 0 || slices.ContainsFunc(c.with, func(rule config.TagRule) bool { return hasTag(tags, rule) })
}

func (c tagIs) why(s *subject, held bool) string {
	tags := s.tagPairs()
	for _, rule := range c.without {
		if hasTag(tags, rule) {
			return fmt.Sprintf("a tag is excluded by %s", rule.String())
		}
	}
	for _, rule := range c.with {
		if hasTag(tags, rule) {
			return "a tag matches " + rule.String()
		}
	}
	if len(c.with) == 0 {
		return "no tag is excluded by " + text.Or(text.Names(c.without, config.TagRule.String))
	}
	have := make([]string, 0, len(s.problem.Tags))
	for _, t := range s.problem.Tags {
		have = append(have, quoted(t.Tag+"="+t.Value))
	}
	if len(have) == 0 {
		return fmt.Sprintf("no tag matches %s: it has no tags", text.Or(text.Names(c.with, config.TagRule.String)))
	}
	return fmt.Sprintf("no tag matches %s: tags are %s", text.Or(text.Names(c.with, config.TagRule.String)), shortList(have))
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

func (c nameIs) why(s *subject, held bool) string {
	if held {
		return fmt.Sprintf("its name matches %s", c.re)
	}
	return fmt.Sprintf("its name %s doesn't match %s", quoted(s.problem.Name), c.re)
}

// anyGlob is the first pattern that matches one of the names.
func anyGlob(globs []config.Glob, lower []string) (config.Glob, bool) {
	for _, g := range globs {
		for _, name := range lower {
			if g.Match(name) {
				return g, true
			}
		}
	}
	return config.Glob{}, false
}
