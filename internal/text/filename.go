package text

import (
	"strings"
	"unicode/utf8"
)

// FileName makes a file name that is harmless on every system of a name or path that somebody gave: of a path, its last part.
func FileName(given string) string {
	name := Line(given)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(name, ". ")))
	const most = 100
	if extra := utf8.RuneCountInString(name) - most; extra > 0 { // the end says what it is
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || len(name)-dot > 10 {
			dot = len(name)
		}
		name = Cut(name[:dot], most-utf8.RuneCountInString(name[dot:])) + name[dot:]
	}
	if name == "" {
		return "file"
	}
	return name
}
