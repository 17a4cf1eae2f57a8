package webex

import (
	"context"
	"net/http"
)

// The calls of Service, beside those of the REST API: what a websocket needs.
const (
	OpCatalog       = "GET catalog"
	OpDevices       = "GET devices"
	OpCreateDevice  = "POST devices"
	OpRefreshDevice = "PUT device"
	OpDeleteDevice  = "DELETE device"
	OpActivity      = "GET activity" // the REST id of a message or a press in another cluster
)

// serviceShapes are the forms of the answers.
var serviceShapes = map[string]shape{
	OpCatalog: shapeCatalog, OpDevices: shapeDevices, OpCreateDevice: shapeDevice, OpRefreshDevice: shapeDevice, OpDeleteDevice: shapeNothing,
	OpActivity: shapeResource,
}

// Service calls one of Webex's services outside the REST API. op is one of the constants above, and begins with the method; address is
// the whole URL: the token goes there, so the caller must trust its host. in and into are JSON; nil for none.
func (c *Client) Service(ctx context.Context, op, address string, in, into any) error {
	k := call{op: op, into: into}
	if in != nil {
		var err error
		if k, err = jsonCall(op, in, into); err != nil {
			return err
		}
	}
	k.url, k.want = address, serviceShapes[op]
	_, err := c.do(ctx, k)
	return err
}

// Bearer returns the bot's present token, for the frame that authorises a websocket.
func (c *Client) Bearer() string { return c.token.Current() }

// Handshake returns an HTTP client for the handshake of a websocket: with the transport of all calls, and without their timeout, which
// would end the connection.
func (c *Client) Handshake() *http.Client { return c.to.Load().http.Plain() }
