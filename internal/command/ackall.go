package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// wide is the progress of a command about a whole digest. It processes thousands of problems in parts, so that each save stays
// small, and saves the progress with each part.
type wide struct {
	Digest  int64         `json:"digest"`
	Asking  *alert.Asking `json:"asking,omitempty"` // see Request.Asking
	After   alert.Key     `json:"after,omitzero"`   // the last problem of the parts so far, in the order of orderKeys
	Done    int           `json:"done,omitempty"`
	Failed  int           `json:"failed,omitempty"`
	Expired int           `json:"expired,omitempty"`
	Lines   []string      `json:"lines,omitempty"`   // the outcomes of the first failures
	Total   int           `json:"total,omitempty"`   // problems at the start, if progress is reported
	Quarter int           `json:"quarter,omitempty"` // the last quarter that was reported
}

const (
	// wideParts is the number of problems in a part, and the maximum in one call. Other commands run between parts. Progress is
	// reported if there is more than one part.
	wideParts = 100
	wideLines = 5
	wideBatch = 200 // problems read at once
	// clockSlack is how far the clocks of Zabbix, Webex and the relay may differ: problems that opened or arrived after the command are excluded.
	clockSlack = time.Minute
)

// ended returns the number of problems processed so far.
func (w wide) ended() int { return w.Done + w.Failed + w.Expired }

func orderKeys(a, b alert.Key) int { return strings.Compare(a.String(), b.String()) }

// ackAll handles "ack all" in the thread of a digest of this room. It asks first: "ack all yes" doesn't. Elsewhere "all" may be one of
// the person's own words: done is false then.
func (e *Executor) ackAll(ctx context.Context, c *store.Command, d detail, s scope, req Request) (done bool, err error) {
	l := s.voice().Lang
	digest, found, err := e.digestOf(ctx, c.ParentID, s)
	switch {
	case err != nil:
		return false, err
	case found:
	case req.Asking != nil:
		return true, e.refuse(ctx, *c, s.Input, &refusal{store.CommandFailed, l.T("❔ I don't have this digest any more, so I did nothing. Say `ack` with the event ids.")})
	case req.Yes || req.AllText == "":
		return true, e.refuse(ctx, *c, s.Input, &refusal{store.CommandFailed, allOfWhat(l, s.Input.ParentID != "")})
	default:
		return false, nil
	}
	d.Wide = &wide{Digest: digest.ID, Asking: req.Asking}
	req.Text = req.AllText
	d.Request = &req
	if req.Yes {
		if ended, err := e.once(ctx, c, d, nil); ended || err != nil {
			return true, err
		}
	}
	all, err := e.part(ctx, *c, s, req, d.Wide, 0)
	switch {
	case err != nil:
		return false, err
	case len(all) == 0:
		return true, e.finish(ctx, *c, "", store.CommandDone, summary(l, *d.Wide))
	case !req.Yes:
		return true, e.askFirst(ctx, *c, d, req, confirmation{question: l.T("❔ This will acknowledge **%s**.", problemsInAll(l, len(all))), button: l.T("Acknowledge all"), comment: true})
	}
	if len(all) > wideParts {
		d.Wide.Total = len(all)
		if err := e.answer(ctx, *c, interim, progress(l, *d.Wide), nil); err != nil {
			return false, err
		}
		all = all[:wideParts]
	}
	d.Wide.After, d.Attempts = all[len(all)-1].Key, all
	c.Detail = d.encode()
	return true, e.dispatch(ctx, &job{c: *c, d: d})
}

// digestOf returns the digest of this room that a thread belongs to.
func (e *Executor) digestOf(ctx context.Context, thread string, s scope) (digest store.Group, found bool, err error) {
	if thread == "" {
		return digest, false, nil
	}
	digest, err = e.o.Store.GroupByMessage(ctx, thread)
	if errors.Is(err, store.ErrNotFound) {
		return digest, false, nil
	}
	return digest, err == nil && s.isHere(digest.Room), err
}

// wants reports whether a problem is one that the command is about.
func (w wide) wants(p alert.Problem) bool {
	if w.Asking != nil {
		return w.Asking.Is(p)
	}
	return !p.Acknowledged
}

