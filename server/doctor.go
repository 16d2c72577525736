package server

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Finding is what one check of Doctor has found.
type Finding struct {
	Check   string
	Text    string // how it is, if Err is nil
	Warning bool   // it is in order, but an operator should know
	Err     error
}

// Doctor checks whether a server with this configuration can do its work: whether it
// can read and decrypt its database, and run a Sprite. A server may be running.
func Doctor(ctx context.Context, c Config) ([]Finding, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	findings := []Finding{checkStore(ctx, c)}
	if c.SpritesToken.Reveal() != "" {
		return append(findings, Finding{Check: "sprites", Text: "they run in a service, which is not tried"}), nil
	}
	if c.Unconfined() {
		findings = append(findings, Finding{Check: "isolation", Warning: true, Text: "none: " + unconfined})
	}
	sprites := Finding{Check: "sprites"}
	backend, err := openSprites(ctx, c)
	if err != nil {
		sprites.Err = err
		return append(findings, sprites), nil
	}
	began := time.Now()
	sprites.Err = errors.Join(backend.client.TryOut(ctx, "preflight-doctor"), backend.close())
	sprites.Text = fmt.Sprintf("one ran a command on this machine, in %v", time.Since(began).Round(time.Millisecond))
	return append(findings, sprites, Finding{Check: "network", Text: backend.network}, Finding{Check: "limits", Text: backend.limits}), nil
}

func checkStore(ctx context.Context, c Config) Finding {
	found := Finding{Check: "database", Text: "it can be read and decrypted, in " + c.DataDir}
	st, err := OpenStore(ctx, c) // checks the keys
	if err != nil {
		found.Err = err
		return found
	}
	found.Err = errors.Join(st.Check(ctx), st.Close())
	return found
}
