package webexsim

// The default world, for the demo and for tests.
const (
	DefaultBot      = "relay@webex.bot"
	DefaultBotName  = "Relay"
	DefaultBotToken = "simulated-relay-token" // not a secret: it opens only this simulation
)

// DefaultRooms are the names of its group rooms; RoomID gives their ids.
var DefaultRooms = []string{"noc", "db", "network"}

// NewDefault makes a Server with the default world: the bot relay; the rooms
// noc, db and network; alice and bob in all of them, carol in noc and network;
// mallory, of another company, in noc; and the bot's direct chats with alice, bob and carol.
func NewDefault(opts Options) *Server {
	s := New(opts)
	s.AddBot(DefaultBot, DefaultBotName, DefaultBotToken)
	s.AddPerson("alice@example.com", "Alice Archer")
	s.AddPerson("bob@example.com", "Bob Builder")
	s.AddPerson("carol@example.com", "Carol Carter")
	s.AddPerson("mallory@example.org", "Mallory Moss")
	everywhere := []string{DefaultBot, "alice@example.com", "bob@example.com"}
	s.AddRoom("noc", "NOC", append(everywhere, "carol@example.com", "mallory@example.org")...)
	s.AddRoom("db", "Databases", everywhere...)
	s.AddRoom("network", "Network", append(everywhere, "carol@example.com")...)
	for _, email := range []string{"alice@example.com", "bob@example.com", "carol@example.com"} {
		s.Direct(DefaultBot, email)
	}
	return s
}
