package hub

// Lag returns how many readers there are, and how many rows the one that is furthest
// behind has not taken on of what was published while it was there.
func (h *Hub) Lag() (readers int, rows int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tails {
		readers += len(t.users)
		t.mu.Lock()
		last := t.last
		t.mu.Unlock()
		for r := range t.users {
			rows = max(rows, last-r.passed.Load())
		}
	}
	return readers, rows
}
