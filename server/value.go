package server

// value is what an optional field says, or nothing.
func value[T any](field *T) T {
	if field == nil {
		var nothing T
		return nothing
	}
	return *field
}

// set puts an optional field into its place if it is there.
func set[T any](place *T, field *T) {
	if field != nil {
		*place = *field
	}
}

// unlessEmpty is the field, or nil if it is empty: both mean none.
func unlessEmpty(field *string) *string {
	if field == nil || *field == "" {
		return nil
	}
	return field
}

// nonEmpty is null for an empty text.
func nonEmpty(text string) *string { return unlessEmpty(&text) }

// each makes a body of every row.
func each[R, B any](rows []R, body func(*R) B) []B {
	bodies := make([]B, len(rows))
	for i := range rows {
		bodies[i] = body(&rows[i])
	}
	return bodies
}
