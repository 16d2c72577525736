//go:build linux

package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// sizeForm is a number and, if need be, a unit. A kilobyte has 1024 bytes here, however it is written.
var sizeForm = regexp.MustCompile(`^(\d+(?:\.\d+)?) *(?:([KMGT])(?:iB|B|i)?|B)?$`)

const units = "KMGT"

// parseSize reads 512MiB, 4GiB, 2G, 1.5g or plain bytes.
func parseSize(text string) (int64, error) {
	m := sizeForm.FindStringSubmatch(strings.NewReplacer("k", "K", "m", "M", "g", "G", "t", "T", "b", "B", "I", "i").Replace(text))
	if m == nil {
		return 0, fmt.Errorf("it is not a size as in 512MiB or 4GiB: %s", text)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		n *= math.Pow(1024, float64(strings.Index(units, m[2])+1))
	}
	if err != nil || n < 1 || n >= math.MaxInt64 {
		return 0, fmt.Errorf("it is too small or too big: %s", text)
	}
	return int64(n), nil
}

// sizeText writes a size for people; what is not known is a dash.
func sizeText(bytes int64) string {
	if bytes < 0 {
		return "-"
	}
	size, unit := float64(bytes), -1
	for size >= 1023.95 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}

// smallest is the least that a Sprite can work with.
const smallest = 32 << 20

// size reads a setting that is a number of bytes; 0 if it is not given.
func (e *environment) size(name string) int64 {
	text := e.get(name)
	if text == "" {
		return 0
	}
	n, err := parseSize(text)
	switch {
	case err != nil:
		e.fail(name, err.Error())
	case n < smallest:
		e.fail(name, "it is less than 32MiB: "+text)
	}
	return n
}

// decimal reads a variable that holds a positive number; 0 if it is not set.
func (e *environment) decimal(name string) float64 {
	text := e.get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0.01 && n <= 4096) {
		e.fail(name, "it is not a number from 0.01 to 4096: "+text)
	}
	return n
}
