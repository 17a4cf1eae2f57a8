package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

// linkSize is the number of bytes of the HMAC in a link: few enough for a short link, too many to guess.
const linkSize = 12

// linkPath returns the path below the public URL that leads to a problem's message. Its last part is a signature: otherwise anybody who
// reaches the public listener could find out which problems exist, and in which space each was posted.
func (r *Receiver) linkPath(key alert.Key) string {
	return "/m/" + url.PathEscape(key.Source) + "/" + url.PathEscape(key.EventID) + "/" + r.linkSignature(key)
}

// Link returns the address for Zabbix's event menu, and for cards, whose buttons lead to web pages only; "" without a public URL.
func (r *Receiver) Link(key alert.Key) string {
	if r.opts.PublicURL == "" {
		return ""
	}
	return r.opts.PublicURL + r.linkPath(key)
}

func (r *Receiver) linkSignature(key alert.Key) string {
	mac := hmac.New(sha256.New, r.opts.LinkKey)
	fmt.Fprintf(mac, "%q %q", key.Source, key.EventID)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:linkSize])
}

// message redirects from Zabbix's event menu to the message in Webex.
func (r *Receiver) message(c *gin.Context) {
	key := alert.Key{Source: c.Param("source"), EventID: c.Param("eventid")}
	c.Header("Cache-Control", "no-store") // the message may still come
	c.Header("X-Content-Type-Options", "nosniff")
	signed := hmac.Equal([]byte(c.Param("signature")), []byte(r.linkSignature(key)))
	if signed && r.sources[key.Source] && zabbix.IsEventID(key.EventID) {
		address, posted, err := r.opts.Links.Locate(c.Request.Context(), key)
		switch {
		case err != nil:
			r.opts.Log.Error("cannot find a problem's message for the link in Zabbix's event menu", "problem", key, "error", err)
			c.String(http.StatusServiceUnavailable, "Cannot look up the message at the moment. Try again in a minute.\n")
			return
		case isLink(address):
			redirect(c, address)
			return
		case posted && address == "":
			c.String(http.StatusNotFound, "This problem was posted, but there is no link to the message: the room's id in the relay's configuration "+
				"can't be made into a link. Look for event %s in the room.\n", key.EventID)
			return
		}
	}
	c.String(http.StatusNotFound, "No message found: the problem was not posted, or this link is from another relay.\n")
}

// redirect sends a browser to an address, with a link for browsers that don't follow a redirect to an app.
func redirect(c *gin.Context, address string) {
	c.Header("Location", address)
	c.Data(http.StatusFound, "text/html; charset=utf-8", fmt.Appendf(nil,
		"<!doctype html><title>To Webex</title><p><a href=\"%s\">Open the message in Webex</a>\n", html.EscapeString(address)))
}

// isLink reports whether a browser may be sent to an address.
func isLink(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "webexteams" || u.Scheme == "https" || u.Scheme == "http")
}
