package step

import "time"

// Room is how a room wants to see a problem.
type Room struct {
	Name     string
	Line     bool          // one line, edited, without card and thread
	AsCard   bool          // the card is the root
	Debounce time.Duration // changes this close together share an edit
	CardWait time.Duration // how long a first card waits for the API's answer about the problem
}
