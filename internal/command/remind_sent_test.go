package command

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// reloads restarts the relay with another configuration of people.
func (c *chats) reloads(change func(cfg *config.Config)) {
	c.Helper()
	c.r.stop()
	cfg := people()
	cfg.People, cfg.DefaultRooms = c.w.people, []string{"noc"}
	change(cfg)
	router, err := route.New(cfg)
	require.NoError(c, err)
	c.w.people, c.w.routing = cfg.People, router
	c.r = c.w.start(c.T)
	c.r.reminded(c.T)
}

// A reminder or report that waits to be sent is dropped if its person has lost the right to it since it was due, and only then.
func TestRightsWhileAReminderWaits(t *testing.T) {
	const dave, boss, carol = 2, 1, 3
	without := func(i int) func(*config.Config) {
		return func(cfg *config.Config) { cfg.People = append(cfg.People[:i:i], cfg.People[i+1:]...) }
	}
	inRooms := func(i int, rooms ...string) func(*config.Config) {
		return func(cfg *config.Config) { cfg.People[i].Rooms = rooms }
	}
	domain := func(cfg *config.Config) {
		cfg.AllowedDomains = []string{"elsewhere.example.com"}
		cfg.People = cfg.People[:1]
	}
	same := func(*config.Config) {}
	for name, c := range map[string]struct {
		said, in string
		by       string
		change   func(cfg *config.Config)
		want     string // "": it is sent
	}{
		"a problem, all as it was":    {"remind me 1 1m", "noc", "dave", same, ""},
		"a problem, no role":          {"remind me 1 1m", "noc", "dave", without(dave), "has no role"},
		"a problem, another room":     {"remind me 1 1m", "noc", "dave", inRooms(dave, "lan"), "may not see the problem"},
		"a problem, another domain":   {"remind me 1 1m", "noc", "dave", domain, "isn't in an allowed domain"},
		"words, another room":         {"remind me 1m tea", "", "dave", inRooms(dave, "lan"), ""},
		"words, no role":              {"remind me 1m tea", "", "dave", without(dave), "has no role"},
		"a report, all as it was":     {"report 00:01 daily", "", "dave", same, ""},
		"a report, one room more":     {"report 00:01 daily", "", "dave", inRooms(dave, "noc", "lan"), ""},
		"a report, everywhere by now": {"report 00:01 daily", "", "dave", inRooms(dave), ""},
		"a report, another room":      {"report 00:01 daily", "", "dave", inRooms(dave, "lan"), "no role any more in a room of the report"},
		"a report, not everywhere":    {"report 00:01 daily", "", "carol", inRooms(carol, "noc"), "no role any more in a room of the report"},
		"a report, no role":           {"report 00:01 daily", "", "dave", without(dave), "has no role"},
		"a room's, all as it was":     {"report 00:01 daily", "noc", "boss", same, ""},
		"a room's, no admin any more": {"report 00:01 daily", "noc", "boss", func(cfg *config.Config) { cfg.People[boss].Role = config.RoleOperator }, "isn't an admin of the room any more"},
		"a room's, and she has left":  {"report 00:01 daily", "noc", "boss", without(boss), "has no role"},
		"a report that was ended":     {"report 00:01 daily", "", "dave", nil, "was ended"},
	} {
		t.Run(name, func(t *testing.T) {
			inChat(t, func(s *chats) {
				s.w.people = append(s.w.people, config.Person{Email: "carol@example.com", Role: config.RoleViewer})
				s.reloads(same)
				s.w.problem("main/1", "noc")
				who := Person{ID: "P-" + c.by, Email: c.by + "@example.com"}
				s.says(Input{Text: c.said, Room: c.in, Person: who})
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.Len(s, s.reminders(), 1)
				n := s.reminders()[0]
				why, err := s.r.Withheld(s.Context(), n)
				require.NoError(s, err)
				require.Empty(s, why, "before")
				if c.change == nil {
					s.says(Input{Text: "report off", Person: who})
				} else {
					s.reloads(c.change)
				}
				why, err = s.r.Withheld(s.Context(), n)
				require.NoError(s, err)
				if c.want == "" {
					require.Empty(s, why)
					return
				}
				require.Contains(s, why, c.want)
			})
		})
	}
}

// What isn't a reminder's is none of its business; a damaged problem, and a Sender that somebody made up, stop nothing.
func TestOnlyRemindersAreWithheld(t *testing.T) {
	inChat(t, func(c *chats) {
		c.w.problem("main/1", "noc")
		c.says(Input{Text: "remind me 1 1m", Room: "noc"})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		n := c.reminders()[0]
		c.w.unread.Store(alert.ParseKey("main/1"), true)
		for _, sender := range []string{n.Sender, "", "relay", "reminder/", "reminder/x noc", "ansible"} {
			n.Sender = sender
			why, err := c.r.Withheld(c.Context(), n)
			require.NoError(c, err)
			require.Empty(c, why, "%q", sender)
		}
		n.Sender = "reminder/99"
		why, err := c.r.Withheld(c.Context(), n)
		require.NoError(c, err)
		require.Equal(c, "the reminder is forgotten", why)
		n.Kind = store.NoticeNotify
		why, err = c.r.Withheld(c.Context(), n)
		require.NoError(c, err)
		require.Empty(c, why)
	})
}

// A report that the relay posted right before it ended comes once, whatever has changed at the next start.
func TestAReportComesOnceAcrossACrash(t *testing.T) {
	const dave = 2
	for name, change := range map[string]func(cfg *config.Config){
		"nothing":       func(*config.Config) {},
		"a room more":   func(cfg *config.Config) { cfg.People[dave].Rooms = []string{"noc", "lan"} },
		"another room":  func(cfg *config.Config) { cfg.People[dave].Rooms = []string{"lan"} },
		"every room":    func(cfg *config.Config) { cfg.People[dave].Rooms = nil },
		"no role":       func(cfg *config.Config) { cfg.People = cfg.People[:dave] },
		"a higher role": func(cfg *config.Config) { cfg.People[dave].Role = config.RoleAdmin },
	} {
		for _, lost := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " ", lost), func(t *testing.T) {
				inChat(t, func(s *chats) {
					s.says(Input{Text: "report 00:01 daily", Person: Person{ID: "P-dave", Email: "dave@example.com"}})
					s.w.mu.Lock()
					s.w.crash, s.w.lost = 0, lost
					s.w.mu.Unlock()
					time.Sleep(90 * time.Second)
					synctest.Wait()
					s.w.mu.Lock()
					s.w.crash = -1
					s.w.mu.Unlock()
					s.reloads(change)
					for range 2 {
						time.Sleep(2 * time.Minute)
						synctest.Wait()
						want := 1
						if name == "no role" && !lost {
							want = 0
						}
						require.Len(s, s.reminders(), want)
						s.reloads(func(*config.Config) {})
					}
				})
			})
		}
	}
}
