package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/cgroup"
	"github.com/agent-on-demand/aod/sprite/local/egress"
	"github.com/agent-on-demand/aod/sprite/local/nic"
	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// Share is a host folder that every Sprite sees read-only.
type Share = shim.Share

// Options say how a Host works.
type Options struct {
	// Dir is the folder that holds the Sprites; it is made if need be.
	Dir string
	// Skeleton is the folder of what Sprites share of the host, which several hosts may have in common; the default is in Dir.
	Skeleton string
	// Token must come as bearer token with every request.
	Token string
	// Executable is the binary that Sprites are run with. It must import package shim; the default is this process's own.
	Executable string
	// Isolation is what keeps Sprites apart from the host; the default is Namespaces.
	Isolation Isolation
	// Shares are host folders that every Sprite sees read-only.
	Shares []Share
	// AllowHosts are private and loopback hosts that Sprites may reach all the same; see egress.ParseHosts for their forms.
	AllowHosts []string
	// Nameserver answers the lookups of names that Sprites may reach, host:port; the default is the resolver of this machine.
	Nameserver string
	// Idle is how long a Sprite without processes stays warm; the default is a minute.
	Idle time.Duration
	// Processes is how many processes and threads the commands of a Sprite may have at once; the default is 4096.
	Processes int
	// Memory is how many bytes of memory a Sprite may use; the default is half of the machine's, and at least 1 GiB.
	Memory int64
	// CPUs is how many processors' time a Sprite may use, where the machine can limit that; the default is no limit.
	CPUs float64
	// Disk is how many bytes of the disk a Sprite may use; the default is 20 GiB.
	Disk int64
	// AllDisk is how many bytes of the disk all Sprites may use together; the default is no limit. Whatever it is, they leave 1 GiB or 2 %
	// of the file system free, whichever is more.
	AllDisk int64
	// Log receives what no client sees; the default is slog.Default.
	Log *slog.Logger
}

// Host serves the Sprites of one folder.
type Host struct {
	opts    Options
	hosts   []egress.Host
	log     *slog.Logger
	ln      *pipeListener
	server  *http.Server
	starter *shim.Starter
	gates   gates
	errands errands
	groups  cgroup.Home
	quota   quota
	kept    snapshots
	spares  spares

	// Exec connections leave the server's care; they and what runs in the background end with ctx and are counted here.
	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
	served chan struct{}
}

var errClosed = errors.New("the host is closed")

// Open prepares the folder, finishes what an earlier Host left half done, and starts serving.
func Open(ctx context.Context, opts Options) (*Host, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make sprites folder: %w", err)
	}
	hosts, err := egress.ParseHosts(opts.AllowHosts)
	if err != nil {
		return nil, fmt.Errorf("local sprites host: %w", err)
	}
	h := &Host{opts: opts, hosts: hosts, log: opts.Log, ln: newPipeListener(), starter: shim.NewStarter(opts.Executable), served: make(chan struct{})}
	h.kept = snapshots{dir: filepath.Join(opts.Dir, snapshotsDir), inUse: h.layeredOver}
	h.ctx, h.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if h.groups, err = cgroup.Settle(); err != nil {
		h.log.Warn("sprites have no control groups", "error", err)
	}
	if err := h.sweep(ctx); err != nil {
		h.starter.Close()
		return nil, err
	}
	h.recoverCheckpoints(ctx)
	h.server = &http.Server{
		Handler:           h.routes(),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(h.served)
		if err := h.server.Serve(h.ln); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("local sprites host stopped", "error", err)
		}
	}()
	h.work.Go(h.tendSnapshots)
	h.work.Go(func() {
		if err := h.prepare(h.ctx); err != nil && h.ctx.Err() == nil {
			h.log.Warn("cannot prepare for sprites yet", "error", err)
		}
	})
	return h, nil
}

// prepare builds the skeleton, for which the first Sprite would have to wait.
func (h *Host) prepare(ctx context.Context) error {
	if h.opts.Isolation == None {
		return nil
	}
	return shim.BuildSkeleton(ctx, h.opts.Skeleton)
}

// complete checks the options and fills in the defaults.
func (o Options) complete() (Options, error) {
	var err error
	if o.Dir == "" {
		return o, errors.New("local sprites host: no folder")
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return o, fmt.Errorf("local sprites host: %w", err)
	}
	if o.Skeleton == "" {
		o.Skeleton = filepath.Join(o.Dir, skeletonDir)
	}
	if o.Executable == "" {
		if o.Executable, err = os.Executable(); err != nil {
			return o, fmt.Errorf("find own binary: %w", err)
		}
	}
	if o.Isolation == "" {
		o.Isolation = Namespaces
	}
	if o.Isolation != Namespaces && o.Isolation != None {
		return o, fmt.Errorf("local sprites host: isolation %q is not known", o.Isolation)
	}
	if o.Idle <= 0 {
		o.Idle = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Disk <= 0 {
		o.Disk = defaultDisk
	}
	if o.Memory <= 0 {
		if o.Memory, err = machineMemory(); err != nil {
			return o, err
		}
	}
	for _, s := range o.Shares {
		if err := checkShare(s, o.Dir); err != nil {
			return o, err
		}
	}
	return o, nil
}

// CheckHosts says what is wrong with the first of AllowHosts that is no host.
func CheckHosts(entries []string) error {
	_, err := egress.ParseHosts(entries)
	return err
}

// checkShare refuses a share that could show a Sprite the others, or cover what every Sprite needs.
func checkShare(s Share, dir string) error {
	if !filepath.IsAbs(s.Source) || !filepath.IsAbs(s.Target) || filepath.Clean(s.Target) != s.Target || s.Target == "/" {
		return fmt.Errorf("share %s at %s: both must be clean absolute paths", s.Source, s.Target)
	}
	source, err := filepath.EvalSymlinks(s.Source)
	if err != nil {
		return fmt.Errorf("share %s: %w", s.Source, err)
	}
	if within(dir, source) || within(source, dir) {
		return fmt.Errorf("share %s: it must not contain, or be in, the folder of the sprites", s.Source)
	}
	return nil
}

// within says whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Network says how the programs in Sprites reach the network, and what would help where not all of them do.
func (h *Host) Network() string {
	if h.opts.Isolation == None {
		return "that of this machine"
	}
	err := nic.Available()
	if err == nil {
		return "one for each sprite, for every program"
	}
	help := "chmod 666 /dev/net/tun"
	if errors.Is(err, fs.ErrNotExist) {
		help = "modprobe tun (in Docker run the container with: --device /dev/net/tun)"
	}
	return fmt.Sprintf("a proxy alone, nothing for programs that ask no proxy: %v; allow it with: %s", err, help)
}

// Limits says how the memory, processor time and processes of Sprites are limited on this machine, and what would help where not all are.
func (h *Host) Limits() string { return h.groups.String() }

// DialContext connects to the host, whatever the address: it is a hook for sprites.WithNetDialContext and http.Transport.
func (h *Host) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return h.ln.dial(ctx)
}

// Serve answers the clients of another listener as well, and closes it, until ctx ends or the host is closed.
func (h *Host) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	err := h.server.Serve(ln)
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve sprites: %w", err)
}

// Close stops serving and disconnects every client. Sprites and their processes go on; a later Host finds them.
func (h *Host) Close(ctx context.Context) error {
	h.cancel(errClosed)
	err := h.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, h.server.Close())
	}
	<-h.served
	h.work.Wait()
	err = errors.Join(err, h.spares.drop(func(spare) bool { return true }))
	h.starter.Close()
	return err
}
