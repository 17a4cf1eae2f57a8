// Package receiver is the relay's public side: events from Zabbix, messages of the notify API, Webex's webhooks, and the links that
// lead from Zabbix into Webex.
package receiver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

const (
	// MaxBody is the largest body of any request, in bytes.
	MaxBody = 1 << 20
	// MaxSkew is how far a signature's time may be from the relay's clock.
	MaxSkew = 5 * time.Minute
)

// Source is one Zabbix installation that may send events.
type Source struct {
	Name    string
	Secrets []string // any of them is accepted
}

// Sender is one client of the notify API.
type Sender struct {
	Name    string
	Tokens  []string // any of them is accepted
	Rooms   []string // where it may write
	Persons bool     // whether it may write to people

	MentionAll bool  // whether its markdown may mention everybody in a room
	MaxFile    int64 // bytes of a file; 0: it may send none
	PerMinute  int   // messages; 0 for no limit
}

// Intake accepts events.
type Intake interface {
	// Append returns once the entry is on disk. The error is store.ErrBusy if too many entries wait already.
	Append(ctx context.Context, e store.Entry) (id int64, err error)
	// Test returns the rooms that get the message of Zabbix's Test button, and a sentence for each unknown name in its "Send to".
	Test(source, sendTo string) (rooms, unknown []string)
	// Refused counts an event that was not accepted; source and kind (an alert.Kind) are "" if they are unknown.
	Refused(source, kind string)
}

// Notices stores the messages of the notify API.
type Notices interface {
	// AddNotice returns once the notice is on disk.
	AddNotice(ctx context.Context, n store.Notice) (id int64, err error)
	// BotOf returns the bot that serves a room; "" stands for a person.
	BotOf(room string) string
}

// Webhooks receives what Webex sends to /v1/webex/BOT.
type Webhooks interface {
	// Listens reports whether the bot expects webhooks: otherwise nothing of the request is read.
	Listens(bot string) bool
	// Deliver checks the signature of a raw body and returns the HTTP status of the answer.
	Deliver(ctx context.Context, bot string, header http.Header, body []byte) (status int)
}

// Links finds the message that shows a problem.
type Links interface {
	// Locate returns an address that opens the message, or "" if no link leads there, and whether any room has a message.
	Locate(ctx context.Context, key alert.Key) (address string, posted bool, err error)
}

// Options configure a Receiver.
type Options struct {
	Sources   []Source
	Senders   []Sender
	PublicURL string // of the links in Zabbix's event menu; "" for no links
	LinkKey   []byte // signs those links; without it they are valid for this process only

	Intake   Intake
	Notices  Notices
	Webhooks Webhooks
	Links    Links

	Heartbeats Heartbeats

	Label func(room string, s alert.Severity) string // begins a message of this severity

	Now     func() time.Time // time.Now by default
	Log     *slog.Logger     // nil for none
	Metrics *Metrics
	Limits  *Limits         // nil: its own
	Trace   *tracing.Tracer // nil while tracing is off
}

// Receiver answers requests. It has no state of its own: a new configuration is a new Receiver with the same Metrics and Limits.
type Receiver struct {
	opts    Options
	sources map[string]bool
	keys    keyring // of sources
	tokens  keyring // of senders
	senders map[string]Sender
	limits  *Limits
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
	if len(o.LinkKey) == 0 {
		o.LinkKey = []byte(rand.Text())
	}
	if o.Limits == nil {
		o.Limits = NewLimits(o.Log)
	}
	r := &Receiver{opts: o, sources: map[string]bool{}, senders: map[string]Sender{}, limits: o.Limits}
	for _, s := range o.Sources {
		r.sources[s.Name] = true
		for _, secret := range s.Secrets {
			r.keys.add(secret, s.Name)
		}
	}
	for _, s := range o.Senders {
		for _, token := range s.Tokens {
			r.tokens.add(token, s.Name)
		}
		r.senders[s.Name] = s
		o.Metrics.addSender(s.Name)
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
	e.RedirectTrailingSlash = false // a redirected POST loses its body
	_ = e.SetTrustedProxies(nil)    // forwarded addresses are not believed; nil never fails

	e.POST("/v1/zabbix/events", r.serve(endpointEvents, r.event))
	e.POST("/v1/notify", r.serve(endpointNotify, r.notify))
	e.POST("/v1/heartbeat/:name", r.serve(endpointHeartbeat, r.heartbeat))
	e.POST("/v1/webex/:bot", r.serve(endpointWebex, r.webhook))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Handle(method, "/m/:source/:eventid/:signature", r.serve(endpointMessage, r.message))
		e.Handle(method, "/", r.serve(endpointOther, func(c *gin.Context) {
			c.String(http.StatusOK, "alert-relay: this is the listener for Zabbix and Webex.\n")
		}))
	}
	e.NoRoute(r.serve(endpointOther, func(c *gin.Context) {
		refuse(http.StatusNotFound, "no such path", "events go to POST /v1/zabbix/events, messages to POST /v1/notify").answer(c)
	}))
	e.NoMethod(r.serve(endpointOther, func(c *gin.Context) {
		refuse(http.StatusMethodNotAllowed, "method "+c.Request.Method+" is not allowed here", "expected "+c.Writer.Header().Get("Allow")).answer(c)
	}))
	return e
}

// serve wraps a handler with metrics, the access log, and an answer if it panics.
func (r *Receiver) serve(endpoint string, handle gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler { //nolint:errorlint // compared by identity, as net/http does
					panic(cause)
				}
				r.opts.Metrics.panics.Inc()
				r.limits.refused.Log(slog.LevelError, "panic "+endpoint, "a request caused a panic: please report this", "endpoint", endpoint, "cause", cause, "stack", string(debug.Stack()))
				if !c.Writer.Written() {
					refuse(http.StatusInternalServerError, "internal error", "see the relay's log").answer(c)
				}
			}
			status := c.Writer.Status()
			if class := status/100 - 1; class >= 0 && class < len(statusClasses) {
				r.opts.Metrics.requests.WithLabelValues(endpoint, statusClasses[class]).Inc()
			}
			if r.opts.Log.Enabled(c.Request.Context(), levelAccess) {
				r.opts.Log.Log(c.Request.Context(), levelAccess, "request", "method", c.Request.Method, "path", c.Request.URL.Path,
					"status", status, "from", c.Request.RemoteAddr)
			}
		}()
		handle(c)
	}
}

// NewServer makes a server with limits on what a slow or greedy client can hold. The caller serves and shuts it down.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      answerTime,      // an append may wait for a slow disk
		IdleTimeout:       2 * time.Minute, // longer than the pauses of Zabbix and Prometheus
		MaxHeaderBytes:    16 << 10,
		ConnState:         connState,
	}
}
