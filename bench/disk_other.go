//go:build !linux

package main

// inMemory is unknown on this system.
func inMemory(string) bool { return false }

// freeSpace is unknown on this system.
func freeSpace(string) float64 { return -1 }
