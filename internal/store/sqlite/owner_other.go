//go:build !unix

package sqlite

func ownAs(string, string) error { return nil }
