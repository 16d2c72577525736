package runtimes

import "path"

// Package is the npm package that a runtime comes in, at the version that was
// tried.
type Package struct {
	Name    string
	Version string
	Binary  string // the program's name in PATH

	platform string // package with the program itself, without the architecture
}

// Executable is where `npm install --ignore-scripts --prefix DIR` leaves the
// program, relative to DIR. It needs neither node nor a script of the package.
// Empty where the package has none for the architecture (a GOARCH).
func (p Package) Executable(goarch string) string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[goarch]
	if arch == "" {
		return ""
	}
	return path.Join("node_modules", p.platform+"-"+arch, p.Binary)
}
