package server

import "testing"

func TestRepositoriesAndMountPaths(t *testing.T) {
	t.Parallel()
	for u, want := range map[string]bool{
		"https://github.com/a/b": true, "https://github.com/a/b.git": true, "https://github.com/a-1/b_c.d": true,
		"http://github.com/a/b": false, "https://github.com/a/b/": false, "https://github.com/a/b/c": false, "https://u@github.com/a/b": false,
		"https://github.com/a/b\n": false, "https://github.com/a/é": false, "https://github.com/a/..": false, "https://github.com/a/.git": false, "https://github.com.evil/a/b": false,
	} {
		if got := repository(u); got != want {
			t.Errorf("%q: %v", u, got)
		}
	}
	for mount, want := range map[string]string{
		"/w": "", "/workspace/x y": "", "": "mount_path must be an absolute path", "w": "mount_path must be an absolute path",
		"/": "mount_path must not be the Sprite root", "/home/sprite/": "mount_path must not be the Sprite root", "/x/../home//sprite": "mount_path must not be the Sprite root",
		"/x/../y": "mount_path must not contain '..'",
	} {
		if got := mountProblem(mount); got != want {
			t.Errorf("%q: %q, want %q", mount, got, want)
		}
	}
}
