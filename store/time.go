package store

import (
	"fmt"
	"time"
)

// Micros is a moment as the database keeps it: microseconds since 1970, UTC.
type Micros int64

// Scan reads the moment from its column, without the detour by way of a text that
// database/sql takes for integers of other types than its own.
func (m *Micros) Scan(column any) error {
	n, isInteger := column.(int64)
	if !isInteger {
		return fmt.Errorf("a %T is no moment", column)
	}
	*m = Micros(n)
	return nil
}

// Time returns the moment in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

func micros(t time.Time) Micros { return Micros(t.UnixMicro()) }
