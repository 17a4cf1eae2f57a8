package chat

import (
	"context"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/webex"
)

// recordTTL is how long a person's record is used before it is read from Webex again.
const recordTTL = 5 * time.Minute

// maxPeople bounds the cached records.
const maxPeople = 2000

// people caches Webex's records of people.
type people struct {
	mu    sync.Mutex
	known map[string]record
}

type record struct {
	person webex.Person
	at     time.Time
}

// lately returns the person's record, if it is cached.
func (p *people) lately(id string) (webex.Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.known[id]
	return r.person, ok && time.Since(r.at) < recordTTL
}

// get returns the person's record, read with the client if it isn't cached.
func (p *people) get(ctx context.Context, client Webex, id string) (webex.Person, error) {
	if known, ok := p.lately(id); ok {
		return known, nil
	}
	person, err := client.GetPerson(ctx, id)
	if err != nil {
		return webex.Person{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPeople {
		p.known = make(map[string]record)
	}
	p.known[id] = record{person, time.Now()}
	return person, nil
}

// botAddress reports whether an address is a bot's: Webex has domains for them.
func botAddress(email string) bool {
	email = strings.ToLower(strings.TrimSpace(email))
	return strings.HasSuffix(email, "@webex.bot") || strings.HasSuffix(email, "@sparkbot.io")
}
