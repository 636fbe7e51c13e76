package audit

// SetMaxRows sets how many rows a rebuild holds at once, and returns what sets it back.
func SetMaxRows(n int) (back func()) {
	had := maxRows
	maxRows = n
	return func() { maxRows = had }
}
