// Package render makes messages and cards from problems with templates, within Webex's limits. All text from Zabbix and from
// people is escaped.
package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/webex"
)

// Options configure a Renderer.
type Options struct {
	Dir string // files that override the built-in templates of the same name; "" for none
	// RouteDirs are the routes' own directories ("" for none), for rooms with Room.Templates. Each overrides Dir.
	RouteDirs []string
	// Sources are the base URLs of the frontends, by source, for links. Ids are shown with their source if there are several.
	Sources map[string]string
	// Problem looks up another problem, so that a symptom can name its cause; nil finds none.
	Problem func(alert.Key) (alert.Problem, bool)
	// Buttons returns further buttons for a problem's card; nil for none. The card is replaced when their actions and values change.
	Buttons func(alert.Problem) []Button
	// TemplateFailed is called when a custom template failed at run time, so that the built-in one was used.
	TemplateFailed func(template string, err error)
}

// Room is a room's settings for messages.
type Room struct {
	Name         string
	Lang         lang.Lang      // of the relay's own words; zero: English
	Location     *time.Location // nil: UTC
	Presentation config.Presentation
	Templates    string // a route's own directory, one of Options.RouteDirs
	HideMemory   bool
	NoIncidents  bool     // nobody can open a room for an incident from here: it is one, or a direct chat
	Tell         []string // kinds that are posted to the thread (TellKinds); empty for all
	// MayRead reports whether a message here may show what was written about a problem that was posted in these rooms. nil: only if
	// Name is one of them.
	MayRead func(rooms []string) bool
}

// mayRead is MayRead or its default.
func (r Room) mayRead(rooms []string) bool {
	if r.MayRead != nil {
		return r.MayRead(rooms)
	}
	return r.Name != "" && slices.Contains(rooms, r.Name)
}

// Renderer renders messages and cards. It is safe for concurrent use.
type Renderer struct {
	sources map[string]string
	problem func(alert.Key) (alert.Problem, bool)
	extra   func(alert.Problem) []Button
	failed  func(template string, err error)
	base    set            // with Options.Dir
	routes  map[string]set // with a route's directory, by that
}

