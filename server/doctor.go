package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// Finding is what one check of Doctor has found.
type Finding struct {
	Check   string
	Text    string // how it is, if Err is nil
	Warning bool   // it is in order, but an operator should know
	Err     error
}

// Doctor checks whether a server with this configuration can do its work: whether it
// can read and decrypt its database, knows the time, has room on the disk, and can run a
// Sprite or reach the service that does. A server may be running.
func Doctor(ctx context.Context, c Config) ([]Finding, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	findings := append(checkStore(ctx, c), checkDisk(c))
	switch {
	case c.SpritesToken.Reveal() != "":
		findings = append(findings, Finding{Check: "isolation", Text: "that of the Sprites service"})
	case c.Unconfined():
		findings = append(findings, Finding{Check: "isolation", Warning: true, Text: "none: " + unconfined})
	default:
		findings = append(findings, Finding{Check: "isolation", Text: "namespaces of this machine's kernel"})
	}
	sprites := Finding{Check: "sprites"}
	backend, err := openSprites(ctx, c)
	if err != nil {
		sprites.Err = err
		return append(findings, sprites), nil
	}
	if backend.preflight == nil {
		return append(findings, checkService(ctx, backend)...), backend.close()
	}
	began := time.Now()
	sprites.Err = errors.Join(backend.client.TryOut(ctx, "preflight-doctor", func() {}), backend.close())
	sprites.Text = fmt.Sprintf("one ran a command on this machine, in %v", time.Since(began).Round(time.Millisecond))
	return append(findings, sprites, Finding{Check: "network", Text: backend.network}, Finding{Check: "limits", Text: backend.limits}), nil
}

// checkStore looks at the database and at what can be told from it alone.
func checkStore(ctx context.Context, c Config) []Finding {
	database := Finding{Check: "database"}
	st, err := OpenStore(ctx, c) // checks the keys
	if err != nil {
		database.Err = err
		return []Finding{database}
	}
	database.Err = errors.Join(st.Check(ctx), st.Verify(ctx))
	database.Text = fmt.Sprintf("it can be read and decrypted and is whole, in %s", c.DataDir)
	findings := []Finding{database, checkKeys(ctx, c, st), checkClock(ctx, st)}
	if err := st.Close(); err != nil {
		findings[0].Err = errors.Join(findings[0].Err, err)
	}
	return findings
}

func checkKeys(ctx context.Context, c Config, st *store.Store) Finding {
	found := Finding{Check: "keys"}
	keys, err := keysOf(ctx, st)
	if err != nil {
		found.Err = err
		return found
	}
	values, old := 0, 0
	var missing []string
	for _, k := range keys {
		values += k.Values
		if !k.Held {
			missing = append(missing, k.ID)
		} else if !k.Encrypts {
			old++
		}
	}
	where := "in " + filepath.Join(c.DataDir, keyName)
	if c.EncryptionKeys.Reveal() != "" {
		where = "in AOD_ENCRYPTION_KEY"
	}
	switch {
	case len(missing) > 0:
		found.Err = fmt.Errorf("values are encrypted with keys that are not %s: %s; put them there, after the first", where, strings.Join(missing, ", "))
	case cut(keys):
		found.Warning, found.Text = true, "a rotation was begun and not ended: aod key rotate"
	case old > 0:
		found.Warning, found.Text = true, fmt.Sprintf("all %d values are encrypted with the first key, and %d older keys are %s still: aod key drop", values, old, where)
	default:
		found.Text = fmt.Sprintf("one, %s, for %d values", where, values)
	}
	return found
}

// checkDisk compares what is free with what is kept free and with what a Sprite may take.
func checkDisk(c Config) Finding {
	found := Finding{Check: "disk"}
	found.Text, found.Warning, found.Err = c.room()
	return found
}
