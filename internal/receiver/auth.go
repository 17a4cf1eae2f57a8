package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed event. The media type's script sends them: their form is part of the public API.
const (
	HeaderTimestamp = "X-Relay-Timestamp"
	HeaderSignature = "X-Relay-Signature"
)

const signaturePrefix = "sha256="

// Sign returns the signature header for a body at a time (Unix seconds as text).
func Sign(secret, timestamp string, body []byte) string {
	return signaturePrefix + hex.EncodeToString(sign([]byte(secret), timestamp, body))
}

func sign(secret []byte, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// keyring is a set of secrets with their owners.
type keyring struct{ keys []*key }

// key is one secret; several owners may share it.
type key struct {
	secret []byte
	owners []string
}

// add adds a secret. An empty one is ignored: it would let everybody in.
func (k *keyring) add(secret, owner string) {
	if secret == "" {
		return
	}
	for _, known := range k.keys {
		if string(known.secret) == secret {
			known.owners = append(known.owners, owner)
			return
		}
	}
	k.keys = append(k.keys, &key{secret: []byte(secret), owners: []string{owner}})
}

// find returns the key for which is reports true. It tries every key, so that the time it takes reveals nothing.
func (k *keyring) find(is func(secret []byte) bool) (found *key) {
	for _, known := range k.keys {
		if is(known.secret) {
			found = known
		}
	}
	return found
}

// credentials are a request's proof of who sent it.
type credentials struct {
	key       *key   // of a bearer token
	timestamp string // of a signature
	signature []byte
}

const authHint = "sign with " + HeaderTimestamp + " and " + HeaderSignature + ", or send Authorization: Bearer SECRET"

// credentials reads a request's headers. Without plausible ones the body is not read.
func (k *keyring) credentials(h http.Header, now time.Time) (credentials, *refusal) {
	signature := h.Get(HeaderSignature)
	if signature == "" {
		key, refused := k.authorise(h, "no signature and no bearer token", authHint)
		return credentials{key: key}, refused
	}
	timestamp := h.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || timestamp[0] == '+' {
		return credentials{}, refuse(http.StatusUnauthorized, HeaderTimestamp+" is missing or not a number of seconds", "Unix time: Math.floor(Date.now() / 1000)")
	}
	if off := now.Unix() - seconds; off > int64(MaxSkew/time.Second) || off < -int64(MaxSkew/time.Second) {
		return credentials{}, skewed(off, now)
	}
	digits, ok := strings.CutPrefix(signature, signaturePrefix)
	want, err := hex.DecodeString(digits)
	if !ok || err != nil || len(want) != sha256.Size {
		return credentials{}, refuse(http.StatusUnauthorized, HeaderSignature+" is not sha256= and 64 hexadecimal digits", authHint)
	}
	return credentials{timestamp: timestamp, signature: want}, nil
}

func skewed(off int64, now time.Time) *refusal {
	direction := "behind"
	if off < 0 {
		direction, off = "ahead of", -off
	}
	r := refuse(http.StatusUnauthorized, fmt.Sprintf("the signature's time is %d s %s the relay's", off, direction),
		fmt.Sprintf("at most %d s: synchronise both clocks by NTP", int64(MaxSkew/time.Second)))
	r.time, r.reason = now.Unix(), "clock"
	return r
}

// bearer accepts a request of the notify API, which isn't signed.
func (k *keyring) bearer(h http.Header) (*key, *refusal) {
	key, refused := k.authorise(h, "no bearer token", "")
	if refused != nil {
		refused.faults[0].Hint = "send Authorization: Bearer TOKEN"
	}
	return key, refused
}

// authorise accepts a bearer token. missing and hint are what is said without one.
func (k *keyring) authorise(h http.Header, missing, hint string) (*key, *refusal) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, refuse(http.StatusUnauthorized, missing, hint)
	}
	got := sha256.Sum256([]byte(token)) // the same length for any token
	key := k.find(func(secret []byte) bool {
		want := sha256.Sum256(secret)
		return hmac.Equal(got[:], want[:])
	})
	if key == nil {
		return nil, refuse(http.StatusUnauthorized, "wrong bearer token", "")
	}
	return key, nil
}

// check returns the key of a request whose body has been read.
func (k *keyring) check(c credentials, body []byte) (*key, *refusal) {
	if c.key != nil {
		return c.key, nil
	}
	key := k.find(func(secret []byte) bool { return hmac.Equal(sign(secret, c.timestamp, body), c.signature) })
	if key == nil {
		return nil, refuse(http.StatusUnauthorized, "wrong signature", "the secret differs, or something changed the body on its way")
	}
	return key, nil
}
