package runtimes

import (
	"encoding/json"
	"io/fs"
)

// home is an ordinary Sprite's home and working directory; aod is our folder in it,
// and workspace is where repositories are.
const (
	home      = "/home/sprite"
	aod       = home + "/.aod"
	workspace = "/workspace"
)

// Agent is what a runtime has to know of an agent and of its session.
type Agent struct {
	Model      string            `json:"model"` // canonical
	System     string            `json:"system"`
	Skills     []json.RawMessage `json:"skills"`
	MCPServers []json.RawMessage `json:"mcp_servers"`
	SessionID  string            `json:"session_id"` // the runtime's own, a UUID
	Variables  map[string]string `json:"variables"`  // of the session, secret or not
	Place      Place             `json:"-"`          // of the session's Sprite
}

// File is a file in the Sprite.
type File struct {
	Path string // absolute, in an ordinary Sprite
	Data []byte
	Mode fs.FileMode
}

// Turn is one prompt for an agent. The first of a session has Number 1.
type Turn struct {
	Agent
	Number       int    `json:"number"`
	Prompt       string `json:"prompt"`
	Conversation string `json:"conversation"` // the runtime's own name for it, from the first turn's Verdict
}

// Command does one turn in the Sprite. Stdin has to be a file or a pipe that
// ends: a runtime may wait for its end.
type Command struct {
	Argv  []string
	Env   []string // KEY=VALUE, none secret; the same as the runtime's Env
	Stdin []byte
}
