package shim

import "path/filepath"

func dotSprite(dir string) string { return filepath.Join(dir, "sprite") }