// New loads and parses the templates. A custom template that has a syntax error, or fails on a built-in sample, is an error with
// file and line. All such errors are returned at once (errors.Join).
func New(opts Options) (*Renderer, error) {
	r := &Renderer{
		sources: make(map[string]string, len(opts.Sources)), problem: opts.Problem, extra: opts.Buttons, failed: opts.TemplateFailed,
		base: builtin, routes: make(map[string]set),
	}
	if r.problem == nil {
		r.problem = func(alert.Key) (alert.Problem, bool) { return alert.Problem{}, false }
	}
	if r.failed == nil {
		r.failed = func(string, error) {}
	}
	for name, base := range opts.Sources {
		r.sources[name] = linkTarget(strings.TrimRight(base, "/"))
	}
	var faults []error
	var err error
	if opts.Dir != "" {
		if r.base, err = r.load(builtin, opts.Dir); err != nil {
			faults = append(faults, err)
		}
	}
	for _, dir := range opts.RouteDirs {
		if _, loaded := r.routes[dir]; loaded || dir == "" {
			continue
		}
		own, err := r.load(r.base, dir)
		if err != nil {
			faults = append(faults, err)
		}
		r.routes[dir] = own
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return r, nil
}

// Root returns the markdown of the problem's present state, at most webex.MaxMessageBytes, with who acknowledged it and the last
// comment. In presentation "line" it is one line.
func (r *Renderer) Root(p alert.Problem, room Room, now time.Time) string {
	name := fileRoot
	if room.Presentation == config.PresentLine {
		name = fileLine
	}
	return r.fit(name, p, room, now, nil)
}

// Lines returns one threaded reply with these timeline entries, in order; "" if the room wants none of them. Nudges are only for
// their own rooms, and only until somebody acts on the problem.
func (r *Renderer) Lines(p alert.Problem, entries []alert.Entry, room Room, now time.Time) string {
	var wanted []alert.Entry
	for _, e := range entries {
		if e.Kind == alert.EntryOpened || e.Kind == alert.EntryOccurred {
			continue // the root shows it
		}
		if e.Nudge != nil && Timely(*e.Nudge, p, room, now) || e.Nudge == nil && room.wants(kindsOf(e)) {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	var lines []Entry
	out := r.fit(fileLines, p, room, now, func(b *builder, v *View) {
		b.comment = maxComment
		v.Lines, v.Earlier = b.newest(wanted, v.Now)
		for i := range v.Lines {
			if n := wanted[v.Earlier+i].Nudge; n != nil {
				v.Lines[i].Mention = mentions(*n, room.Name)
			}
		}
		lines = v.Lines
	})
	return mentioned(out, lines)
}

// Show returns the reply to the command "show": the root, every other detail, and the timeline.
func (r *Renderer) Show(p alert.Problem, room Room, now time.Time) string {
	return r.fit(fileShow, p, room, now, func(b *builder, v *View) {
		v.Timeline, v.Earlier = b.newest(p.Timeline, v.Now)
	})
}

// Item returns a problem in one line, as in lists. A long name doesn't push others out.
func (r *Renderer) Item(p alert.Problem, room Room, now time.Time) string {
	return webex.CutMarkdown(strings.Join(strings.Fields(r.fit(fileItem, p, room, now, nil)), " "), 700)
}

// Problems returns the reply to "problems": a line for each problem that fits, and the number of the others.
func (r *Renderer) Problems(list []alert.Problem, before, total int, room Room, now time.Time) (reply string, shown int) {
	l := room.Lang
	total = max(total, before+len(list))
	if total == 0 {
		return l.T("No problems."), 0
	}
	const tail = 200 // for the heading and the last line
	var body strings.Builder
	for _, p := range list {
		line := r.Item(p, room, now)
		if body.Len()+len(line)+tail > webex.MaxMessageBytes {
			break
		}
		body.WriteString("\n" + line)
		shown++
	}
	if more := total - before - shown; more > 0 {
		body.WriteString("\n\n" + l.T("… and %d more: `more` shows them. Or filter them, for example `problems host=sw1*`", more))
	}
	head := "**" + problems(l, total) + "**"
	if before > 0 {
		head += l.T(", from the %s on", l.Ordinal(before+1))
	}
	out, _ := finish(head + body.String())
	return out, shown
}

// Test returns the message that Zabbix's Test button sends to a room.
func (r *Renderer) Test(source string, room Room, now time.Time) string {
	out, _ := finish(room.Lang.T("🧪 Test message from Zabbix **%s**, %s", limited(source, maxLabel), formatTime(room.Lang, now.In(orUTC(room.Location)))) +
		"\n" + room.Lang.T("It reached the relay and this room, so problems will be posted here. Nothing is wrong."))
	return out
}

// Canary returns the message of a canary: it is in the room for a moment.
func (r *Renderer) Canary(name string, room Room) string {
	out, _ := finish(room.Lang.T("🐤 The alert relay checks itself (%s). Nothing is wrong, and this message is deleted at once.", limited(name, maxLabel)))
	return out
}

// fit renders with shorter and shorter fields until the message fits, so that the links at its end stay. A message that is still
// too long is cut.
func (r *Renderer) fit(name string, p alert.Problem, room Room, now time.Time, add func(*builder, *View)) string {
	var out string
	for _, scale := range scales {
		b := r.builder(&p, room, scale)
		v := b.view(room, now)
		if add != nil {
			add(b, v)
		}
		markdown, fits := finish(r.execute(name, room, v))
		if out = markdown; fits {
			break
		}
	}
	return out
}

// execute runs the room's template on a view, or the built-in one if that fails.
func (r *Renderer) execute(name string, room Room, v *View) string {
	use := r.base
	if room.Templates != "" {
		own, ok := r.routes[room.Templates]
		if ok {
			use = own
		} else {
			r.failed(name, fmt.Errorf("the templates of %s weren't loaded", room.Templates))
		}
	}
	out, err := use.run(name, v)
	if err == nil {
		return out
	}
	r.failed(name, err)
	if out, err = builtin.run(name, v); err == nil {
		return out
	}
	// Not reached in any test; the problem is shown all the same.
	return v.Emoji + " " + v.Status + " · **" + v.Title.String() + "** · " + v.ID.String()
}

// maxOutput bounds a template's output, in bytes: far more than a message can contain.
const maxOutput = 1 << 20

var errTooLong = fmt.Errorf("wrote more than %d bytes", maxOutput)

type limitedBuilder struct{ strings.Builder }

func (w *limitedBuilder) Write(b []byte) (int, error) {
	if w.Len()+len(b) > maxOutput {
		return 0, errTooLong
	}
	return w.Builder.Write(b)
}

// set is a set of templates that belong together, by file name, once for each language.
type set map[lang.Lang]*template.Template

// newSet adds the functions of each language to templates that were parsed with those of English.
func newSet(all *template.Template) set {
	s := set{lang.English: all}
	for _, l := range []lang.Lang{lang.German, lang.Marked} {
		s[l] = template.Must(all.Clone()).Funcs(functions(l)) // a set that wasn't executed yet can be cloned
	}
	return s
}

// in returns the templates of a language.
func (s set) in(l lang.Lang) *template.Template {
	if own := s[l]; own != nil {
		return own
	}
	return s[lang.English]
}

func (s set) run(name string, v *View) (string, error) {
	var out limitedBuilder
	out.Grow(1024)
	err := s.in(v.lang).ExecuteTemplate(&out, name, v)
	if errors.Is(err, errTooLong) {
		return "", fmt.Errorf("%s: %w", name, errTooLong)
	}
	if err != nil {
		return "", templateError(err)
	}
	if name != fileLines && strings.TrimSpace(out.String()) == "" {
		return "", fmt.Errorf("%s: the message is empty", name)
	}
	return out.String(), nil
}
