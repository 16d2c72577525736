// Package race tells the race detector what the Sprites SDK relies on and the
// detector cannot see. Without the detector it does nothing.
package race
