package tryout

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/zabbix"
)

// readProblem applies payloads, in order, to the problem that they are about.
func readProblem(o Options) (p alert.Problem, sendTo string, err error) {
	for _, name := range o.Payloads {
		if sample, ok := strings.CutPrefix(name, samplePrefix); ok {
			known := render.Samples()
			s, ok := known[sample]
			if !ok {
				return p, "", fmt.Errorf("unknown sample %q, expected one of\n  %s", sample, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			if p.Key != (alert.Key{}) {
				return p, "", fmt.Errorf("%s is a problem of its own, so it must be the first payload", name)
			}
			p = s
			continue
		}
		body, err := readPayload(name, o.Stdin)
		if err != nil {
			return p, "", err
		}
		if name == "-" {
			name = "standard input"
		}
		payload, faults := zabbix.Parse(body)
		if len(faults) > 0 {
			var all []error
			for _, f := range faults {
				all = append(all, fmt.Errorf("%s: %s", name, f))
			}
			return p, "", errors.Join(all...)
		}
		if payload.Test {
			return p, "", fmt.Errorf("%s: unresolved macros, as Zabbix's Test button sends them (use the payload of a real event)", name)
		}
		e, err := payload.Event(decodeOptions(o.Config, payload, o.Now))
		if err != nil {
			return p, "", fmt.Errorf("%s: %w", name, err)
		}
		if p.Key != (alert.Key{}) && p.Key != e.Key {
			return p, "", fmt.Errorf("%s is about %s, the previous payload about %s: use payloads of one problem", name, e.Key, p.Key)
		}
		p, _ = alert.Apply(p, e)
		sendTo = e.SendTo
	}
	return p, sendTo, nil
}

// maxPayload is the limit of the receiver.
const maxPayload = 1 << 20

func readPayload(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		defer f.Close()
		from = f
	}
	body, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	switch {
	case err == nil && len(bytes.TrimSpace(body)) == 0:
		err = errors.New("empty: expected the JSON object that Zabbix posts")
	case err == nil && len(body) > maxPayload:
		err = errors.New("longer than 1 MiB, which the relay would reject")
	}
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", name, err)
	}
	return body, nil
}

// decodeOptions returns the options of the payload's source: the one that it names, or the first. A payload from a file counts as
// received at the time of Zabbix's clock in it, since its time zone is derived from the difference.
func decodeOptions(cfg *config.Config, payload zabbix.Payload, now time.Time) zabbix.DecodeOptions {
	d := zabbix.DecodeOptions{Source: payload.Source, ReceivedAt: now}
	if cfg != nil && len(cfg.Zabbix) > 0 {
		s := cfg.Zabbix[0]
		if named, ok := cfg.Source(payload.Source); ok {
			s = named
		}
		d.Source, d.Location = s.Name, s.TimeZone.Location
	}
	if d.Source == "" {
		d.Source = "main"
	}
	if sent, err := time.ParseInLocation("2006.01.02 15:04:05", payload.Macro("date")+" "+payload.Macro("time"), cmp.Or(d.Location, time.UTC)); err == nil {
		d.ReceivedAt = sent
	}
	return d
}
