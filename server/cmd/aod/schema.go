//go:build linux

package main

import "github.com/agent-on-demand/aod/store"

// schema is the version of the databases that this binary works with.
func schema() int { return store.SchemaVersion() }
