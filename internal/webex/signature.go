package webex

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// SignatureHeader is the header with the signature of a webhook request (developer documentation, "Webhooks").
const SignatureHeader = "X-Spark-Signature"

// Sign returns the signature of a webhook's raw body: HMAC-SHA1 with the webhook's secret, in lower-case hex.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// CheckSignature reports whether header is the signature of body, in constant time. With an empty secret it is always false.
func CheckSignature(secret string, body []byte, header string) bool {
	if secret == "" {
		return false
	}
	return hmac.Equal([]byte(Sign(secret, body)), []byte(strings.ToLower(strings.TrimSpace(header))))
}
