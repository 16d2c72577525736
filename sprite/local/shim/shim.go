package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/cgroup"
	"golang.org/x/sys/unix"
)

// shim serves one Sprite to its clients: it owns the init, the sessions and the socket.
type shim struct {
	cfg     Config
	lock    lock // for as long as this process lives; a file that nothing refers to would be closed
	dir     *os.File
	machine *machine
	carrier Carrier // nil without a network of its own
	guard   *guard
	ln      *net.UnixListener
	guide   *os.File
	tasks   Tasks

	starting sync.RWMutex // read-locked from before a command runs until its session is known

	mu       sync.Mutex
	clients  int                 // open connections
	sessions map[string]*session // until no process of theirs is left
	past     *past
	nextID   int64
	closing  bool
	idle     *time.Timer
}

// firstIdle is how long a shim at least waits for whoever had it started.
const firstIdle = 10 * time.Second

// runShim is the role: it returns when the Sprite is gone.
func runShim() error {
	// Descriptors that the server itself inherited must not travel on.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close inherited files: %w", err)
	}
	// The init's life hangs on the thread that starts it; this one lives as long as the shim.
	runtime.LockOSThread()
	outlive()

	s := &shim{sessions: map[string]*session{}, nextID: time.Now().UnixNano()}
	if err := json.NewDecoder(os.Stdin).Decode(&s.cfg); err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	err := s.open()
	if rerr := report(err); err != nil || rerr != nil {
		s.machine.kill()
		return errors.Join(err, rerr, s.machine.wait(), s.leaveGroup())
	}
	s.mu.Lock()
	s.idle = time.AfterFunc(max(s.cfg.Idle, firstIdle), s.cool)
	s.mu.Unlock()
	if s.cfg.Isolation == None {
		s.endWhenAsked()
	}
	go s.serve()
	err = s.machine.wait()
	s.settle()
	return errors.Join(err, s.leaveGroup())
}

// settleTime is how long the end of a Sprite waits for the accounts of its sessions.
const settleTime = 2 * time.Second

// settle lets the sessions of a Sprite that has ended write their last accounts.
func (s *shim) settle() {
	late := time.After(settleTime)
	for _, sess := range s.current() {
		select {
		case <-sess.settled:
		case <-late:
			return
		}
	}
}

// open takes the lock, starts the machine and listens.
func (s *shim) open() error {
	var err error
	if s.lock, err = waitLock(s.cfg.Dir); err != nil {
		return err
	}
	old, err := readState(s.cfg.Dir)
	if err != nil {
		return err
	}
	// The init of a dead shim dies by itself, but its mounts must be gone before the same layers are mounted again.
	if err := old.endInit(context.Background()); err != nil {
		return fmt.Errorf("wait for the old sprite: %w", err)
	}
	if err := finishReplace(s.cfg.Dir); err != nil {
		return err
	}
	me, err := identify(os.Getpid())
	if err != nil {
		return fmt.Errorf("identify shim: %w", err)
	}
	if s.past, err = openPast(s.cfg.Dir, me.Boot, old); err != nil {
		return err
	}
	if err := writeGuide(s.cfg.Dir, s.cfg.Policy); err != nil {
		return err
	}
	st := state{Protocol: Protocol, Shim: me, Isolation: s.cfg.Isolation}
	if err := st.write(s.cfg.Dir); err != nil {
		return err
	}
	group, err := s.joinGroup()
	if err != nil {
		return err
	}
	s.machine, err = startMachine(s.cfg, group)
	if err = errors.Join(err, group.Close()); err != nil {
		return err
	}
	if st.Init, err = identify(s.machine.pid()); err != nil {
		return fmt.Errorf("identify init: %w", err)
	}
	if err := st.write(s.cfg.Dir); err != nil {
		return err
	}
	out, err := s.machine.build(s.cfg)
	if err != nil {
		return err
	}
	e := <-equipment
	s.tasks = e.Tasks(s.tasksOver)
	if err := s.carry(out, e.Carrier); err != nil {
		return err
	}
	if err := s.serveTasks(); err != nil {
		return err
	}
	s.guard = newGuard(s, !cgroup.Find().Has("memory"))
	if s.dir, err = os.Open(s.cfg.Dir); err != nil { // kept open: the listener's address goes through it
		return fmt.Errorf("open sprite folder: %w", err)
	}
	s.ln, err = listen(s.dir)
	return err
}

// report tells the starter how the start went. A starter that is gone cannot have wanted this shim.
func report(err error) error {
	var r readiness
	if err != nil {
		r.Failure = failure("start shim", err)
	}
	werr := json.NewEncoder(os.Stdout).Encode(r)
	null, nerr := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if nerr != nil {
		return errors.Join(werr, nerr)
	}
	defer null.Close()
	for _, fd := range []int{0, 1} {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return errors.Join(werr, err)
		}
	}
	return werr
}

// serve ends when the listener is closed.
func (s *shim) serve() {
	for {
		conn, err := s.ln.AcceptUnix()
		if err != nil {
			return
		}
		if !s.enter() {
			_ = conn.Close() // no greeting: the client starts another shim
			return
		}
		go func() {
			defer s.leave()
			defer conn.Close()
			if err := s.handle(conn); err != nil {
				fmt.Fprintf(os.Stderr, "serve client: %v\n", err)
			}
		}()
	}
}

func (s *shim) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.clients++
	return true
}

func (s *shim) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients--
	s.rest()
}

// rest starts the idle time anew; the caller holds mu.
func (s *shim) rest() {
	if s.clients == 0 && len(s.sessions) == 0 && s.idle != nil {
		s.idle.Reset(s.cfg.Idle)
	}
}

// cool ends the Sprite if nothing uses it and no process is left in it.
func (s *shim) cool() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.clients > 0 || len(s.sessions) > 0 || s.tasks.Live() {
		return
	}
	// Processes whose supervisor was killed from inside belong to no session, but they are work all the same.
	if n, err := s.machine.others(); err == nil && n > 0 {
		s.idle.Reset(s.cfg.Idle)
		return
	}
	s.closing = true
	_ = s.ln.Close()
	s.machine.kill()
}
