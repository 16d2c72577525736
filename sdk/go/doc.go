// Package aod is the Go client of Agent on Demand.
//
// A call that may be made again is made again when the connection breaks or the server
// is not there for a moment; whatever creates or prompts carries an Idempotency-Key, so
// it is done once. What the server refuses is an *Error, which errors.Is compares with
// ErrNotFound and its like. Follow shows each event of a session once and in order,
// whatever happens to the connections.
package aod
