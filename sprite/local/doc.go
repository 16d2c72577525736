// Package local is a Sprites host inside this process: it speaks the HTTP and WebSocket protocol of the Sprites service, and its Sprites
// are namespaces on this machine (package shim). It opens no port; clients reach it through Host.DialContext, and at the listeners that
// Host.Serve is given.
//
// What a client may rely on:
//
//   - A Sprite that exists is on disk. A new Host over the same folder finds the same Sprites, with their files and running processes.
//   - DELETE answers when every process of the Sprite is dead and its folder is gone.
//   - An exec's program is started before the upgrade, so a missing executable or working directory is a 400 with JSON. After the upgrade
//     there is output, in order, and then the exit code.
//   - With isolation None, which somebody has to choose, commands run as the host's own user, unconfined, with their files in the Sprite's
//     folder. A Sprite is never started under another isolation than it was made for.
//   - A Sprite that uses more of the disk than it may is stopped, and nothing starts in it or is written to it (507) until files are removed.
//     The disk that all Sprites share is never filled: nothing starts when it runs short, and whoever goes on filling it is stopped.
//   - A network policy is in force when it is answered, also for what runs, and after every restart. Without isolation it is refused with
//     501, not stored.
//   - A session can be joined while it runs and for some minutes after, by any number of clients. What is over stays over: 410 to a kill.
//   - A checkpoint is a copy of the Sprite's files while it runs: what a program has not finished writing is as after a power cut. It is
//     there as a whole or not at all. Owners, modes, times, links, holes and attributes come along; sockets do not.
//   - A restore, once it begins to replace files, is finished, by the next Host if need be. It ends everything that runs in the Sprite.
//   - A snapshot is what CreateFrom makes Sprites of: their layers lie over its, and their root folder is a copy of its, of which some are ready
//     before they are asked for. It is there as a whole or not at all, belongs to the machine as this was when it was made, stays as long as
//     a Sprite needs it, and else is the first to go when the disk runs short. Without isolation there are none: programs know their Sprite
//     by its path then.
//   - The file API follows links as the Sprite sees them, never out of its tree. Copies keep links as links, leave out sockets, and appear
//     complete or not at all.
package local
