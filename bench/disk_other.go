//go:build !linux

package main

// inMemory isn't known here.
func inMemory(string) bool { return false }

// freeSpace isn't known here.
func freeSpace(string) float64 { return -1 }
