package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// LetterKind is the kind of a dead letter.
type LetterKind string

const (
	LetterPost   LetterKind = "post"
	LetterDigest LetterKind = "digest"
	LetterList   LetterKind = "list" // of a digest that was posted
	LetterNotice LetterKind = "notice"
)

// LetterKinds lists every kind.
var LetterKinds = [...]LetterKind{LetterPost, LetterDigest, LetterList, LetterNotice}

// DeadLetter is a post, a digest, a digest's list or a notice that Webex refused for good.
type DeadLetter struct {
	Kind       LetterKind
	Room       string
	Key        alert.Key // of a post
	Number     int64     // of the digest's group, or of the notice
	Reason     string
	TrackingID string
	At         time.Time
}

// ID is "post:main/4711@noc", "digest:3", "list:3" or "notice:12".
func (d DeadLetter) ID() string {
	if d.Kind == LetterPost {
		return string(d.Kind) + ":" + d.Key.String() + "@" + d.Room
	}
	return string(d.Kind) + ":" + strconv.FormatInt(d.Number, 10)
}

// ParseLetter returns the dead letter of an id, with the fields that the id names. ErrNotFound if the id is
// malformed.
func ParseLetter(id string) (DeadLetter, error) {
	kind, rest, _ := strings.Cut(id, ":")
	d := DeadLetter{Kind: LetterKind(kind)}
	switch d.Kind {
	case LetterPost:
		// A source's name has no slash and an event id no "@"; a room's name may have both.
		key, room, _ := strings.Cut(rest, "@")
		d.Key, d.Room = alert.ParseKey(key), room
	case LetterDigest, LetterList, LetterNotice:
		d.Number, _ = strconv.ParseInt(rest, 10, 64)
	}
	if d.Room == "" && d.Number <= 0 {
		return d, fmt.Errorf("dead letter %q: %w: expected an id such as post:main/4711@noc, digest:3, list:3 or notice:12", id, ErrNotFound)
	}
	return d, nil
}
