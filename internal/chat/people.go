package chat

import (
	"context"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/webex"
)

// remember is how long a person's record is trusted without asking Webex again.
const remember = 5 * time.Minute

// maxPeople bounds the records kept.
const maxPeople = 2000

// people are the records of those who spoke lately, from Webex.
type people struct {
	mu    sync.Mutex
	known map[string]record
}

type record struct {
	person webex.Person
	at     time.Time
}

// lately is the person's record where it was asked for a short while ago.
func (p *people) lately(id string) (webex.Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.known[id]
	return r.person, ok && time.Since(r.at) < remember
}

// get is the person's record, asked through the bot that heard them.
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

// botAddress says whether an address is a bot's: Webex gives bots addresses in
// domains of their own.
func botAddress(email string) bool {
	email = strings.ToLower(strings.TrimSpace(email))
	return strings.HasSuffix(email, "@webex.bot") || strings.HasSuffix(email, "@sparkbot.io")
}
