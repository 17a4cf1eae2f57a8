// Package testdata holds what real Zabbixes sent and answered, recorded from
// 6.0.14 and 7.0.22, for the tests and for the simulators.
package testdata

import "embed"

// Fixtures is the recordings, below "fixtures".
//
//go:embed fixtures
var Fixtures embed.FS
