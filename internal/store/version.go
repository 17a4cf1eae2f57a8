package store

import (
	"strconv"
	"strings"
)

// An edited message is claimed again as another version. Each version is a command of its own, so that a claimed
// command is never executed twice.

// versionMark separates a message's id from the number of its version. Webex ids never contain it.
const versionMark = "/edit/"

// VersionID is the command id of a version of a message. Version 0 is the message as it was first
// delivered.
func VersionID(messageID string, version int) string {
	if version == 0 {
		return messageID
	}
	return messageID + versionMark + strconv.Itoa(version)
}

// Version splits a command id into the message's id and the number of its version.
func (c Command) Version() (messageID string, version int) {
	messageID, number, _ := strings.Cut(c.ID, versionMark)
	version, _ = strconv.Atoi(number) // 0 for the first one
	return messageID, version
}

// Thread is the message whose thread a command is in: a message outside of threads starts its own.
func (c Command) Thread() string {
	if c.ParentID != "" {
		return c.ParentID
	}
	messageID, _ := c.Version()
	return messageID
}
