package command

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

const (
	// maxListed is how many problems a page of a list has at most; long names make it fewer.
	maxListed = 50
	maxPages  = 20
	// listedFor is how long `more` continues a list, maxLists how many lists are remembered.
	listedFor = 15 * time.Minute
	maxLists  = 1000
)

// answerProblems lists the open problems that the person may know of from here, the worst first.
func answerProblems(ctx context.Context, e *Executor, s scope, r Request, _ []target, room render.Room) (reply, outcome string, err error) {
	f := r.Filter
	filter := s.listed()
	filter.Open, filter.Severity, filter.Host, filter.Acknowledged, filter.Search = true, f.Severity, f.Host, f.Acknowledged, f.Text
	if f.Plain != "" {
		switch found, err := e.o.Store.CountProblems(ctx, filter); {
		case err != nil:
			return "", "", err
		case found == 0:
			filter.Search = f.Plain
		}
	}
	return e.list(ctx, filter, s, r, room, func() (string, error) {
		wanted := f.wanted(room.Lang)
		if wanted == "" {
			text, _ := e.o.View().Renderer.Problems(nil, 0, 0, room, time.Now())
			return text, nil
		}
		all := s.listed()
		all.Open = true
		others, err := e.o.Store.CountProblems(ctx, all)
		return noMatch(room.Lang, wanted, others), err
	})
}

// list shows a page of problems. Each page begins where the one before ended, so that none is left out. none returns the reply if there
// are no problems.
func (e *Executor) list(ctx context.Context, f store.Filter, s scope, r Request, room render.Room, none func() (string, error)) (reply, outcome string, err error) {
	f.Limit = (r.Page + 1) * maxListed
	found, err := e.o.Store.FindProblems(ctx, f)
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		reply, err = none()
		return reply, "listed", err
	}
	total := len(found)
	if total == f.Limit {
		if total, err = e.o.Store.CountProblems(ctx, f); err != nil {
			return "", "", err
		}
	}
	e.lists.remember(s, r)
	now, before := time.Now(), 0
	for page := 0; ; page++ {
		if before == len(found) {
			return noSuchPage(room.Lang, r.Page+1, page), "listed", nil
		}
		part := found[before:min(before+maxListed, len(found))]
		text, shown := e.o.View().Renderer.Problems(part, before, max(total, len(found)), room, now)
		if page == r.Page {
			return text, "listed", nil
		}
		before += max(shown, 1)
	}
}

// lists remembers what each person listed last in each room, for `more`. After a restart a list is simply asked for again.
type lists struct {
	mu   sync.Mutex
	last map[[2]string]listed
}

type listed struct {
	request Request
	at      time.Time
}

func (l *lists) remember(s scope, r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || len(l.last) >= maxLists {
		l.last = make(map[[2]string]listed)
	}
	l.last[[2]string{s.Input.Person.Email, s.RoomID}] = listed{r, time.Now()}
}

// next returns the request for the page after the one that the person listed last here.
func (l *lists) next(s scope, now time.Time) (Request, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.last[[2]string{s.Input.Person.Email, s.RoomID}]
	if !ok || now.Sub(last.at) > listedFor {
		return Request{}, false
	}
	last.request.Page++
	return last.request, true
}

func answerMore(ctx context.Context, e *Executor, s scope, _ Request, _ []target, room render.Room) (reply, outcome string, err error) {
	r, ok := e.lists.next(s, time.Now())
	switch {
	case !ok || r.Verb.entry().answer == nil || r.Verb == More:
		return room.Lang.T("❔ More of what? List something first: `problems` or `mine`."), "listed", nil
	case r.Page >= maxPages:
		return tooFar(room.Lang), "listed", nil
	}
	return r.Verb.entry().answer(ctx, e, s, r, nil, room)
}

// parseMine parses "[problems] [page N]".
func parseMine(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	r := Request{Verb: v.name}
	rest := strings.TrimLeft(t.rest, ":,; ")
	if word, after := firstWord(rest); bareWord(word) == string(Problems) {
		r.Posted, rest = true, strings.TrimLeft(after, " \n")
	}
	page, after, ok := cutPage(rest)
	switch {
	case rest == "":
		return r, nil
	case !ok || strings.TrimSpace(after) != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s`. `%s` may be followed by `page 2` only.", echo(rest), v.name)
	case page < 1 || page > maxPages:
		return Request{}, misunderstood(v.name, "There are pages 1 to %d.", maxPages)
	}
	r.Page = page - 1
	return r, nil
}

func parseMore(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	if rest := strings.Trim(t.rest, ":,;.! "); rest != "" {
		return Request{}, misunderstood(v.name, "`more` takes nothing else: it shows the next page of your last list.")
	}
	return Request{Verb: v.name}, nil
}

// cutPage splits "page 2" off plain words.
func cutPage(words string) (page int, after string, ok bool) {
	word, after := firstWord(words)
	if bareWord(word) != "page" {
		return 0, words, false
	}
	number, after := firstWord(after)
	page, err := strconv.Atoi(bareWord(number))
	return page, after, err == nil
}
