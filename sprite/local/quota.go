package local

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/disk"
	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// defaultDisk is how many bytes a Sprite's folder may have.
const defaultDisk = 20 << 30

func diskFull(text string) error {
	return &apiError{http.StatusInsufficientStorage, shim.DiskFull, text}
}

// quota knows what all Sprites of a host use, and what each of them may add by the file API.
type quota struct {
	mu    sync.Mutex
	sum   int64
	known time.Time
}

// sumAge is how old the sum over all Sprites may be where it is needed often.
const sumAge = time.Second

// room refuses what would take n more bytes from the disk that all Sprites share. Snapshots go first.
func (h *Host) room(n int64) error {
	for {
		err := h.tight(n)
		var full *apiError
		if !errors.As(err, &full) || !h.evict() {
			return err
		}
	}
}

// tight is room with the snapshots that there are.
func (h *Host) tight(n int64) error {
	space, err := disk.SpaceOf(h.opts.Dir)
	if err != nil {
		return err
	}
	if short := space.Short(n); short != "" {
		return diskFull(short)
	}
	if h.opts.AllDisk <= 0 {
		return nil
	}
	sum, err := h.sum()
	if err != nil {
		return err
	}
	if sum+n > h.opts.AllDisk || sum == h.opts.AllDisk {
		return diskFull(fmt.Sprintf("all sprites of this machine use %s of %s; destroy some", disk.Text(sum), disk.Text(h.opts.AllDisk)))
	}
	return nil
}

// sum is what all Sprites and the snapshots use, as of their last measurements.
func (h *Host) sum() (int64, error) {
	q := &h.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.known) < sumAge {
		return q.sum, nil
	}
	sizes, err := h.Sizes()
	if err != nil {
		return 0, err
	}
	q.sum = 0
	for _, n := range sizes {
		q.sum += n
	}
	kept, err := h.kept.all()
	if err != nil {
		return 0, err
	}
	for _, s := range kept {
		q.sum += s.Bytes
	}
	q.sum += h.spares.bytes()
	q.known = time.Now()
	return q.sum, nil
}

// forget makes the next sum a new one.
func (q *quota) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.known = time.Time{}
}

// Sizes answers how many bytes of the disk each Sprite uses, as of its last measurement.
func (h *Host) Sizes() (map[string]int64, error) {
	all, err := h.all()
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, r := range all {
		u, err := disk.Load(h.dir(r.Name))
		if err != nil {
			return nil, err
		}
		out[r.Name] = u.Bytes
	}
	return out, nil
}

// allowance is how many bytes a client may write into a Sprite's files now. It refuses a length that is known to be too much.
func (h *Host) allowance(name string, length int64) (int64, error) {
	if err := h.room(max(0, length)); err != nil {
		return 0, err
	}
	u, err := h.usage(name, max(0, length))
	if err != nil {
		return 0, err
	}
	left := h.opts.Disk - u.Bytes
	if u.Full || left <= 0 || length > left {
		return 0, diskFull(shim.FullText(u.Bytes+max(0, length), h.opts.Disk))
	}
	return left, nil
}

// usage is what is known of a Sprite; it is measured again where files were removed since and n bytes would be too much.
func (h *Host) usage(name string, n int64) (disk.Usage, error) {
	u, err := disk.Load(h.dir(name))
	if err != nil || !u.Stale || !u.Full && u.Bytes+n < h.opts.Disk {
		return u, err
	}
	return disk.Renew(h.ctx, h.dir(name), h.opts.Disk)
}

// wrote and removed note what the file API has changed. The Sprite's own measurements come on top of that.
func (h *Host) wrote(name string, n int64) error {
	_, err := disk.Update(h.dir(name), func(u *disk.Usage) { u.Bytes += n })
	return err
}

func (h *Host) removed(name string) error {
	_, err := disk.Update(h.dir(name), func(u *disk.Usage) { u.Stale = true })
	return err
}

// machineMemory is half of the machine's, and at least 1 GiB.
func machineMemory() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read the size of the memory: %w", err)
	}
	var kb int64
	if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kb); err != nil {
		return 0, fmt.Errorf("read the size of the memory: %w", err)
	}
	return max(kb<<10/2, 1<<30), nil
}
