package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	bodyLimit   = 4 << 20  // bytes, as the server's
	secretLimit = 64 << 10 // bytes of a secret
)

// readPrompt is the prompt: the argument, or standard input where there is none or "-".
func readPrompt(args []string, stdin io.Reader) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if len(args) == 0 && terminal(stdin) {
		return "", errors.New(`say what to do, as in: "Say hello.", or - to read it from standard input`)
	}
	text, err := readAll(stdin, bodyLimit)
	if err != nil {
		return "", fmt.Errorf("read the prompt: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return "", errors.New("the prompt on standard input is empty")
	}
	return string(text), nil
}

// readAll reads everything unless it is more than that many bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d KiB", limit>>10)
	}
	return text, err
}

// variables are those that flags name. A value never stands on the command line, where
// other users of the machine see it: NAME takes it from our own environment, NAME=@FILE
// from a file.
func variables(flag string, named []string) (map[string]string, error) {
	values := map[string]string{}
	for _, text := range named {
		name, source, given := strings.Cut(text, "=")
		path, file := strings.CutPrefix(source, "@")
		switch {
		case name == "" || given && !file:
			return nil, fmt.Errorf("%s: give it as NAME, which takes the value of the variable NAME, or as NAME=@FILE; a value on the command line is seen by others", flag)
		case given:
			text, err := readFile(path, secretLimit)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", flag, name, err)
			}
			values[name] = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		default:
			value, set := os.LookupEnv(name)
			if !set {
				return nil, fmt.Errorf("%s: there is no variable %s in the environment", flag, name)
			}
			values[name] = value
		}
	}
	return values, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}
