package turn

// patterns find any number of texts in a stream in one pass, at a cost that does
// not depend on how many there are or how they overlap (Aho and Corasick, 1975).
// While nothing has begun, most bytes are not even looked at (Wu and Manber, 1994).
type patterns struct {
	nodes []node
	first [256]int32 // the root's children

	// A window of the stream in which nothing has begun ends with two bytes; skip says
	// how far the window may move on without passing over the beginning of a pattern.
	window int // at most the shortest pattern's length; 0 for no skipping
	skip   []uint8
}

// node stands for a beginning of a pattern. The root is 0, which is no node's child.
type node struct {
	child, sibling int32
	fail           int32 // the longest end of this beginning that is a beginning too
	depth          int32
	ends           int32 // length of the longest pattern that ends here, 0 for none
	label          byte
}

// longestWindow bounds the window: more bytes of more patterns in it would make
// moving on rarer.
const longestWindow = 16

// newPatterns returns what finds the texts, of which the empty ones do not count.
func newPatterns(texts []string) *patterns {
	p := &patterns{nodes: make([]node, 1), window: longestWindow}
	for _, text := range texts {
		if text != "" {
			p.insert(text)
			p.window = min(p.window, len(text))
		}
	}
	p.link()
	if p.window < 2 || len(p.nodes) == 1 {
		p.window = 0
		return p
	}
	p.skip = make([]uint8, 1<<16)
	for i := range p.skip {
		p.skip[i] = uint8(p.window - 1)
	}
	for _, text := range texts {
		for i := 2; i <= p.window && text != ""; i++ {
			pair := &p.skip[int(text[i-2])<<8|int(text[i-1])]
			*pair = min(*pair, uint8(p.window-i))
		}
	}
	return p
}

func (p *patterns) insert(text string) {
	at := int32(0)
	for i := range len(text) {
		next := p.child(at, text[i])
		if next == 0 {
			next = int32(len(p.nodes))
			p.nodes = append(p.nodes, node{sibling: p.nodes[at].child, depth: int32(i) + 1, label: text[i]})
			p.nodes[at].child = next
			if at == 0 {
				p.first[text[i]] = next
			}
		}
		at = next
	}
	p.nodes[at].ends = int32(len(text))
}

// link sets fail and ends, nearer nodes before farther ones.
func (p *patterns) link() {
	queue := make([]int32, 1, len(p.nodes))
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for c := p.nodes[at].child; c != 0; c = p.nodes[c].sibling {
			n := &p.nodes[c]
			if at != 0 {
				n.fail = p.next(p.nodes[at].fail, n.label)
			}
			if n.ends == 0 {
				n.ends = p.nodes[n.fail].ends
			}
			queue = append(queue, c)
		}
	}
}

func (p *patterns) child(at int32, b byte) int32 {
	if at == 0 {
		return p.first[b]
	}
	c := p.nodes[at].child
	for c != 0 && p.nodes[c].label != b {
		c = p.nodes[c].sibling
	}
	return c
}

// next returns the node of the longest beginning that the stream ends with after b.
func (p *patterns) next(at int32, b byte) int32 {
	for {
		if c := p.child(at, b); c != 0 || at == 0 {
			return c
		}
		at = p.nodes[at].fail
	}
}

// advance reads on from the node at until a pattern ends. It returns how many bytes
// it has read, the node where it is, and the length of the longest pattern that
// ends there. A node that nothing can follow is left at once, so that the end of a
// pattern is not taken for the beginning of one.
func (p *patterns) advance(at int32, b []byte) (read int, now, ends int32) {
	if len(p.nodes) == 1 {
		return len(b), 0, 0
	}
	for i := 0; i < len(b); {
		if at == 0 && p.window > 0 {
			for i+p.window <= len(b) {
				far := p.skip[int(b[i+p.window-2])<<8|int(b[i+p.window-1])]
				if far == 0 {
					break
				}
				i += int(far)
			}
		}
		at = p.next(at, b[i])
		i++
		ends = p.nodes[at].ends
		for at != 0 && p.nodes[at].child == 0 {
			at = p.nodes[at].fail
		}
		if ends != 0 {
			return i, at, ends
		}
	}
	return len(b), at, 0
}
