package shim

import (
	"encoding/json"
	"time"
)

// Protocol is the version that shim and client speak.
const Protocol = 2

type hello struct {
	Protocol int `json:"protocol"`
}

// request is what a client asks for: exec, attach, list, kill or policy.
type request struct {
	Op      string          `json:"op"`
	Command *Command        `json:"command,omitempty"`
	ID      string          `json:"id,omitempty"`
	Signal  int             `json:"signal,omitempty"`
	Timeout time.Duration   `json:"timeout,omitempty"`
	Policy  json.RawMessage `json:"policy,omitempty"`
}

// reply answers a request.
type reply struct {
	Error    *Refusal  `json:"error,omitempty"`
	Session  *Session  `json:"session,omitempty"`
	First    mark      `json:"first,omitzero"` // of exec and attach: what the journal holds
	End      int64     `json:"end,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
	Killed   *Killed   `json:"killed,omitempty"`
}

// Command is one program to run in a Sprite.
type Command struct {
	// Argv is the program's argument vector.
	Argv []string `json:"argv"`
	// Path is the executable, searched in PATH when it has no slash; empty means Argv[0].
	Path string `json:"path,omitempty"`
	// Env is the whole environment; nil means the Sprite's default.
	Env []string `json:"env,omitempty"`
	// Dir is the working directory; a relative one starts at Home.
	Dir string `json:"dir,omitempty"`
	// Stdin says that the client will write standard input; otherwise the program reads end of file.
	Stdin bool `json:"stdin,omitempty"`
	// TTY gives the program a terminal of Rows by Cols.
	TTY  bool   `json:"tty,omitempty"`
	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`
	// Linger is how long the program may go on without a client; negative means for ever.
	Linger time.Duration `json:"linger"`
}

// Session describes a command that runs, or has left processes behind.
type Session struct {
	ID string `json:"id"`
	// Argv is the beginning of the command, with … for what is too long to tell.
	Argv       []string  `json:"argv"`
	Dir        string    `json:"dir"`
	TTY        bool      `json:"tty"`
	Pid        int       `json:"pid"`
	Created    time.Time `json:"created"`
	LastOutput time.Time `json:"last_output"`
	// Exited says that the command itself is over.
	Exited bool `json:"exited"`
}

// Killed tells how the end of a session came about.
type Killed struct {
	Pid int `json:"pid"`
	// Exited says that the command has ended, with Code.
	Exited bool `json:"exited"`
	Code   int  `json:"code"`
	// Forced says that it took a kill after the timeout.
	Forced bool `json:"forced"`
}

// Kinds of a Refusal.
const (
	NoExecutable = "executable_not_found"
	NoDirectory  = "directory_not_found"
	NotStarted   = "exec_failed"
	NoSession    = "session_not_found"
	SessionOver  = "session_over"
	SessionLost  = "session_lost"
	DiskFull     = "disk_full"
	OtherVersion = "other_version"
	ending       = "ending" // the shim is; a client may start the next one
)

// Refusal is a request that the Sprite could not carry out, through no fault of the host.
type Refusal struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

func (r *Refusal) Error() string { return r.Text }

func over(id string) *Refusal {
	return &Refusal{SessionOver, "the command of session " + id + " has ended"}
}
