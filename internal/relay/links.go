package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// locator finds the message of a problem, for the link in Zabbix's event menu.
type locator struct {
	posts interface {
		PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
		Group(ctx context.Context, id int64) (store.Group, error)
	}
	cfg func() *config.Config
	me  func(ctx context.Context, bot string) (webex.Person, error) // the account of a bot
}

// meWait bounds how long a click waits for Webex to say who a bot is, if the relay doesn't know it yet.
const meWait = 2 * time.Second

// Locate returns a link to the message that shows a problem, which may be its digest's. It prefers rooms to direct chats. address is
// "" if there is no link to any of the rooms; posted reports whether any room has a message.
func (l locator) Locate(ctx context.Context, key alert.Key) (address string, posted bool, err error) {
	posts, err := l.posts.PostsOf(ctx, []alert.Key{key})
	if err != nil {
		return "", false, err
	}
	chat := ""
	for _, p := range posts[key] {
		message, err := l.message(ctx, p)
		if err != nil {
			return "", false, err
		}
		if message == "" {
			continue
		}
		posted = true
		if room, ok := l.cfg().Room(p.Room); ok {
			if link, ok := webex.MessageLink(room.ID, message); ok {
				return link, true, nil
			}
		} else if strings.HasPrefix(p.Room, config.PersonRoom) && chat == "" {
			chat = l.chat(ctx, p.Room)
		}
	}
	return chat, posted, nil
}

// message returns the id of the message that shows a post: its digest's while it is in one.
func (l locator) message(ctx context.Context, p store.Post) (string, error) {
	if p.Group == 0 {
		return p.RootID, nil
	}
	g, err := l.posts.Group(ctx, p.Group)
	if errors.Is(err, store.ErrNotFound) {
		return p.RootID, nil
	}
	return g.MessageID, err
}

// chat returns a link to the direct chat with the bot that serves a person, or "" if Webex doesn't say who the bot is.
func (l locator) chat(ctx context.Context, room string) string {
	ctx, cancel := context.WithTimeout(ctx, meWait)
	defer cancel()
	bot, err := l.me(ctx, l.cfg().BotOf(room))
	if err != nil {
		return ""
	}
	link, _ := webex.ChatLink(bot.Email())
	return link
}

// linkKeyName is the name of the link key among the store's values.
const linkKeyName = "link key"

// linkKey returns the key that signs the links in Zabbix's event menu. It is made at the first start and stored, so that links stay
// valid after a restart.
func linkKey(ctx context.Context, values interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}) ([]byte, error) {
	key, err := values.Value(ctx, linkKeyName)
	if errors.Is(err, store.ErrNotFound) {
		key = rand.Text()
		err = values.SetValue(ctx, linkKeyName, key)
	}
	if err != nil {
		return nil, fmt.Errorf("key for signing links: %w", err)
	}
	return []byte(key), nil
}