// part returns the attempts for the next problems of the digest, at most n (0 for all): those that are open, that the command is about,
// and that the person may act on. An unreadable one has failed already. It advances w.After.
func (e *Executor) part(ctx context.Context, c store.Command, s scope, req Request, w *wide, n int) ([]attempt, error) {
	until := c.CreatedAt
	if !req.AskedAt.IsZero() {
		until = req.AskedAt // it confirms what the question said
	}
	until = until.Add(clockSlack)
	posts, err := e.o.Store.GroupPosts(ctx, w.Digest)
	if err != nil {
		return nil, err
	}
	var keys []alert.Key
	for _, p := range posts {
		if p.Open && !p.JoinedAt.After(until) && orderKeys(p.Key, w.After) > 0 {
			keys = append(keys, p.Key)
		}
	}
	slices.SortFunc(keys, orderKeys)
	as, err := e.actsAs(ctx, s.Person)
	if err != nil {
		return nil, err
	}
	var out []attempt
	for batch := range slices.Chunk(keys, wideBatch) {
		targets, err := e.visible(ctx, s, batch)
		if err != nil {
			return nil, err
		}
		for _, k := range batch {
			t, ok := targets[k]
			p := t.Problem
			if n > 0 && len(out) == n {
				return out, nil
			}
			if n > 0 {
				w.After = k
			}
			if t.Unreadable && may(t.Role, Ack) {
				out = append(out, attempt{Key: k, Stage: stageFailed, Outcome: damagedProblem(k, s.voice())})
				continue
			}
			if !ok || !may(t.Role, Ack) || !p.Open() || !w.wants(p) || !ofTrigger(p) || p.OpenedAt.After(until) {
				continue
			}
			out = append(out, newAttempt(p, c.ID, req.Text, nil, s.Person, as[k.Source]))
		}
	}
	return out, nil
}

// nextPart continues a wide command once every attempt of its part has ended, and replies after the last
// part. The caller holds j.mu.
func (e *Executor) nextPart(ctx context.Context, j *job) error {
	w, l := *j.d.Wide, e.o.View().voiceIn(j.c.Room).Lang
	attempts := j.d.Attempts
	for {
		for _, a := range attempts {
			switch a.Stage {
			case stageDone:
				w.Done++
				continue
			case stageExpired:
				w.Expired++
			default:
				w.Failed++
			}
			if len(w.Lines) < wideLines {
				w.Lines = append(w.Lines, a.Outcome)
			}
		}
		view := e.o.View()
		before := w.After
		err := e.persist(ctx, "reading the rest of a digest", func(ctx context.Context) (err error) {
			w.After = before
			attempts, err = e.part(ctx, j.c, scopeOf(*j.d.Input, view), *j.d.Request, &w, wideParts)
			return err
		})
		if err != nil {
			return err
		}
		j.d.Wide, j.d.Attempts = &w, attempts
		j.part++
		if len(attempts) == 0 {
			break
		}
		if done := w.ended(); w.Total > 0 && 4*done/w.Total > w.Quarter {
			w.Quarter = 4 * done / w.Total
			if err := e.answer(ctx, j.c, interim, progress(l, w), nil); err != nil {
				return err
			}
		}
		j.c.Detail = j.d.encode()
		if err := e.save(ctx, j.c); err != nil {
			return err
		}
		if e.enqueue(j) {
			return nil
		}
	}
	state := store.CommandDone
	switch {
	case w.Failed > 0:
		state = store.CommandFailed
	case w.Expired > 0:
		state = store.CommandExpired
	}
	said, part := summary(l, w), ""
	switch {
	case !j.d.Waiting && w.Total == 0:
	case state == store.CommandDone:
		part = interim
	default: // a new message: an edit notifies nobody
		if err := e.answer(ctx, j.c, interim, stopped(l, w), nil); err != nil {
			return err
		}
	}
	j.c.Outcome, j.c.Detail = plain(text.Cut(said, 2000)), j.d.encode()
	return e.finish(ctx, j.c, part, state, said)
}
