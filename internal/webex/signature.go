package webex

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// SignatureHeader is the header in which a webhook's delivery carries its
// signature (developer documentation, "Webhooks").
const SignatureHeader = "X-Spark-Signature"

// Sign is the signature of a webhook's raw body: HMAC-SHA1 with the webhook's
// secret, in lower-case hex.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// CheckSignature says whether header is the signature of body, in constant
// time. An empty secret signs nothing: it is never right.
func CheckSignature(secret string, body []byte, header string) bool {
	if secret == "" {
		return false
	}
	return hmac.Equal([]byte(Sign(secret, body)), []byte(strings.ToLower(strings.TrimSpace(header))))
}
