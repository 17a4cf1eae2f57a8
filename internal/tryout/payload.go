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

// readProblem folds payloads into the problem they are about.
func readProblem(o Options) (p alert.Problem, sendTo string, err error) {
	for _, name := range o.Payloads {
		if sample, ok := strings.CutPrefix(name, samplePrefix); ok {
			known := render.Samples()
			s, ok := known[sample]
			if !ok {
				return p, "", fmt.Errorf("unknown sample %q, expected one of\n  %s", sample, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			if p.Key != (alert.Key{}) {
				return p, "", fmt.Errorf("%s is a problem of its own: put it first", name)
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
			return p, "", fmt.Errorf("%s: macros are not resolved: this is from Zabbix's Test button, not a problem (use the payload of a real event)", name)
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

// maxPayload is what the receiver takes of one event.
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

// decodeOptions are those of the payload's source: the named one, or the first.
// A payload out of a file was received when Zabbix's own clock in it says, not now:
// against another clock its time zone would come out wrong.
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
