package local

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// defaultLinger is how long a program without a terminal goes on after its client has left.
const defaultLinger = 10 * time.Second

// command reads an exec's query.
func command(q url.Values) (shim.Command, error) {
	c := shim.Command{Argv: q["cmd"], Path: q.Get("path"), Env: q["env"], Dir: q.Get("dir"), Linger: defaultLinger}
	if len(c.Argv) == 0 {
		c.Argv = q["cmd[]"]
	}
	if len(c.Argv) == 0 {
		if c.Path == "" {
			c.Path = "bash"
		}
		c.Argv = []string{c.Path}
	}
	for _, text := range slices.Concat(c.Argv, c.Env, []string{c.Path, c.Dir}) {
		if !utf8.ValidString(text) { // it would not arrive as it was sent
			return c, badRequest("cmd, env, path and dir must be UTF-8")
		}
	}
	var err error
	if c.TTY, err = flag(q, "tty", false); err != nil {
		return c, err
	}
	if c.Stdin, err = flag(q, "stdin", c.TTY); err != nil {
		return c, err
	}
	if c.TTY {
		c.Linger = -1
		rows, err := number(q, "rows", 16)
		if err != nil {
			return c, err
		}
		cols, err := number(q, "cols", 16)
		if err != nil {
			return c, err
		}
		c.Rows, c.Cols = uint16(rows), uint16(cols)
	}
	if q.Has("max_run_after_disconnect") {
		if c.Linger, err = duration(q.Get("max_run_after_disconnect")); err != nil {
			return c, badRequest("max_run_after_disconnect must be a duration")
		}
		if c.Linger == 0 {
			c.Linger = -1 // for ever
		}
	}
	return c, nil
}

func flag(q url.Values, name string, missing bool) (bool, error) {
	if !q.Has(name) {
		return missing, nil
	}
	v, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, badRequest(name + " must be true or false")
	}
	return v, nil
}

// number reads a parameter of so many bits; 0 when it is missing.
func number(q url.Values, name string, bits int) (uint64, error) {
	if !q.Has(name) {
		return 0, nil
	}
	v, err := strconv.ParseUint(q.Get(name), 10, bits)
	if err != nil {
		return 0, badRequest(fmt.Sprintf("%s must be a number from 0 to %d", name, uint64(1)<<bits-1))
	}
	return v, nil
}

// duration accepts Go's notation and plain seconds.
func duration(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("a duration is not negative")
	}
	return d, err
}
