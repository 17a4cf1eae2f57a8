// Package receiver is the relay's public side: events from Zabbix, messages of
// the notify API, Webex's webhooks, and the links that lead from Zabbix into Webex.
package receiver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Limits of what is taken in.
const (
	// MaxBody is the largest body of any request, in bytes.
	MaxBody = 1 << 20
	// MaxSkew is how far a signature's time may be from the relay's clock.
	MaxSkew = 5 * time.Minute
)

// Source is one Zabbix installation that may send events.
type Source struct {
	Name    string
	Secrets []string // any of them counts
}

// Sender is one sender of the notify API.
type Sender struct {
	Name    string
	Token   string
	Rooms   []string // where it may write
	Persons bool     // it may write to people
}

// Journal is where events are kept before they are answered.
type Journal interface {
	// Append returns once the entry is on disk; store.ErrBusy where too many wait. Where it
	// returns no error the payload is the caller's again.
	Append(ctx context.Context, e store.Entry) (id int64, err error)
}

// Notices is where the messages of the notify API are kept.
type Notices interface {
	// AddNotice returns once the notice is on disk.
	AddNotice(ctx context.Context, n store.Notice) (id int64, err error)
}

// Hook takes what Webex delivers to /v1/webex/BOT: the raw body, whose
// signature it checks. It gives the HTTP status of the answer.
type Hook interface {
	// Listens says whether the bot takes deliveries: nothing is read for one that doesn't.
	Listens(bot string) bool
	Deliver(ctx context.Context, bot string, header http.Header, body []byte) (status int)
}

// Locator finds a problem's message in Webex.
type Locator interface {
	// Locate returns an address that opens the message, "" if there is none, and whether any room was told of the problem.
	Locate(ctx context.Context, key alert.Key) (address string, told bool, err error)
}

// Options make a Receiver. Sources, Journal and Metrics are needed; what else
// is nil is done without.
type Options struct {
	Sources []Source
	Senders []Sender
	Journal Journal
	Notices Notices
	Hook    Hook
	Locator Locator

	// PublicURL is the address of the links that Zabbix shows in its event menu; "" for no links.
	PublicURL string
	// LinkKey signs those links. Without one a new key is made, and links end with the process.
	LinkKey []byte
	// TestRooms says where the test message of Zabbix's Test button goes.
	TestRooms func(source string, p zabbix.Payload) []string
	// UnknownSendTo says in words what a "Send to" holds that names nothing; nil: nothing ever does.
	UnknownSendTo func(source, sendTo string) []string
	// BotOf is the bot that serves a room; "" asks for that of people.
	BotOf func(room string) string
	// Refused is told of each event that wasn't taken; source and kind (an
	// alert.Kind) are "" where they can't be told.
	Refused func(source, kind string)

	Now     func() time.Time // time.Now by default
	Log     *slog.Logger
	Metrics *Metrics
}

// Receiver answers requests. It holds no state but its configuration: a new
// configuration is a new Receiver (with the same Metrics).
type Receiver struct {
	opts         Options
	sources      map[string]bool
	keys         keyring // of sources
	tokens       keyring // of senders
	senders      []sender
	eventBodies  *budget // of bodies that are arriving, by endpoint
	noticeBodies *budget
	hookBodies   *budget
	refused      *logging.Limited
	handler      http.Handler
}

// New makes a receiver.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.LinkKey) == 0 {
		o.LinkKey = []byte(NewLinkKey())
	}
	if o.UnknownSendTo == nil {
		o.UnknownSendTo = func(string, string) []string { return nil }
	}
	if o.TestRooms == nil {
		o.TestRooms = func(string, zabbix.Payload) []string { return nil }
	}
	if o.BotOf == nil {
		o.BotOf = func(string) string { return "" }
	}
	if o.Refused == nil {
		o.Refused = func(string, string) {}
	}
	r := &Receiver{
		opts: o, sources: map[string]bool{}, refused: logging.NewLimited(o.Log, time.Minute),
		eventBodies:  newBudget(eventBudget, "leave out macros that hold item values or history"),
		noticeBodies: newBudget(otherBudget, fmt.Sprintf("Webex takes %d bytes in a message", maxMessage)), hookBodies: newBudget(otherBudget, ""),
	}
	for _, s := range o.Sources {
		r.sources[s.Name] = true
		for _, secret := range s.Secrets {
			r.keys.add(secret, s.Name)
		}
	}
	for i, s := range o.Senders {
		r.tokens.add(s.Token, s.Name)
		r.senders = append(r.senders, newSender(o.Senders[i]))
	}
	r.handler = r.routes()
	return r
}

// Handler serves the public listener.
func (r *Receiver) Handler() http.Handler { return r.handler }

func (r *Receiver) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // a POST that is redirected loses its body
	_ = e.SetTrustedProxies(nil)    // nobody's word is taken for an address; nil never fails

	e.POST("/v1/zabbix/events", r.serve(EndpointEvents, r.event))
	e.POST("/v1/notify", r.serve(EndpointNotify, r.notify))
	e.POST("/v1/webex/:bot", r.serve(EndpointWebex, r.webex))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Handle(method, "/m/:source/:eventid/:signature", r.serve(EndpointMessage, r.message))
		e.Handle(method, "/m/:source/:eventid", r.serve(EndpointMessage, r.message)) // of a relay before links were signed
		e.Handle(method, "/", r.serve(EndpointOther, r.root))
	}
	e.NoRoute(r.serve(EndpointOther, func(c *gin.Context) {
		refuse(http.StatusNotFound, "no such path", "events go to POST /v1/zabbix/events, messages to POST /v1/notify").answer(c)
	}))
	e.NoMethod(r.serve(EndpointOther, func(c *gin.Context) {
		refuse(http.StatusMethodNotAllowed, "this path doesn't know method "+c.Request.Method, "it knows "+c.Writer.Header().Get("Allow")).answer(c)
	}))
	return e
}

// NewServer makes a server with limits on what a slow or greedy client can
// hold. The caller serves and shuts it down.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second, // an append may wait for a slow disk
		IdleTimeout:       2 * time.Minute,  // longer than Zabbix's and Prometheus's pauses
		MaxHeaderBytes:    16 << 10,
		ConnState:         connState,
	}
}

// root tells a person, or a load balancer, what they have found.
func (r *Receiver) root(c *gin.Context) {
	c.String(http.StatusOK, "alert-relay: this is the listener for Zabbix and Webex.\n")
}

// webex hands a delivery to whoever listens for the bot.
func (r *Receiver) webex(c *gin.Context) {
	bot := c.Param("bot")
	if r.opts.Hook == nil || !r.opts.Hook.Listens(bot) {
		hangUp(refuse(http.StatusNotFound, "no bot listens here", "")).answer(c)
		return
	}
	body, refused := r.hookBodies.read(c.Writer, c.Request, maxWebhook)
	if refused != nil {
		refused.answer(c)
		return
	}
	status := r.opts.Hook.Deliver(c.Request.Context(), bot, c.Request.Header, body)
	write(c, cmp.Or(status, http.StatusInternalServerError), []byte("{}"))
}
