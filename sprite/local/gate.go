package local

import "sync"

// gates keep the destruction of a Sprite apart from everything that uses it, and its starts apart from each other.
type gates struct {
	mu   sync.Mutex
	open map[string]*gate
}

type gate struct {
	users int // who holds or waits for it
	life  sync.RWMutex
	start sync.Mutex
}

// use holds the Sprite in existence until the returned function is called.
func (g *gates) use(name string) (gt *gate, release func()) {
	gt = g.take(name)
	gt.life.RLock()
	return gt, func() { gt.life.RUnlock(); g.drop(name, gt) }
}

// own waits until nobody uses the Sprite, and keeps everybody out.
func (g *gates) own(name string) (release func()) {
	gt := g.take(name)
	gt.life.Lock()
	return func() { gt.life.Unlock(); g.drop(name, gt) }
}

func (g *gates) take(name string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[string]*gate{}
	}
	gt := g.open[name]
	if gt == nil {
		gt = &gate{}
		g.open[name] = gt
	}
	gt.users++
	return gt
}

func (g *gates) drop(name string, gt *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gt.users--; gt.users == 0 {
		delete(g.open, name)
	}
}
