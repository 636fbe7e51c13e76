package click

import "crypto/sha256"

// EventKey stands for an event_id: the first half of its SHA-256, so that nobody can write ids that are taken for one
// another. It is what is kept of an event where each counts once.
type EventKey [16]byte

// KeyOf returns the key of an event_id.
func KeyOf(id string) EventKey {
	sum := sha256.Sum256([]byte(id))
	return EventKey(sum[:len(EventKey{})])
}
