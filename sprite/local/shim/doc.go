// Package shim runs one Sprite: a Linux machine made of namespaces, whose files live in one folder of the host.
//
// Four processes stand behind every command, all of them the binary that imports this package, started again under a fixed argv[0]:
//
//	server ─► shim ─► init (PID 1 of the Sprite) ─► supervisor ─► the command
//
// The package gives these guarantees:
//
//   - A shim outlives the server that started it. It holds the lock file of its Sprite for life, so a free lock means a dead shim,
//     and two shims never serve one Sprite.
//   - When a shim dies, every process of its Sprite dies with it.
//   - An accepted command runs once: a connection that ends before the shim's greeting has started nothing and may be repeated.
//   - The output of a command reaches its clients completely and in order, and its exit code comes after all of it. It is on disk before
//     anybody sees it, the exit code too, and a client that was cut off joins again at the byte where it stopped. A slow client stops
//     the command; while there is no client the newest output is kept. Nothing piles up in memory.
//   - What has no exit code, because its shim or the machine went down, is said to be lost.
//   - Nothing leaves the Sprite's network but through the shim's Carrier.
//   - What the Sprite left in its own tree is hostile: no path in it is ever followed out of it.
//   - Nothing falls back to a weaker isolation. What the host refuses becomes a Failure that names the remedy. Without isolation (None), which
//     only a Config can ask for, the processes are the same, and what is said of shims and output holds for commands that do not attack them.
package shim
