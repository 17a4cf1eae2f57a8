package receiver

import (
	"cmp"
	"net/http"

	"github.com/gin-gonic/gin"
)

// maxWebhook is the largest body of a webhook: Webex sends some hundred bytes.
const maxWebhook = 64 << 10

// webhook hands a webhook of Webex to the bot's listener.
func (r *Receiver) webhook(c *gin.Context) {
	bot := c.Param("bot")
	if !r.opts.Webhooks.Listens(bot) {
		hangUp(refuse(http.StatusNotFound, "no bot listens here", "")).answer(c)
		return
	}
	body, refused := r.limits.hooks.read(c, maxWebhook, "")
	if refused != nil {
		refused.answer(c)
		return
	}
	status := r.opts.Webhooks.Deliver(c.Request.Context(), bot, c.Request.Header, body)
	c.JSON(cmp.Or(status, http.StatusInternalServerError), struct{}{})
}
