package store

import "time"

// Micros is a moment as the database keeps it: microseconds since 1970, UTC.
type Micros int64

// Time returns the moment in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

func micros(t time.Time) Micros { return Micros(t.UnixMicro()) }
