package server

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"

	"github.com/agent-on-demand/aod/store"
)

// Key is one that a data directory's values are encrypted with, or were.
type Key struct {
	ID       string `json:"id"`
	Encrypts bool   `json:"encrypts"` // what is written now
	Held     bool   `json:"held"`     // it is among the keys that there are
	Values   int    `json:"values"`   // that are encrypted with it
}

// Rotation is what RotateKeys has done.
type Rotation struct {
	Key    string `json:"key"`    // the id of the one that encrypts
	Made   bool   `json:"made"`   // it is new
	Values int    `json:"values"` // were encrypted anew
}

// Keys returns the keys that there are, that which encrypts first, and those that are
// needed and missing. A server may be running.
func Keys(ctx context.Context, c Config) (keys []Key, err error) {
	err = withStore(ctx, c, func(st *store.Store) error {
		keys, err = keysOf(ctx, st)
		return err
	})
	return keys, err
}

func keysOf(ctx context.Context, st *store.Store) (keys []Key, err error) {
	use, err := st.KeyUse(ctx)
	if err != nil {
		return nil, err
	}
	for i, id := range st.Keys() {
		keys = append(keys, Key{ID: id, Encrypts: i == 0, Held: true, Values: use[id]})
		delete(use, id)
	}
	for _, id := range slices.Sorted(maps.Keys(use)) {
		keys = append(keys, Key{ID: id, Values: use[id]})
	}
	return keys, nil
}

// RotateKeys makes a key that encrypts from now on, and encrypts with it whatever was
// encrypted with another one. It may be cut at any moment; the next call goes on with the
// key that the last one has made. A server may be running, unless the keys are given by
// the configuration: then nothing is made, and the first of them is the one.
func RotateKeys(ctx context.Context, c Config) (done Rotation, err error) {
	if err := c.complete(); err != nil {
		return done, err
	}
	if c.EncryptionKeys.Reveal() != "" {
		unlock, err := lockFile(filepath.Join(c.DataDir, "lock"), "a server is using "+c.DataDir+" with keys that this command cannot change: stop it, then rotate, then start it with the same AOD_ENCRYPTION_KEY as here")
		if err != nil {
			return done, err
		}
		defer unlock()
	}
	unlock, err := c.lockKeys()
	if err != nil {
		return done, err
	}
	defer unlock()
	err = withStore(ctx, c, func(st *store.Store) error {
		if c.EncryptionKeys.Reveal() == "" {
			keys, err := keysOf(ctx, st)
			if err != nil {
				return err
			}
			if !cut(keys) {
				if err := st.AddKey(); err != nil {
					return err
				}
				done.Made = true
			}
		}
		done.Key = st.Keys()[0]
		done.Values, err = st.Reseal(ctx)
		return err
	})
	return done, err
}

// cut reports whether a rotation has been begun and not ended: values are encrypted with
// another key than the first.
func cut(keys []Key) bool {
	for _, k := range keys {
		if !k.Encrypts && k.Values > 0 {
			return true
		}
	}
	return false
}

// DropKeys forgets every key but the one that encrypts, if nothing needs them, and returns
// their ids. A server may be running.
func DropKeys(ctx context.Context, c Config) (dropped []string, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if c.EncryptionKeys.Reveal() != "" {
		return nil, errors.New("the keys are those of AOD_ENCRYPTION_KEY: take out of it what aod key list shows without values, and start the server anew")
	}
	unlock, err := c.lockKeys()
	if err != nil {
		return nil, err
	}
	defer unlock()
	err = withStore(ctx, c, func(st *store.Store) error {
		dropped, err = st.DropKeys(ctx)
		return err
	})
	return dropped, err
}

func withStore(ctx context.Context, c Config, do func(*store.Store) error) error {
	st, err := OpenStore(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}
