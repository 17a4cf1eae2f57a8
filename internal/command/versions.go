package command

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
)

// A message that is edited is heard again as long as none of its versions led to anything:
// people mend a misspelt command in place. Each version is a command of its own, so that
// what was claimed once is never done twice.

// eventUpdated is the event of an edited message.
const eventUpdated = "updated"

// MaxVersions bounds the versions of one message: the first, and one for each edit that Webex
// allows, with room for deliveries that are repeated.
const MaxVersions = 16

// versionMark stands between a message's id and the number of its version. Ids never hold it.
const versionMark = "/edit/"

// VersionID is the id of the command that a version of a message asks for. Version 0 is the
// message as it was first heard.
func VersionID(messageID string, version int) string {
	if version == 0 {
		return messageID
	}
	return messageID + versionMark + strconv.Itoa(version)
}

// messageOf is the id of the message that a command was said in.
func messageOf(commandID string) string {
	id, _, _ := strings.Cut(commandID, versionMark)
	return id
}

// CountsAgain says whether an edit of the message in which this command was said is worth
// hearing: nothing came of it. It wasn't read yet or couldn't be, was ignored, or was answered
// with a question. What was carried out, begun, or refused for want of a role stays as it is.
func CountsAgain(c store.Command) bool {
	switch c.State {
	case store.CommandReceived:
		return true
	case store.CommandDone:
		return strings.HasPrefix(c.Outcome, ignoredPrefix)
	case store.CommandFailed, store.CommandExpired:
		d, err := decodeDetail(c.Detail)
		return err == nil && d.Request == nil
	}
	return false
}

// versionBefore is the command that the version before asked for; nil for a first version. While
// an earlier one is still being read, this one waits; where something came of one, this one is
// ignored.
func (e *Executor) versionBefore(ctx context.Context, c store.Command) (before *store.Command, err error) {
	id, number, _ := strings.Cut(c.ID, versionMark)
	last, _ := strconv.Atoi(number) // 0 for a first version
	for version := range last {
		earlier, err := e.o.Store.Command(ctx, VersionID(id, version))
		switch {
		case err != nil:
			return nil, err
		case earlier.State == store.CommandReceived:
			return nil, &Later{After: time.Second, Err: errors.New("an earlier version of the message isn't read yet")}
		case !CountsAgain(earlier):
			return nil, &Ignored{Reason: reasonEdited, Detail: "an earlier version of the message was carried out"}
		}
		before = &earlier
	}
	return before, nil
}

// reasonEdited says why an edit is ignored.
const reasonEdited = "edited"
