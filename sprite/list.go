package sprite

import (
	"context"
	"fmt"
	"time"
)

// Info is what the service says of a Sprite.
type Info struct {
	Name    string
	Status  string // in the service's words
	Created time.Time
}

// List returns the Sprites whose names begin with prefix, in the order of their names.
func (c *Client) List(ctx context.Context, prefix string) ([]Info, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, err := c.api.ListAllSprites(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list sprites: %w", err)
	}
	found := make([]Info, len(all))
	for i, s := range all {
		found[i] = Info{Name: s.Name(), Status: s.Status, Created: s.CreatedAt}
	}
	return found, nil
}
