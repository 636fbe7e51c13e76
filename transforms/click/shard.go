package click

import "hash/fnv"

// ShardOf spreads pages over shards, the same way in every process and version: tables rely on it.
func ShardOf(page string, shards int) int32 {
	if shards == 1 {
		return 0
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(page))             // it never fails
	return int32(hash.Sum64() % uint64(shards)) //nolint:gosec // less than shards
}
