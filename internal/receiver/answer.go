package receiver

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/fault"
)

// refusal is the answer to a request that the receiver doesn't accept.
type refusal struct {
	status     int
	faults     fault.Faults // one, unless status is 400
	time       int64        // the relay's clock in Unix seconds, if the answer has it
	retryAfter time.Duration
	cause      error  // for the log only
	reason     string // a fixed word, by which log lines are limited
	hangUp     bool   // the rest of the request isn't read
}

// refuse makes a refusal with a fixed text.
func refuse(status int, what, hint string) *refusal {
	return &refusal{status: status, faults: fault.Faults{{What: what, Hint: hint}}, reason: what}
}

// invalid makes the refusal of a request with the given mistakes.
func invalid(faults fault.Faults) *refusal {
	return &refusal{status: http.StatusBadRequest, faults: faults, reason: "faults"}
}

// busy asks the sender to try again soon. Zabbix retries in any case.
func busy(text string) *refusal {
	r := refuse(http.StatusTooManyRequests, text, "try again")
	r.retryAfter = 2 * time.Second
	return r
}

// hangUp makes a refusal close the connection: otherwise the server would wait for a body that nobody reads.
func hangUp(r *refusal) *refusal {
	r.hangUp = true
	return r
}

// body is the JSON form: a 400 lists the faults, any other status has one error.
func (r *refusal) body() any {
	if r.status == http.StatusBadRequest {
		return struct {
			Faults fault.Faults `json:"faults"`
		}{r.faults}
	}
	return struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"`
		Time  int64  `json:"time,omitempty"`
	}{r.faults[0].What, r.faults[0].Hint, r.time}
}

func (r *refusal) answer(c *gin.Context) {
	if r.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(r.retryAfter/time.Second)))
	}
	if r.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	if r.hangUp {
		c.Header("Connection", "close")
	}
	c.JSON(r.status, r.body())
}

// logRefusal logs a refusal, at most one line per minute for each reason and owner: strangers can cause as many as they like.
func (r *Receiver) logRefusal(c *gin.Context, msg string, refused *refusal, owner string, ids ...any) {
	ids = append(ids, "status", refused.status, "from", c.Request.RemoteAddr,
		"reason", refused.faults[:min(len(refused.faults), 5)].Error())
	if refused.cause != nil {
		ids = append(ids, "error", refused.cause)
	}
	r.limits.refused.Warn(strings.Join([]string{msg, owner, refused.reason}, " "), msg, ids...)
}
