// Package egress is the only way out of a Sprite: it decides what the Sprite may reach and carries that traffic from the Sprite's own network
// namespace to the world. It runs in the shim, outside of the Sprite, and trusts nothing that comes from inside.
//
// Three doors lead out. The proxy takes CONNECT and absolute http:// URLs. A forward makes one loopback port of the host appear at the same
// address in the Sprite. The TUN device takes whatever ignores proxies: DNS answers names with addresses made up for this Sprite, and a
// connection to such an address is dialled by its name, so that all doors decide alike.
//
// The package gives these guarantees:
//
//   - A private, loopback, link-local or otherwise special address, and any address of the host itself, is reached only where the operator
//     listed it (Host). That is checked on the address really dialled, after every resolution, so a name that changes its address finds no gap.
//   - Under a policy with rules only names on it can be reached, and a name is held against the list before anything is looked up: a refused
//     name never leaves the machine, not even as a question. Addresses are refused in every spelling; UDP does not leave at all.
//   - A tighter policy ends the connections that it forbids before SetPolicy returns.
//   - A refusal is fast and says why: a 403 from the proxy, a reset from the TUN device, NXDOMAIN from DNS, and one line to Config.Denied.
//   - What a Sprite can make it hold is bounded: connections, flows, questions, names, header bytes.
//
// Connections are made directly: HTTP_PROXY and its kin in the environment of the host are not used.
//
// It does not stop what is said to an allowed host, or fronting behind the name of a shared CDN.
package egress
