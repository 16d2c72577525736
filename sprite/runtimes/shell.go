package runtimes

// shellStart runs the script on standard input in a login shell. The commands of
// the script find standard input empty, whatever they read. The login files may
// set PATH anew, but the turn's own PATH counts.
const shellStart = `exec bash -lc 'PATH=$1; shift; eval "$(command -p cat <&3)" 3<&-' bash "$PATH" 3<&0 </dev/null`

var _ = register(&Runtime{
	Name:      "shell",
	Providers: []string{"local"},
	command:   shellCommand,
})

func shellCommand(t Turn) Command {
	return Command{Argv: []string{"bash", "-c", shellStart}, Stdin: []byte(t.Prompt)}
}
