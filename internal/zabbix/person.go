package zabbix

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/httpclient"
)

// As returns a client that calls with a person's own API token, in every other way like c. It logs nothing and is cheap: make one for
// each use.
func (c *Client) As(token string) *Client {
	c.mu.Lock()
	version, body := c.version, c.body
	c.mu.Unlock()
	o := c.to.Load().opts
	p := &Client{
		opts:    Options{Log: slog.New(slog.DiscardHandler), Observe: c.opts.Observe, HeaderStripped: func(bool) {}, Version: c.opts.Version},
		version: version, body: body,
		token: httpclient.NewToken("a person's API token", token, "", nil, slog.New(slog.DiscardHandler)),
	}
	p.connect(o)
	return p
}

// apiToken matches an API token.
var apiToken = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// IsAPIToken reports whether a text has the form of an API token.
func IsAPIToken(text string) bool { return apiToken.MatchString(text) }

// TokenOwner is the Zabbix user of an API token.
type TokenOwner struct {
	Username string
	FullName string    // "" if the user has none
	Expires  time.Time // zero for never, or if Zabbix doesn't say
}

// owner is a user as Zabbix describes them.
type owner struct {
	Username text `json:"username"`
	Name     text `json:"name"`
	Surname  text `json:"surname"`
}

// CheckToken returns whose token it is. An error of kind NotAuthorised means that Zabbix refuses the token.
func (c *Client) CheckToken(ctx context.Context, token string) (TokenOwner, error) {
	v, _, err := c.current(ctx)
	if err != nil {
		return TokenOwner{}, err
	}
	me := c.As(token)
	var own []struct {
		UserID  text `json:"userid"`
		Expires text `json:"expires_at"`
	}
	notKnown := me.Call(ctx, "token.get", map[string]any{"output": []string{"userid", "expires_at"}, "token": token}, &own)
	var who owner
	switch {
	case v.ChecksToken:
		if err := asError(me.observed(ctx, "", false, "user.checkAuthentication", map[string]any{"token": token}, &who)); err != nil {
			return TokenOwner{}, err
		}
	case notKnown != nil:
		return TokenOwner{}, notKnown
	case len(own) == 1:
		var users []owner
		err := me.Call(ctx, "user.get", map[string]any{"output": []string{"username", "name", "surname"}, "userids": []string{string(own[0].UserID)}}, &users)
		if err != nil {
			return TokenOwner{}, err
		}
		if len(users) == 1 {
			who = users[0]
		}
	}
	if who.Username == "" {
		return TokenOwner{}, &Error{Method: "token.get", Kind: NotAuthorised, Message: "Zabbix doesn't know this API token."}
	}
	o := TokenOwner{Username: string(who.Username), FullName: strings.TrimSpace(string(who.Name) + " " + string(who.Surname))}
	if len(own) == 1 {
		if at, err := strconv.ParseInt(string(own[0].Expires), 10, 64); err == nil && at > 0 {
			o.Expires = time.Unix(at, 0).UTC()
		}
	}
	return o, nil
}
