package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

// record is what a Sprite's folder says about it. A Sprite exists from the moment when its record does.
type record struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Labels  []string  `json:"labels"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
	// Policy is what the Sprite may reach of the network.
	Policy egress.Policy `json:"policy"`
	// Isolation is what the Sprite's files are laid out for.
	Isolation Isolation `json:"isolation,omitempty"`
	// Ground is what the machine was when the Sprite was made.
	Ground string `json:"ground,omitempty"`
	// Snapshot names the folder of the snapshot that the Sprite is layered over, which stays as long as the Sprite.
	Snapshot string `json:"snapshot,omitempty"`
	// Base is the first of the Sprite's host ids; 0 where the host is an ordinary user.
	Base int `json:"base,omitempty"`
}

var validName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

func (h *Host) dir(name string) string { return filepath.Join(h.opts.Dir, name) }

const recordFile = "sprite.json"

// load reads a Sprite's record; errNoSprite when there is none.
func (h *Host) load(name string) (record, error) {
	var r record
	if !validName.MatchString(name) {
		return r, errNoSprite
	}
	b, err := os.ReadFile(filepath.Join(h.dir(name), recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, errNoSprite
	}
	if err != nil {
		return r, fmt.Errorf("read sprite: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("decode sprite %s: %w", name, err)
	}
	if r.Isolation == "" { // it is older than the choice
		r.Isolation = Namespaces
	}
	return r, nil
}

// save writes a record, whole or not at all.
func (h *Host) save(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode sprite: %w", err)
	}
	path := filepath.Join(h.dir(r.Name), recordFile)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write sprite: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write sprite: %w", err)
	}
	return nil
}

// all reads every record, in the order of the names.
func (h *Host) all() ([]record, error) {
	entries, err := os.ReadDir(h.opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("list sprites: %w", err)
	}
	var out []record
	for _, e := range entries {
		r, err := h.load(e.Name())
		if errors.Is(err, errNoSprite) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
