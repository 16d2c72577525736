package shim

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const auditArch = unix.AUDIT_ARCH_X86_64

// filterABI refuses the x32 calls, which would pass by every number of the lists.
var filterABI = []bpf.Instruction{
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 0x40000000, SkipFalse: 1},
	bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
}

var deniedHere = []uint32{unix.SYS_IOPERM, unix.SYS_IOPL, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_LOOKUP_DCOOKIE}

var pretendedHere = []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN}

// nodeCalls make nodes; the value says which argument is the mode.
var nodeCalls = map[uint32]uint32{unix.SYS_MKNOD: 1, unix.SYS_MKNODAT: 2}
