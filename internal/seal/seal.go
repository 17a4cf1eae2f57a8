// Package seal encrypts small secrets that are kept in the database, with AES-256-GCM. A sealed value names its key, so that keys can
// be rotated, and is bound to the row that it belongs to, so that it can't be moved to another one.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// version begins every sealed value: "v1:KEYID:NONCE:CIPHERTEXT".
const version = "v1"

// keySize is the size of an AES-256 key, in bytes.
const keySize = 32

// ErrUnreadable means that no key opens a sealed value: its key is missing, or the value is damaged or belongs to another row.
var ErrUnreadable = errors.New("no key opens the sealed value")

// Key is one encryption key.
type Key struct {
	// ID identifies the key without revealing it.
	ID   string
	aead cipher.AEAD
}

// String hides the key from every format but its id.
func (k Key) String() string { return "key " + k.ID }

// GoString hides the key from %#v.
func (k Key) GoString() string { return k.String() }

// ParseKey reads a key of 32 bytes as base64 or hexadecimal text. Its errors don't contain the text.
func ParseKey(text string) (Key, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if len(text) == hex.EncodedLen(keySize) {
		raw, err = hex.DecodeString(text)
	}
	if err != nil || len(raw) != keySize {
		return Key{}, fmt.Errorf("isn't a key of %d bytes, as base64 or hexadecimal text", keySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Key{}, err
	}
	id := sha256.Sum256(append([]byte("alert-relay key id\x00"), raw...))
	return Key{ID: hex.EncodeToString(id[:4]), aead: aead}, nil
}

// Keys are the keys of an installation: the first one seals, all of them open. Without a key nothing can be sealed.
type Keys []Key

// Seal encrypts a value for the row that place names.
func (k Keys) Seal(plain, place string) (string, error) {
	if len(k) == 0 {
		return "", errors.New("no encryption key is configured")
	}
	nonce := make([]byte, k[0].aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	sealed := k[0].aead.Seal(nil, nonce, []byte(plain), []byte(place))
	return strings.Join([]string{version, k[0].ID, base64.RawStdEncoding.EncodeToString(nonce), base64.RawStdEncoding.EncodeToString(sealed)}, ":"), nil
}

// Open decrypts a value of the row that place names. Its error is ErrUnreadable.
func (k Keys) Open(sealed, place string) (string, error) {
	parts := strings.Split(sealed, ":")
	if len(parts) != 4 || parts[0] != version {
		return "", ErrUnreadable
	}
	nonce, err := base64.RawStdEncoding.DecodeString(parts[2])
	text, err2 := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || err2 != nil {
		return "", ErrUnreadable
	}
	for _, key := range k {
		if key.ID != parts[1] || len(nonce) != key.aead.NonceSize() {
			continue
		}
		if plain, err := key.aead.Open(nil, nonce, text, []byte(place)); err == nil {
			return string(plain), nil
		}
	}
	return "", ErrUnreadable
}

// Current reports whether a value is sealed with the key that seals now.
func (k Keys) Current(sealed string) bool {
	return len(k) > 0 && strings.HasPrefix(sealed, version+":"+k[0].ID+":")
}

// Place names a row: its table and its key.
func Place(table string, key ...string) string {
	return strings.Join(append([]string{table}, key...), "|")
}

// KeyID returns the id of the key with which a value was sealed; "" if it isn't sealed.
func KeyID(sealed string) string {
	parts := strings.Split(sealed, ":")
	if len(parts) != 4 || parts[0] != version {
		return ""
	}
	return parts[1]
}
