package delta

import "time"

// CheckGround has the follower look whether the log is still the same as soon as nothing is new.
func (f *Follower) CheckGround() { f.checked = time.Time{} }
