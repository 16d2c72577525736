//go:build linux

package main

import "testing"

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"512MiB": 512 << 20, "4GiB": 4 << 30, "2G": 2 << 30, "1.5g": 3 << 29, "100 MB": 100 << 20, "1048576": 1 << 20, "7B": 7, "1TiB": 1 << 40, "3k": 3 << 10,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "0", "x", "1e9", "1PiB", "G", "1.G", "99999999999999999999T", "1MiBB", "NaN"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for n, want := range map[int64]string{-1: "-", 0: "0 B", 1 << 20: "1.0 MiB", 21797000000: "20.3 GiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}
