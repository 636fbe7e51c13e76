package storetest_test

import (
	"testing"

	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) (objects.Store, objects.Store) {
		m := &storetest.Memory{}
		return m, m
	})
}
