package server

import "github.com/agent-on-demand/aod/gen"

// isolation is what keeps agents apart from the server's machine.
func (c Config) isolation() gen.Isolation {
	switch {
	case c.SpritesToken.Reveal() != "":
		return gen.IsolationService
	case c.Isolation == "":
		return gen.IsolationNamespaces
	}
	return gen.Isolation(c.Isolation)
}

// Unconfined says whether agents run as the server's own user: they can read and
// change all that it can.
func (c Config) Unconfined() bool { return c.isolation() == gen.IsolationNone }

// unconfined is what an operator should know who has chosen that.
const unconfined = "agents run as the server's user, unconfined, and can read and change all that it can"
