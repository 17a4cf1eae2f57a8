package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An object of ours is known by its name and by a mark: the end of its description, or of its name if it has no description.
const (
	markWords = "managed by alert-relay"
	nameMark  = " (managed)"
)

var markPattern = regexp.MustCompile(`\s*` + markWords + ` ([0-9a-f]{8})\s*$`)

// marked adds the mark to a description. It has a checksum of what is written, which shows later whether somebody edited the object.
func marked(description string, fields []field) string {
	mark := markWords + " " + checksum(fields)
	if description = strings.TrimSpace(description); description == "" {
		return mark
	}
	return description + "\n\n" + mark
}

// withoutChecksum is a description to compare: the checksum follows from the other fields.
func withoutChecksum(description string) string {
	return markPattern.ReplaceAllString(strings.ReplaceAll(description, "\r\n", "\n"), "\n\n"+markWords)
}

// readMark reports whether a description carries our mark, and whether the object was edited since it was written.
func readMark(description string, fields []field) (ours, edited bool) {
	m := markPattern.FindStringSubmatch(description)
	return m != nil, m != nil && m[1] != checksum(fields)
}

// checksum is over the fields in any order, without secrets and the description itself.
func checksum(fields []field) string {
	var lines []string
	for _, f := range fields {
		if !f.secret && f.property != "description" && f.property != secretProperty {
			lines = append(lines, fmt.Sprintf("%q %q %q", f.property, f.name, f.shown()))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:4])
}
