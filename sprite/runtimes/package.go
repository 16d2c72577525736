package runtimes

import (
	"maps"
	"path"
)

// Package is the npm package that a runtime comes in, at the version that was
// tried.
type Package struct {
	Name    string
	Version string
	Binary  string // the runtime's program in PATH
	Needs   string // a program that has to be in PATH, too; none if empty

	platform string                       // package with the programs themselves, without the architecture
	programs map[string]map[string]string // in that package, by GOARCH and name
	script   string                       // the program in the package itself, where it has no others
}

// Programs is where `npm install --ignore-scripts --prefix DIR` leaves the programs
// that shall be in PATH, relative to DIR and by name. They need no script of the
// package. None where the package has none for the architecture (a GOARCH).
func (p Package) Programs(goarch string) map[string]string {
	if p.script != "" {
		return map[string]string{p.Binary: path.Join("node_modules", p.Name, p.script)}
	}
	folder := path.Join("node_modules", p.platform+"-"+map[string]string{"amd64": "x64", "arm64": "arm64"}[goarch])
	found := maps.Clone(p.programs[goarch])
	for name, program := range found {
		found[name] = path.Join(folder, program)
	}
	return found
}
