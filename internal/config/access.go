package config

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/webexid"
)

// Room finds a room by its configured name.
func (c *Config) Room(name string) (Room, bool) {
	return find(c.Rooms, func(r Room) bool { return r.Name == name })
}

// RoomByID finds a room by its Webex id, in any of its spellings.
func (c *Config) RoomByID(id string) (Room, bool) {
	return find(c.Rooms, func(r Room) bool { return webexid.Same(r.ID, id) })
}

// RoomsOf returns the rooms that a bot serves.
func (c *Config) RoomsOf(bot string) (rooms []Room) {
	for _, r := range c.Rooms {
		if r.Bot == "" || r.Bot == bot {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// Bot finds a bot by its configured name.
func (c *Config) Bot(name string) (Bot, bool) {
	return find(c.Webex.Bots, func(b Bot) bool { return b.Name == name })
}

// Source finds a Zabbix installation by its configured name.
func (c *Config) Source(name string) (Source, bool) {
	return find(c.Zabbix, func(s Source) bool { return s.Name == name })
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

// BotOf returns the name of the bot that serves a room: the room's own, or the first bot for rooms that aren't configured and for
// "person:ADDRESS".
func (c *Config) BotOf(room string) string {
	if r, ok := c.Room(room); ok {
		return r.Bot
	}
	if len(c.Webex.Bots) == 0 {
		return ""
	}
	return c.Webex.Bots[0].Name
}

// RoleOf returns the role of a person with these addresses in a room; "" for none. Entries for an address override those for a
// domain, so one person can have a lower role than everybody else. Of several that apply the highest counts. The empty room is a
// direct chat: only entries without rooms apply there.
func (c *Config) RoleOf(emails []string, room string) Role {
	var byEmail, byDomain Role
	for _, email := range emails {
		email = normalAddress(email)
		domain := afterAt(email)
		if domain == "" {
			continue
		}
		for _, p := range c.People {
			if len(p.Rooms) > 0 && !slices.Contains(p.Rooms, room) {
				continue
			}
			if p.Email == email && p.Role.rank() > byEmail.rank() {
				byEmail = p.Role
			}
			if p.Domain == domain && p.Role.rank() > byDomain.rank() {
				byDomain = p.Role
			}
		}
	}
	if byEmail != "" {
		return byEmail
	}
	return byDomain
}

// AddressOf picks the address under which a person acts, whatever the order of their addresses: one in people, else one in a
// domain of people, else an allowed one. "" means that the relay doesn't listen to them.
func (c *Config) AddressOf(emails []string) string {
	best, bestRank := "", 0
	for _, email := range emails {
		email = normalAddress(email)
		if !c.Allowed(email) {
			continue
		}
		rank := 1
		for _, p := range c.People {
			switch {
			case p.Email == email:
				rank = 3
			case p.Domain == afterAt(email):
				rank = max(rank, 2)
			}
		}
		if rank > bestRank || rank == bestRank && email < best {
			best, bestRank = email, rank
		}
	}
	return best
}

func normalAddress(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// Allowed reports whether the relay listens to somebody, and writes to them if {ALERT.SENDTO} names them: by allowed_domains, or
// else by the domains in people, those of its addresses included.
func (c *Config) Allowed(email string) bool {
	domain := afterAt(normalAddress(email))
	if domain == "" {
		return false
	}
	if len(c.AllowedDomains) > 0 {
		return c.allowedDomain(domain)
	}
	return slices.ContainsFunc(c.People, func(p Person) bool { return domainOf(p) == domain })
}

func (c *Config) allowedDomain(domain string) bool { return slices.Contains(c.AllowedDomains, domain) }

func domainOf(p Person) string {
	if p.Domain != "" {
		return p.Domain
	}
	return afterAt(p.Email)
}

// afterAt returns an address's domain; "" if it isn't an address.
func afterAt(email string) string {
	i := strings.LastIndexByte(email, '@')
	if i <= 0 {
		return ""
	}
	return email[i+1:]
}
