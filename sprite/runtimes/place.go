package runtimes

import "strings"

// Place is where the commands of a Sprite find its files. Its zero value is an
// ordinary Sprite, whose commands find each file at the path that it is written to.
type Place struct{ home string }

// PlaceAt is the place of a Sprite whose commands say that their home is at home.
func PlaceAt(home string) Place { return Place{home} }

// Real is where commands find what has that path in an ordinary Sprite. A Sprite
// with another home has its workspace beside that.
func (p Place) Real(path string) string {
	if p.home == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, home); ok && (rest == "" || rest[0] == '/') {
		return p.home + rest
	}
	if root, ok := strings.CutSuffix(p.home, home); ok && (path == workspace || strings.HasPrefix(path, workspace+"/")) {
		return root + path
	}
	return path
}
