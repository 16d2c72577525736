package shim

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// verdict runs the filter on one call with its low argument words. The simulator reads big endian, which is how the words are laid out for it.
func verdict(t *testing.T, singleID bool, arch, nr uint32, args ...uint32) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(syscallFilter(singleID))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetNumber:], nr)
	binary.BigEndian.PutUint32(data[offsetArch:], arch)
	for i, arg := range args {
		binary.BigEndian.PutUint32(data[offsetArgs+8*i:], arg)
	}
	v, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

func TestFilterAnswersEveryListedCall(t *testing.T) {
	t.Parallel()
	refuse := func(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }
	for want, calls := range map[uint32][]uint32{
		refuse(unix.EPERM):     append(append([]uint32{}, denied...), deniedHere...),
		refuse(unix.ENOSYS):    absent,
		unix.SECCOMP_RET_ALLOW: {unix.SYS_READ, unix.SYS_EXECVE, unix.SYS_CLONE, unix.SYS_CLOSE_RANGE, unix.SYS_IOCTL, unix.SYS_FCHOWN},
	} {
		for _, nr := range calls {
			if got := verdict(t, false, auditArch, nr, 0); got != want {
				t.Errorf("call %d: %#x instead of %#x", nr, got, want)
			}
		}
	}
	for _, nr := range append(append([]uint32{}, pretended...), pretendedHere...) {
		if got := verdict(t, true, auditArch, nr, 0); got != refuse(0) {
			t.Errorf("pretended call %d: %#x", nr, got)
		}
		if got := verdict(t, false, auditArch, nr, 0); got != unix.SECCOMP_RET_ALLOW {
			t.Errorf("call %d with many ids: %#x", nr, got)
		}
	}
	for arg, want := range map[uint32]uint32{unix.TIOCSTI: refuse(unix.EPERM), tioclinux: refuse(unix.EPERM), unix.TIOCGWINSZ: unix.SECCOMP_RET_ALLOW} {
		if got := verdict(t, false, auditArch, unix.SYS_IOCTL, 0, arg); got != want {
			t.Errorf("ioctl %#x: %#x", arg, got)
		}
	}
	for nr, mode := range nodeCalls {
		for kind, want := range map[uint32]uint32{unix.S_IFCHR: refuse(0), unix.S_IFBLK: refuse(0), unix.S_IFIFO: unix.SECCOMP_RET_ALLOW, unix.S_IFSOCK: unix.SECCOMP_RET_ALLOW} {
			args := make([]uint32, 4)
			args[mode] = kind | 0o644
			if got := verdict(t, true, auditArch, nr, args...); got != want {
				t.Errorf("call %d for a node of kind %#o: %#x", nr, kind, got)
			}
			if got := verdict(t, false, auditArch, nr, args...); got != unix.SECCOMP_RET_ALLOW {
				t.Errorf("call %d for a node of kind %#o with many ids: %#x", nr, kind, got)
			}
		}
	}
	if got := verdict(t, false, unix.AUDIT_ARCH_I386, unix.SYS_READ, 0); got != uint32(unix.SECCOMP_RET_KILL_PROCESS) {
		t.Errorf("foreign architecture: %#x", got)
	}
}
