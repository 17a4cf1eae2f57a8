package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// dutyAhead is the time that `duty` shows.
const dutyAhead = 14 * 24 * time.Hour

// dutySchedule is one schedule of the output.
type dutySchedule struct {
	Name   string        `json:"name"`
	Unread string        `json:"unread,omitempty"` // why its calendars aren't shown
	Faults []lang.Phrase `json:"faults,omitempty"` // events that can't be read
	Layers []dutyLayer   `json:"layers"`
	zone   *time.Location
}

type dutyLayer struct {
	Layer string      `json:"layer"`
	Turns []duty.Turn `json:"turns"`
}

func newDuty(g *globals) *cobra.Command {
	var at string
	var noGaps bool
	cmd := &cobra.Command{
		Use:   "duty [NAME]",
		Short: "Show who is on duty in the next two weeks",
		Long: `Show the turns of each schedule, or of the one named NAME, in the next two weeks: from the rotas and
the calendar files of the configuration. Calendars with an address aren't read: 'alert-relay doctor' does.
In a CI gate, --no-gaps fails if nobody is on duty at some time.`,
		Example: `  alert-relay duty -c config.yaml
  alert-relay duty network -c config.yaml --at 2026-12-24T09:00:00+01:00 --no-gaps`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := parseNow(at)
			if err != nil {
				return err
			}
			cfg, err := g.elsewhere(cmd)
			if err != nil {
				return err
			}
			schedules, err := schedulesOf(cmd, cfg, args, now)
			if err != nil {
				return failed(err)
			}
			if err := g.print(cmd, schedules, func(w io.Writer) { printDuty(w, schedules) }); err != nil {
				return err
			}
			if gaps := gapsIn(schedules); noGaps && len(gaps) > 0 {
				return failed(fmt.Errorf("nobody is on duty: %s", strings.Join(gaps, "; ")))
			}
			return nil
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().StringVar(&at, "at", "", "`TIME` at which the two weeks begin, RFC 3339 (default: the current time)")
	cmd.Flags().BoolVar(&noGaps, "no-gaps", false, "fail if nobody is on duty at some time")
	return cmd
}

// schedulesOf returns the schedules of a configuration, or the one that is named.
func schedulesOf(cmd *cobra.Command, cfg *config.Config, names []string, now time.Time) ([]dutySchedule, error) {
	all := cfg.Duty
	if len(names) > 0 {
		d, ok := cfg.Schedule(names[0])
		if !ok {
			known := text.Names(cfg.Duty, func(d config.Duty) string { return d.Name })
			return nil, fmt.Errorf("unknown schedule %q%s", names[0], didYouMean(names[0], "", known))
		}
		all = []config.Duty{d}
	}
	schedules := []dutySchedule{}
	for _, d := range all {
		out := dutySchedule{Name: d.Name, zone: d.TimeZone.Location}
		var shifts []duty.Shift
		for _, c := range d.Calendars {
			if c.File == "" {
				out.Unread = "a calendar with an address isn't read here: 'alert-relay doctor' does"
				continue
			}
			raw, err := duty.Fetcher{}.Fetch(cmd.Context(), c, "")
			if err != nil {
				return nil, fmt.Errorf("schedule %s: %w", d.Name, err)
			}
			content, err := duty.Parse(raw, duty.ReadingOf(cfg, d, c), now.Add(-time.Hour), now.Add(dutyAhead))
			if err != nil {
				return nil, fmt.Errorf("schedule %s: %s: %w", d.Name, c.File, err)
			}
			shifts, out.Faults = append(shifts, content.Shifts...), append(out.Faults, content.Faults...)
		}
		s := duty.New(d, shifts, nil)
		for _, layer := range s.Layers {
			turns := s.Turns(layer, now, now.Add(dutyAhead))
			for i := range turns {
				turns[i].From, turns[i].Until = turns[i].From.In(s.Zone), turns[i].Until.In(s.Zone)
			}
			out.Layers = append(out.Layers, dutyLayer{layer, turns})
		}
		schedules = append(schedules, out)
	}
	return schedules, nil
}

func printDuty(w io.Writer, schedules []dutySchedule) {
	if len(schedules) == 0 {
		fmt.Fprintln(w, "no schedule of duty is configured")
	}
	for i, s := range schedules {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s (%s)\n", s.Name, s.zone)
		if s.Unread != "" {
			fmt.Fprintf(w, "  %s\n", s.Unread)
		}
		for _, fault := range s.Faults {
			fmt.Fprintf(w, "  can't be read: %s\n", fault)
		}
		for _, layer := range s.Layers {
			fmt.Fprintf(w, "  %s\n", layer.Layer)
			for _, t := range layer.Turns {
				fmt.Fprintf(w, "    %s – %s  %s\n", t.From.Format("Mon 2006-01-02 15:04 MST"), t.Until.Format("Mon 2006-01-02 15:04 MST"), s.peopleOf(t))
			}
		}
	}
}

// peopleOf names the people of a turn, for a terminal.
func (s dutySchedule) peopleOf(t duty.Turn) string {
	if len(t.People) == 0 && s.Unread != "" {
		return "unknown"
	} else if len(t.People) == 0 {
		return "nobody"
	}
	return strings.Join(text.Names(t.People, func(p duty.Person) string {
		if p.Email == "" {
			return text.Quoted(p.Name, 60) + " (" + p.Why.String() + ")"
		}
		return p.Email
	}), ", ")
}

// gapsIn returns the first time of each layer at which nobody is on duty whom the relay can write to. Schedules that weren't read are left out.
func gapsIn(schedules []dutySchedule) (gaps []string) {
	for _, s := range schedules {
		if s.Unread != "" {
			continue
		}
	layers:
		for _, layer := range s.Layers {
			for _, t := range layer.Turns {
				reachable := false
				for _, p := range t.People {
					reachable = reachable || p.Email != ""
				}
				if !reachable {
					gaps = append(gaps, fmt.Sprintf("%s (%s) from %s", s.Name, layer.Layer, t.From.Format("Mon 2006-01-02 15:04 MST")))
					continue layers
				}
			}
		}
	}
	return gaps
}
