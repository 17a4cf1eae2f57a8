// Package receiver is the relay's public side: events from Zabbix, messages of
// the notify API, Webex's webhooks, and the links that lead from Zabbix into Webex.
package receiver

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/semaphore"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Limits of what is taken in.
const (
	// MaxBody is the largest body of any request, in bytes.
	MaxBody = 1 << 20
	// MaxSkew is how far a signature's time may be from the relay's clock.
	MaxSkew = 5 * time.Minute
	// maxInFlight bounds the bodies that are held at once, in bytes: what comes
	// beyond it is answered 429.
	maxInFlight = 64 << 20
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
	Deliver(ctx context.Context, bot string, header http.Header, body []byte) (status int)
}

// Locator finds a problem's message in Webex.
type Locator interface {
	// Locate gives an address that opens the message; false where no room has been
	// told of the problem.
	Locate(ctx context.Context, key alert.Key) (address string, ok bool)
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

	// Link is the address that Zabbix shows in its event menu for a problem; "" for none.
	Link func(key alert.Key) string
	// TestRooms says where the test message of Zabbix's Test button goes.
	TestRooms func(source string, p zabbix.Payload) []string
	// BotOf is the bot that serves a room; "" asks for that of people.
	BotOf func(room string) string
	// Appended is called after an event is in the journal, with the entry and what was
	// read of it; Noticed after a notice is kept: to wake those who go on from there. The entry's
	// payload isn't to be kept: its memory is used again.
	Appended func(e store.Entry, p zabbix.Payload)
	Noticed  func()
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
	opts    Options
	sources map[string]bool
	keys    keyring // of sources
	tokens  keyring // of senders
	senders []sender
	bodies  *semaphore.Weighted
	handler http.Handler
}

// New makes a receiver.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Link == nil {
		o.Link = func(alert.Key) string { return "" }
	}
	if o.TestRooms == nil {
		o.TestRooms = func(string, zabbix.Payload) []string { return nil }
	}
	if o.BotOf == nil {
		o.BotOf = func(string) string { return "" }
	}
	if o.Appended == nil {
		o.Appended = func(store.Entry, zabbix.Payload) {}
	}
	if o.Noticed == nil {
		o.Noticed = func() {}
	}
	if o.Refused == nil {
		o.Refused = func(string, string) {}
	}
	r := &Receiver{opts: o, sources: map[string]bool{}, bodies: semaphore.NewWeighted(maxInFlight)}
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

// LinkPath is the path below the public URL that leads to a problem's message.
func LinkPath(key alert.Key) string {
	return "/m/" + url.PathEscape(key.Source) + "/" + url.PathEscape(key.EventID)
}

func (r *Receiver) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // a POST that is redirected loses its body
	_ = e.SetTrustedProxies(nil)    // nobody's word is taken for an address; nil never fails

	e.POST("/v1/zabbix/events", r.serve(EndpointEvents, r.event))
	e.POST("/v1/notify", r.serve(EndpointNotify, r.notify))
	e.POST("/v1/webex/:bot", r.serve(EndpointWebex, r.webex))
	e.GET("/m/:source/:eventid", r.serve(EndpointMessage, r.message))
	e.GET("/", r.serve(EndpointOther, r.root))
	e.NoRoute(r.serve(EndpointOther, func(c *gin.Context) {
		answer(c, http.StatusNotFound, problem{Error: "no such path", Hint: "events go to POST /v1/zabbix/events, messages to POST /v1/notify"})
	}))
	e.NoMethod(r.serve(EndpointOther, func(c *gin.Context) {
		answer(c, http.StatusMethodNotAllowed, problem{Error: "this path doesn't know method " + c.Request.Method, Hint: "it knows " + c.Writer.Header().Get("Allow")})
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
	}
}

// root tells a person, or a load balancer, what they have found.
func (r *Receiver) root(c *gin.Context) {
	c.String(http.StatusOK, "nms-alert-relay: this is the listener for Zabbix and Webex.\n")
}

// webex hands a delivery to whoever listens for the bot.
func (r *Receiver) webex(c *gin.Context) {
	if r.opts.Hook == nil {
		answer(c, http.StatusNotFound, problem{Error: "no bot listens here"})
		return
	}
	body, held, refused := r.body(c.Request, nil)
	defer r.bodies.Release(held)
	if refused != nil {
		refused.answer(c)
		return
	}
	status := r.opts.Hook.Deliver(c.Request.Context(), c.Param("bot"), c.Request.Header, body)
	write(c, cmp.Or(status, http.StatusInternalServerError), []byte("{}"))
}

// message leads from Zabbix's event menu to the message in Webex.
func (r *Receiver) message(c *gin.Context) {
	key := alert.Key{Source: c.Param("source"), EventID: c.Param("eventid")}
	c.Header("Cache-Control", "no-store") // the message may come yet
	c.Header("X-Content-Type-Options", "nosniff")
	if r.opts.Locator != nil && r.sources[key.Source] && isNumber(key.EventID) {
		if address, ok := r.opts.Locator.Locate(c.Request.Context(), key); ok && isLink(address) {
			redirect(c, address)
			return
		}
	}
	c.String(http.StatusNotFound, "No room has been told of this problem.\n")
}

// isNumber says whether a text can be an event id.
func isNumber(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != "" && len(text) <= 20
}

// isLink says whether a browser may be sent there.
func isLink(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "webexteams" || u.Scheme == "https" || u.Scheme == "http")
}
