package config

import (
	"log/slog"

	"nms-alert-relay/internal/text"
)

// ProxyURL is a proxy's address. It may hold a password, so it prints without: wherever it is formatted, marshalled or logged.
type ProxyURL string

// Reveal is the address itself, for the transport. Never log it, nor put it into an error.
func (u ProxyURL) Reveal() string { return string(u) }

// String hides user and password.
func (u ProxyURL) String() string { return text.RedactURL(string(u)) }

// GoString hides them from %#v.
func (u ProxyURL) GoString() string { return u.String() }

// LogValue hides them from slog.
func (u ProxyURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides them from JSON and YAML.
func (u ProxyURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
