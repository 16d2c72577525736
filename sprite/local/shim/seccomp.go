package shim

import (
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data. Both architectures are little endian: the low half of an argument comes first.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg1   = offsetArgs + 8
	offsetArgs   = 16 // each has 8 bytes
)

// denied are the calls that answer EPERM on every architecture; deniedHere in the architecture's file adds its own.
var denied = []uint32{
	unix.SYS_ACCT, unix.SYS_ADD_KEY, unix.SYS_BPF, unix.SYS_DELETE_MODULE, unix.SYS_FANOTIFY_INIT, unix.SYS_FINIT_MODULE, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_INIT_MODULE, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_KEXEC_LOAD,
	unix.SYS_KEYCTL, unix.SYS_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_PERF_EVENT_OPEN,
	unix.SYS_PIVOT_ROOT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_REBOOT, unix.SYS_REQUEST_KEY, unix.SYS_SETNS, unix.SYS_SWAPOFF,
	unix.SYS_SWAPON, unix.SYS_SYSLOG, unix.SYS_UMOUNT2, unix.SYS_USERFAULTFD, unix.SYS_VHANGUP,
}

// absent are the calls that look as if the kernel did not have them, so that callers use older ones. clone3 hides its flags from a filter.
var absent = []uint32{unix.SYS_CLONE3, unix.SYS_FSOPEN, unix.SYS_IO_URING_SETUP, unix.SYS_OPEN_TREE}

// pretended are the calls that succeed without doing anything where a Sprite has a single id: package managers insist on them.
var pretended = []uint32{
	unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_SETFSGID, unix.SYS_SETFSUID, unix.SYS_SETGID, unix.SYS_SETGROUPS,
	unix.SYS_SETREGID, unix.SYS_SETRESGID, unix.SYS_SETRESUID, unix.SYS_SETREUID, unix.SYS_SETUID,
}

// syscallFilter is the program that the kernel runs at every system call of a Sprite.
func syscallFilter(singleID bool) []bpf.Instruction {
	answer := func(errno uint32) bpf.Instruction { return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | errno} }
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	prog = append(prog, filterABI...)
	add := func(calls []uint32, errno uint32) {
		for _, nr := range calls {
			// Every test skips over its own answer only, so no jump can grow too long.
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: 1}, answer(errno))
		}
	}
	add(denied, uint32(unix.EPERM))
	add(deniedHere, uint32(unix.EPERM))
	add(absent, uint32(unix.ENOSYS))
	if singleID {
		add(pretended, 0)
		add(pretendedHere, 0)
		for nr, mode := range nodeCalls {
			// Of nodes only devices: pipes and sockets are anybody's to make.
			prog = append(prog,
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: 6},
				bpf.LoadAbsolute{Off: offsetArgs + 8*mode, Size: 4},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: unix.S_IFMT},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.S_IFCHR, SkipTrue: 1},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.S_IFBLK, SkipFalse: 1},
				answer(0),
				bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
			)
		}
	}
	// Nobody types into a terminal but its owner.
	return append(prog,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_IOCTL, SkipFalse: 4},
		bpf.LoadAbsolute{Off: offsetArg1, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: tioclinux, SkipFalse: 1},
		answer(uint32(unix.EPERM)),
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	)
}

const tioclinux = 0x541c

// filterSyscalls installs the filter for this thread and what it will exec. no_new_privs must be set.
func filterSyscalls(singleID bool) error {
	raw, err := bpf.Assemble(syscallFilter(singleID))
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		prog[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	return nil
}
