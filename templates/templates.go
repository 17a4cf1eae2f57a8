// Package templates holds the built-in message and card templates:
// docs/templates.md describes their language and their data.
package templates

import "embed"

// Files are the templates, by their file names. A file of the same name in a
// configured directory overrides one.
//
//go:embed *.tmpl
var Files embed.FS
