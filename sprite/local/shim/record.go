package shim

import (
	"fmt"
	"os"
	"time"
)

// record puts the session on disk, where it is found when this process is gone.
func (s *session) record() (err error) {
	about := Session{ID: s.id, Argv: s.argv, Dir: s.command.Dir, TTY: s.command.TTY, Created: s.created}
	s.journal, err = createJournal(journalFile(s.dir, s.id), account{Session: about})
	return err
}

// erase forgets a session that did not come about.
func (s *session) erase() {
	if s.journal == nil {
		return
	}
	s.journal.close()
	_ = os.Remove(journalFile(s.dir, s.id))
}

// settle writes the exit code to disk behind all output, and then lets the clients come to the end.
func (s *session) settle() {
	defer close(s.settled)
	for _, p := range s.outputs {
		<-p.done
	}
	a := account{Session: s.describe(), Exit: &s.code, Ended: time.Now()}
	if err := s.journal.settle(&a); err != nil {
		fmt.Fprintln(os.Stderr, err) // clients that are connected hear the code all the same
	}
	s.past = a
	s.journal.close()
}

// toldKept is how many lines of ours a session remembers, not to hear them again.
const toldKept = 100

// tell shows the clients a line of ours among the command's own error output, once.
func (s *session) tell(text string) {
	s.mu.Lock()
	again := s.told[text] || len(s.told) >= toldKept
	if !again {
		s.told[text] = true
	}
	s.mu.Unlock()
	if again {
		return
	}
	if s.command.TTY {
		s.journal.note(frameStdout, text+"\r\n")
		return
	}
	s.journal.note(frameStderr, text+"\n")
}
