// Package templates holds the built-in templates of messages and cards. docs/templates.md describes them.
package templates

import "embed"

// Files are the templates by file name. A file of the same name in a configured directory overrides one.
//
//go:embed *.tmpl
var Files embed.FS
