package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Headers of a signed event: section 16 of the design.
const (
	HeaderTimestamp = "X-Relay-Timestamp"
	HeaderSignature = "X-Relay-Signature"
)

const signaturePrefix = "sha256="

// Sign is the signature header's value for a body at a time (Unix seconds as
// text): what the media type's script does.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return signaturePrefix + hex.EncodeToString(mac.Sum(nil))
}

// keyring holds secrets and whose they are.
type keyring struct{ keys []*key }

// key is one secret; several owners may share it.
type key struct {
	owners []string
	digest [sha256.Size]byte // of the secret: what is compared has one length
	macs   sync.Pool         // of *signer, whose key schedule is done
}

type signer struct {
	mac     hash.Hash
	sum     [sha256.Size]byte
	stamped []byte // the timestamp and a dot
}

// add puts a secret on the ring. An empty one would let everybody in.
func (k *keyring) add(secret, owner string) {
	if secret == "" {
		return
	}
	digest := sha256.Sum256([]byte(secret))
	for _, known := range k.keys {
		if known.digest == digest {
			known.owners = append(known.owners, owner)
			return
		}
	}
	k.keys = append(k.keys, &key{owners: []string{owner}, digest: digest, macs: sync.Pool{New: func() any {
		return &signer{mac: hmac.New(sha256.New, []byte(secret))}
	}}})
}

// bearer finds the key that a token is. Every key is looked at, in constant
// time.
func (k *keyring) bearer(token string) (found *key) {
	digest := sha256.Sum256([]byte(token))
	for _, known := range k.keys {
		if subtle.ConstantTimeCompare(digest[:], known.digest[:]) == 1 {
			found = known
		}
	}
	return found
}

// signature finds the key that signed a body. Every key is tried, in constant
// time.
func (k *keyring) signature(timestamp string, body []byte, want *[sha256.Size]byte) (found *key) {
	for _, known := range k.keys {
		s := known.macs.Get().(*signer)
		s.stamped = append(append(s.stamped[:0], timestamp...), '.')
		s.mac.Reset()
		s.mac.Write(s.stamped)
		s.mac.Write(body)
		if subtle.ConstantTimeCompare(s.mac.Sum(s.sum[:0]), want[:]) == 1 {
			found = known
		}
		known.macs.Put(s)
	}
	return found
}

// credentials are what a request shows for itself.
type credentials struct {
	key       *key   // of a bearer token
	timestamp string // of a signature
	want      [sha256.Size]byte
}

const authHint = "sign with " + HeaderTimestamp + " and " + HeaderSignature + ", or send Authorization: Bearer SECRET"

// credentials reads a request's headers: whoever shows nothing good there isn't
// listened to any further.
func (k *keyring) credentials(h http.Header, now time.Time) (credentials, *refusal) {
	signature := h.Get(HeaderSignature)
	if signature == "" {
		key, refused := k.authorise(h)
		return credentials{key: key}, refused
	}
	timestamp := h.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || timestamp[0] == '+' {
		return credentials{}, refuse(http.StatusUnauthorized, HeaderTimestamp+" is missing or no number of seconds", "Unix time: Math.floor(Date.now() / 1000)")
	}
	if off := now.Unix() - seconds; off > int64(MaxSkew/time.Second) || off < -int64(MaxSkew/time.Second) {
		return credentials{}, skewed(off, now)
	}
	c := credentials{timestamp: timestamp}
	text, ok := strings.CutPrefix(signature, signaturePrefix)
	if n, err := hex.Decode(c.want[:], firstBytes(text, 2*sha256.Size)); !ok || err != nil || n != sha256.Size || len(text) != 2*sha256.Size {
		return credentials{}, refuse(http.StatusUnauthorized, HeaderSignature+" isn't sha256= and 64 hexadecimal digits", authHint)
	}
	return c, nil
}

// firstBytes is at most n bytes of a text, for a buffer of a fixed size.
func firstBytes(text string, n int) []byte { return []byte(text[:min(len(text), n)]) }

func skewed(off int64, now time.Time) *refusal {
	direction := "behind"
	if off < 0 {
		direction, off = "ahead of", -off
	}
	r := refuse(http.StatusUnauthorized, fmt.Sprintf("the signature's time is %d s %s the relay's", off, direction),
		fmt.Sprintf("at most %d s: set both clocks by NTP", int64(MaxSkew/time.Second)))
	r.time, r.reason = now.Unix(), "clock"
	return r
}

// authorise takes a bearer token.
func (k *keyring) authorise(h http.Header) (*key, *refusal) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, refuse(http.StatusUnauthorized, "there is no signature and no bearer token", authHint)
	}
	if key := k.bearer(token); key != nil {
		return key, nil
	}
	return nil, refuse(http.StatusUnauthorized, "the bearer token is wrong", "")
}

// check gives the key of a request whose body has come.
func (k *keyring) check(c *credentials, body []byte) (*key, *refusal) {
	if c.key != nil {
		return c.key, nil
	}
	if key := k.signature(c.timestamp, body, &c.want); key != nil {
		return key, nil
	}
	return nil, refuse(http.StatusUnauthorized, "the signature is wrong", "the secret differs, or the body was changed on its way")
}
