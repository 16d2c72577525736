package shim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/disk"
)

const (
	// guardTime is how often a Sprite in use is looked at, and hastyTime while it uses much, or what is left is little.
	guardTime = time.Second
	hastyTime = 100 * time.Millisecond
	// measureAge is the age at which a measurement counts no more, if something ran since.
	measureAge = time.Minute
	// measureShare bounds the time of measurements: one in so many.
	measureShare = 20
	// measureTime bounds one measurement.
	measureTime = 5 * time.Minute
	// noticeable is what has to be added for another measurement at the end.
	noticeable = 1 << 20
	// growth is what a Sprite may add while its file system is short of space.
	growth = 16 << 20
)

// guard keeps a Sprite within its share of the disk and, where no control group does it, of the memory.
type guard struct {
	cfg  Config
	wake chan struct{}
	weak bool // memory is for us to watch

	running func() (sessions, strays bool)
	tell    func(text string)
	kill    func() // every session
	purge   func() // the whole machine
	weigh   func(limit int64) (weight, error)

	full atomic.Bool

	mu       sync.Mutex // the rest belongs to whoever measures
	usage    disk.Usage
	free     int64         // on the file system at the last measurement
	before   int64         // what was used when the file system last had enough space
	took     time.Duration // by the last measurement
	measured time.Time     // when it ended
}

// newGuard takes over what is known of the Sprite of s.
func newGuard(s *shim, weak bool) *guard {
	u, err := disk.Load(s.cfg.Dir)
	if err != nil { // it is only a note
		u = disk.Usage{Stale: true}
	}
	g := &guard{
		cfg: s.cfg, wake: make(chan struct{}, 1), weak: weak, running: s.inUse, tell: s.tell, kill: s.killAll, purge: s.machine.kill, weigh: s.machine.weigh,
		usage: u, before: u.Bytes,
	}
	g.full.Store(u.Full)
	go g.run()
	return g
}

// begin lets the guard know that something runs.
func (g *guard) begin() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run watches while something runs, and once after.
func (g *guard) run() {
	timer := time.NewTimer(0)
	<-timer.C
	for range g.wake {
		for pause, on := hastyTime, true; on; {
			timer.Reset(pause)
			<-timer.C
			sessions, strays := g.running()
			on = sessions || strays
			pause = guardTime
			if g.checkMemory() {
				pause = hastyTime
			}
			if g.checkDisk(!on) {
				pause = hastyTime
			}
			if strays && g.full.Load() {
				g.purge()
			}
		}
	}
}

// checkDisk ends what runs when the Sprite is above its limit; hasty says that it may be soon.
// The last look is behind the end of the last session.
func (g *guard) checkDisk(last bool) (hasty bool) {
	space, err := disk.SpaceOf(g.cfg.Dir)
	if err != nil {
		complain("watch the disk", err)
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	short := space.Short(0)
	left := max(0, g.cfg.Disk-g.usage.Bytes)
	fell := g.free - space.Free
	hasty = short != "" || fell > left/4 || space.Free-space.Reserve() < 1<<30
	due := g.measured.IsZero() || fell > left/2 || last && fell > noticeable || time.Since(g.measured) > measureAge || short != ""
	if !due || time.Since(g.measured) < measureShare*g.took {
		return hasty
	}
	if err := g.measure(); err != nil {
		if errors.Is(err, disk.ErrRestless) {
			g.end("the sprite's disk usage cannot be measured: " + disk.ErrRestless.Error())
		}
		complain("measure the disk", err)
		return hasty
	}
	switch {
	case short == "":
		g.before = g.usage.Bytes
	case g.usage.Bytes > g.before+growth:
		g.before = g.usage.Bytes // one warning for each step
		g.tell(short)
		g.kill()
	}
	if g.usage.Full {
		g.end(g.fullText())
	}
	return hasty
}

// measure finds out what the Sprite uses and notes it; the caller holds mu.
func (g *guard) measure() error {
	ctx, cancel := context.WithTimeout(context.Background(), measureTime)
	defer cancel()
	began := time.Now()
	u, err := disk.Renew(ctx, g.cfg.Dir, g.cfg.Disk)
	g.took, g.measured = time.Since(began), time.Now()
	if space, serr := disk.SpaceOf(g.cfg.Dir); serr == nil {
		g.free = space.Free
	}
	if u.At.IsZero() {
		return err
	}
	g.usage = u // even if it could not be written because the disk is full
	g.full.Store(u.Full)
	return err
}

// end stops everything that runs.
func (g *guard) end(text string) {
	g.tell(text)
	g.kill()
}

// fullText is what a full Sprite says.
func (g *guard) fullText() string { return FullText(g.usage.Bytes, g.cfg.Disk) }

// FullText says that a Sprite uses more of the disk than it may.
func FullText(used, limit int64) string {
	return fmt.Sprintf("the sprite's disk is full: %s of %s are used; remove files through the file API or destroy it", disk.Text(used), disk.Text(limit))
}

// admit refuses to start something in a full Sprite. It looks again if files were removed since.
func (g *guard) admit() error {
	if !g.full.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	note, err := disk.Load(g.cfg.Dir)
	if err != nil || note.Stale || time.Since(note.At) > measureAge {
		if err := g.measure(); err != nil && !errors.Is(err, disk.ErrRestless) {
			return err
		}
	} else {
		g.usage = note
		g.full.Store(note.Full)
	}
	if g.usage.Full {
		return &Refusal{DiskFull, g.fullText()}
	}
	return nil
}

// checkMemory ends the biggest command when they are above the limit together, and says whether that may be soon.
func (g *guard) checkMemory() (hasty bool) {
	if !g.weak || g.cfg.Memory <= 0 {
		return false
	}
	w, err := g.weigh(g.cfg.Memory)
	if err != nil {
		complain("watch the memory", err)
		return false
	}
	if w.Killed > 0 {
		g.tell(fmt.Sprintf("the sprite's memory is used up: %s of %s; process %d was killed", disk.Text(w.Bytes), disk.Text(g.cfg.Memory), w.Killed))
	}
	return w.Bytes > g.cfg.Memory/2
}

func complain(what string, err error) { fmt.Fprintf(os.Stderr, "%s: %v\n", what, err) }
