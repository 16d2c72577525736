package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// pastKept is how long the output and the exit code of a session that is over can be asked for.
	pastKept = 10 * time.Minute
	// pastCount is how many such sessions there are at most, and pastSize how much output they have together.
	pastCount = 64
	pastSize  = 256 << 20
)

// account is what the disk says of a session, at the beginning of its journal. It is there before the command runs, and says the exit code
// before any client hears it.
type account struct {
	Session
	// Exit is nil until the command is over.
	Exit *int `json:"exit,omitempty"`
	// Lost says how the session ended without an exit code.
	Lost string `json:"lost,omitempty"`
	// Ended is when it was over.
	Ended time.Time `json:"ended,omitzero"`
	// First and End are what the journal holds when it is over.
	First mark `json:"first"`
	End   mark `json:"end"`
}

func sessionsDir(dir string) string { return filepath.Join(dir, "sessions") }

func journalFile(dir, id string) string { return filepath.Join(sessionsDir(dir), id) }

// accountSize is the room for an account at the beginning of a journal, and argvShown how much of the command it can hold.
const (
	accountSize = 4 << 10
	argvShown   = 2 << 10
)

// encode makes an account, of a command as it is shown, that fits into its room.
func (a account) encode() ([]byte, error) {
	a.Dir, a.Lost = fit(a.Dir, accountSize/8), fit(a.Lost, accountSize/8)
	b, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode session: %w", err)
	}
	if len(b) > accountSize {
		return nil, fmt.Errorf("encode session: its account has %d bytes", len(b))
	}
	return append(b, bytes.Repeat([]byte(" "), accountSize-len(b))...), nil
}

// shown is as much of a command as is told about it.
func shown(argv []string) []string {
	room := argvShown
	for i, arg := range argv {
		if room -= jsonSize(arg); room < 0 {
			return append(slices.Clone(argv[:i]), "…")
		}
	}
	return argv
}

// fit cuts a text until its JSON has no more than so many bytes.
func fit(text string, most int) string {
	text = text[:min(len(text), most)]
	for jsonSize(text) > most {
		text = text[:len(text)*9/10]
	}
	return text
}

// jsonSize is how many bytes a text has as an element of a list.
func jsonSize(text string) int {
	b, _ := json.Marshal(text) // every text has one
	return len(b) + len(",")
}

// readAccount answers a Refusal when there is no such session.
func readAccount(dir, id string) (account, error) {
	var a account
	missing := &Refusal{NoSession, "session not found: " + id}
	if id == "" || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return a, missing
	}
	f, err := os.Open(journalFile(dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return a, missing
	}
	if err != nil {
		return a, fmt.Errorf("read session: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, accountSize)).Decode(&a); err != nil {
		return a, fmt.Errorf("decode session %s: %w", id, err)
	}
	return a, nil
}

// rewrite changes the account of a session that is over.
func (a account) rewrite(dir string) error {
	b, err := a.encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(journalFile(dir, a.ID), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Close())
}

// past are the sessions of a Sprite that are over, oldest first. The shim alone changes them.
type past struct {
	dir      string
	accounts []account
}

// openPast reads what earlier shims have left. What they did not see the end of is lost.
func openPast(dir, boot string, earlier state) (*past, error) {
	p := &past{dir: dir}
	if err := os.MkdirAll(sessionsDir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make sessions folder: %w", err)
	}
	entries, err := os.ReadDir(sessionsDir(dir))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	for _, e := range entries {
		a, err := readAccount(dir, e.Name())
		if err == nil && a.Exit == nil && a.Lost == "" {
			a.Lost, a.Ended = lostWith(earlier, boot), time.Now()
			err = a.rewrite(dir)
		}
		if err != nil { // torn when the machine went down
			fmt.Fprintf(os.Stderr, "session %s is forgotten: %v\n", e.Name(), err)
			_ = os.Remove(journalFile(dir, e.Name()))
			continue
		}
		p.accounts = append(p.accounts, a)
	}
	slices.SortFunc(p.accounts, func(a, b account) int { return a.Ended.Compare(b.Ended) })
	return p, nil
}

// lostWith says why the sessions of an earlier shim have no exit code.
func lostWith(earlier state, boot string) string {
	if earlier.Shim.Boot != "" && earlier.Shim.Boot != boot {
		return "this machine was restarted"
	}
	return "the process that served the sprite was ended"
}

// add takes a session in, and removes those that are too old or too many.
func (p *past) add(a account) {
	p.accounts = append(p.accounts, a)
	size, kept := int64(0), len(p.accounts)
	for i, old := range slices.Backward(p.accounts) {
		size += old.End.Offset - old.First.Offset
		if size > pastSize && i < len(p.accounts)-1 || len(p.accounts)-i > pastCount || time.Since(old.Ended) > pastKept {
			break
		}
		kept = i
	}
	for _, old := range p.accounts[:kept] {
		_ = os.Remove(journalFile(p.dir, old.ID)) // what cannot be removed now goes with the Sprite
	}
	p.accounts = slices.Delete(p.accounts, 0, kept)
}
