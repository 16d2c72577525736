//go:build !linux

package main

// schema is 0: a client has no database.
func schema() int { return 0 }
