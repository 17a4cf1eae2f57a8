package store

import "time"

// Cause is what a room is to be shown for: an event, message or command, by the trace of its intake. Traces are kept only while
// tracing is on (package tracing).
type Cause struct {
	Trace string    `json:"t"`  // a W3C traceparent
	At    time.Time `json:"at"` // when the relay received it
}
