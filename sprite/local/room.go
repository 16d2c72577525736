package local

import (
	"errors"
	"fmt"

	"github.com/agent-on-demand/aod/sprite/local/disk"
)

// Room says how much of the disk the Sprites in a folder may still take, whether that is
// less than a single one is allowed, which is limit, and as an error that it is nothing.
func Room(dir string, limit int64) (text string, tight bool, err error) {
	space, err := disk.SpaceOf(dir)
	if err != nil {
		return "", false, err
	}
	if short := space.Short(0); short != "" {
		return "", false, errors.New(short + ": remove something, or choose another --data-dir")
	}
	text = fmt.Sprintf("%s are free in %s, of which Sprites leave %s", disk.Text(space.Free), dir, disk.Text(space.Reserve()))
	if left := space.Free - space.Reserve(); limit > left {
		return fmt.Sprintf("%s; that is less than the %s that one Sprite may take (AOD_SPRITE_DISK)", text, disk.Text(limit)), true, nil
	}
	return text, false, nil
}
