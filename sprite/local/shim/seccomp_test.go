package shim

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// verdict runs the filter on one call. The simulator reads big endian, which is how the words are laid out for it.
func verdict(t *testing.T, singleID bool, arch, nr, arg1 uint32) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(syscallFilter(singleID))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetNumber:], nr)
	binary.BigEndian.PutUint32(data[offsetArch:], arch)
	binary.BigEndian.PutUint32(data[offsetArg1:], arg1)
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
		if got := verdict(t, false, auditArch, unix.SYS_IOCTL, arg); got != want {
			t.Errorf("ioctl %#x: %#x", arg, got)
		}
	}
	if got := verdict(t, false, unix.AUDIT_ARCH_I386, unix.SYS_READ, 0); got != uint32(unix.SECCOMP_RET_KILL_PROCESS) {
		t.Errorf("foreign architecture: %#x", got)
	}
}
