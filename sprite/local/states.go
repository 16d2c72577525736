package local

// States answers how many Sprites there are of each status: warm if a shim serves them, else cold.
func (h *Host) States() (map[string]int, error) {
	all, err := h.all()
	if err != nil {
		return nil, err
	}
	warm, err := h.countWarm(all)
	if err != nil {
		return nil, err
	}
	return map[string]int{"warm": warm, "cold": len(all) - warm}, nil
}
