package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// DeadLetter is a post, digest or notice that Webex rejected for good.
type DeadLetter struct {
	ID         string    `json:"id"`                // "post:main/4711@noc", "digest:3", "list:3", "notice:12"
	Kind       string    `json:"kind"`              // "post", "digest", "list", "notice"
	Room       string    `json:"room"`              // configured name, or a person's address
	Problem    string    `json:"problem,omitempty"` // "main/4711"
	About      string    `json:"about,omitempty"`   // the problem's name, or the first line of the notice
	Reason     string    `json:"reason"`
	TrackingID string    `json:"tracking_id,omitempty"` // for Webex's support
	At         time.Time `json:"at"`
}

// DeadLetterList is the newest of Total dead letters.
type DeadLetterList struct {
	DeadLetters []DeadLetter `json:"dead_letters"`
	Total       int          `json:"total"`
}

// kinds are the beginnings of all ids.
var kinds = []string{"post", "digest", "list", "notice"}

func kindOf(id string) string {
	kind, _, _ := strings.Cut(id, ":")
	return kind
}

func (a *API) deadLetters(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all, err := a.lettersOf(r.Context(), r.URL.Query().Get("room"))
	if err != nil {
		return nil, err
	}
	list := DeadLetterList{DeadLetters: []DeadLetter{}, Total: len(all)}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	about := a.names(r.Context(), all)
	for _, d := range all {
		l := DeadLetter{ID: d.ID(), Kind: string(d.Kind), Room: d.Room, Reason: d.Reason, TrackingID: d.TrackingID, At: d.At}
		switch d.Kind {
		case store.LetterPost:
			l.Problem, l.About = d.Key.String(), about[d.Key]
		case store.LetterDigest:
			l.About = "a digest with all of its problems"
		case store.LetterList:
			l.About = "the list in a digest's thread (the digest itself was posted)"
		case store.LetterNotice:
			if n, err := a.Store.Notice(r.Context(), d.Number); err == nil {
				l.About = opening(cmp.Or(n.Markdown, n.Text))
			}
		}
		list.DeadLetters = append(list.DeadLetters, l)
	}
	return list, nil
}

// lettersOf returns all dead letters, or those of one room.
func (a *API) lettersOf(ctx context.Context, room string) ([]store.DeadLetter, error) {
	all, err := a.Store.DeadLetters(ctx)
	return slices.DeleteFunc(all, func(d store.DeadLetter) bool { return room != "" && d.Room != room }), err
}

// names returns the names of the problems. If they can't be read the list goes out without them.
func (a *API) names(ctx context.Context, letters []store.DeadLetter) map[alert.Key]string {
	var keys []alert.Key
	for _, d := range letters {
		if d.Kind == store.LetterPost {
			keys = append(keys, d.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	problems, err := a.Store.Problems(ctx, keys)
	if err != nil {
		a.Log.Warn("cannot read problems; dead letters are listed without their names", "error", err)
	}
	about := make(map[alert.Key]string, len(problems))
	for key, p := range problems {
		about[key] = p.Name
	}
	return about
}

// opening returns the first line of a text, cut.
func opening(s string) string {
	const most = 80
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if head := text.Cut(line, most); head != line {
		line, more = head, true
	}
	if line = strings.TrimSpace(line); more {
		line += " …"
	}
	return line
}

func (a *API) replay(r *http.Request, c Choice) (Done, error) {
	all := func() (ids []string, err error) {
		letters, err := a.lettersOf(r.Context(), c.Room)
		for _, d := range slices.Backward(letters) { // oldest first
			ids = append(ids, d.ID())
		}
		return ids, err
	}
	done, left, err := a.each(c, all, func(id string) error {
		if err := a.Store.ReplayDead(r.Context(), id); err != nil {
			return unknownLetter(id, err)
		}
		a.Metrics.Replayed.WithLabelValues(kindOf(id)).Inc()
		a.Log.Info("dead letter replayed", "dead_letter", id, "by", r.RemoteAddr)
		return nil
	})
	return Done{Replayed: done, Left: left}, err
}

func (a *API) drop(r *http.Request, c Choice) (Done, error) {
	if c.ID == "" {
		return Done{}, &refusal{http.StatusBadRequest, "missing id", "dropped messages can't be restored, so each must be named"}
	}
	if err := a.Store.DropDead(r.Context(), c.ID); err != nil {
		return Done{}, unknownLetter(c.ID, err)
	}
	a.Metrics.Dropped.WithLabelValues(kindOf(c.ID)).Inc()
	a.Log.Warn("dead letter dropped", "dead_letter", c.ID, "by", r.RemoteAddr)
	return Done{Dropped: []string{c.ID}}, nil
}

func unknownLetter(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &refusal{http.StatusNotFound, fmt.Sprintf("unknown dead letter %q", id),
			"'alert-relay deadletter list' lists them; it may already have been replayed or dropped"}
	}
	return err
}
