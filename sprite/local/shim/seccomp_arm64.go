package shim

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const auditArch = unix.AUDIT_ARCH_AARCH64

// filterABI is empty: the architecture has one set of call numbers.
var filterABI []bpf.Instruction

var deniedHere = []uint32{unix.SYS_KEXEC_FILE_LOAD, unix.SYS_LOOKUP_DCOOKIE}

var pretendedHere []uint32

// nodeCalls make nodes; the value says which argument is the mode.
var nodeCalls = map[uint32]uint32{unix.SYS_MKNODAT: 2}
