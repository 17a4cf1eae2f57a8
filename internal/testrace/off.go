//go:build !race

package testrace

// On reports whether the race detector is on.
const On = false
