package delta_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

// TestCommitConflicts has another writer commit in between.
func TestCommitConflicts(t *testing.T) {
	concerns := func(tx *delta.Transaction) {
		tx.Concerns = func(a *delta.Add) bool { return strings.HasPrefix(a.Path, "w1-") }
	}
	app := func(tx *delta.Transaction) { tx.Txn = []delta.Txn{{AppID: "app", Version: 1}} }
	both := func(*delta.Transaction) {}
	for name, c := range map[string]struct {
		theirs, mine          func(*delta.Transaction)
		theyRemove, theyAdd   string
		mineRemoves, mineAdds string
		conflict              string // or none
	}{
		"other files":          {both, both, "a", "c", "b", "d", ""},
		"only adding":          {both, both, "", "c", "", "d", ""},
		"removed by both":      {both, both, "a", "c", "a", "d", "it removes a"},
		"the same name":        {both, both, "", "c", "", "c", "it adds c"},
		"a window of concern":  {both, concerns, "", "w1-x", "", "w1-y", "it adds w1-x"},
		"one of no concern":    {both, concerns, "", "w2-x", "", "w1-y", ""},
		"the same application": {app, app, "", "c", "", "d", "application app"},
		"another application":  {app, both, "", "c", "", "d", ""},
		"metadata":             {func(tx *delta.Transaction) { m := tx.Read.Metadata; tx.Metadata = &m }, both, "", "", "", "d", "metadata"},
		"protocol":             {func(tx *delta.Transaction) { p := tx.Read.Protocol; tx.Protocol = &p }, both, "", "", "", "d", "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &storetest.Memory{}
			me := create(t, store, noCheckpoints)
			commit(t, me, nil, "a", "b")
			they := open(t, store)

			mine := replace(me, names(c.mineRemoves), names(c.mineAdds)...)
			c.mine(&mine)
			theirs := replace(they, names(c.theyRemove), names(c.theyAdd)...)
			c.theirs(&theirs)
			_, err := they.Commit(t.Context(), theirs)
			require.NoError(t, err)
			before := everything(t, store)

			done, err := me.Commit(t.Context(), mine)
			if c.conflict == "" {
				require.NoError(t, err)
				assert.EqualValues(t, 3, done.Version)
				require.Len(t, done.Between, 1)
				assert.EqualValues(t, 2, done.Between[0].Version)
				assert.Equal(t, paths(done.Snapshot), paths(open(t, store).Snapshot()))
				return
			}
			var conflict *delta.Conflict
			require.ErrorAs(t, err, &conflict)
			assert.EqualValues(t, 2, conflict.Version)
			require.ErrorContains(t, err, c.conflict)
			require.ErrorContains(t, err, "by test,", "it names who did it")
			assert.Equal(t, before, everything(t, store), "nothing was written")

			// The same within one process, which has seen the other version already.
			_, err = me.Commit(t.Context(), mine)
			require.ErrorAs(t, err, &conflict)
		})
	}
}

func names(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func TestCommitRefusesPlansThatCannotBe(t *testing.T) {
	log := create(t, &storetest.Memory{}, noCheckpoints)
	commit(t, log, nil, "a")
	s := log.Snapshot()
	gone := file("gone")
	for want, tx := range map[string]delta.Transaction{
		"planned on":                   {Operation: "WRITE"},
		"what operation":               {Read: s},
		"file a would be in the table": {Read: s, Operation: "WRITE", Add: []delta.Add{file("a")}},
		"file b would be in the table": {Read: s, Operation: "WRITE", Add: []delta.Add{file("b"), file("./b")}},
		"version 1 does not hold it":   {Read: s, Operation: "WRITE", Remove: []delta.Remove{gone.Remove(time.Now(), true)}},
		"escapes nothing":              {Read: s, Operation: "WRITE", Add: []delta.Add{{Path: "%"}}},
		"names no file":                {Read: s, Operation: "WRITE", Remove: []delta.Remove{{}}},
	} {
		_, err := log.Commit(t.Context(), tx)
		require.ErrorContains(t, err, want)
	}
	assert.EqualValues(t, 1, log.Snapshot().Version)
}

func TestCommitSaysWhereItComesFrom(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "a")
	tx := replace(log, []string{"a"}, "b")
	tx.Parameters, tx.Metrics = map[string]string{"windows": "1"}, map[string]string{"numOutputRows": "3"}
	tx.Txn = []delta.Txn{{AppID: "app", Version: 7}}
	done, err := log.Commit(t.Context(), tx)
	require.NoError(t, err)
	version, ok := done.Txn("app")
	assert.True(t, ok)
	assert.EqualValues(t, 7, version)

	text := everything(t, store)[fmt.Sprintf(entry, 2)]
	e, err := delta.ParseEntry(2, []byte(text))
	require.NoError(t, err)
	read := int64(1)
	assert.NotEmpty(t, e.Info.TxnID)
	e.Info.TxnID = ""
	assert.Equal(t, &delta.CommitInfo{
		Timestamp: done.Time.UnixMilli(), Operation: "WRITE", OperationParameters: tx.Parameters, ReadVersion: &read,
		IsolationLevel: "Serializable", OperationMetrics: tx.Metrics, EngineInfo: "test",
	}, e.Info)
	assert.True(t, e.Removes[0].ExtendedFileMetadata)
	assert.Equal(t, delta.Values{"window_date": "2026-11-23"}, e.Removes[0].PartitionValues)
}

// TestCommitWhoseAnswerIsLost has the store do what it was asked and say that it failed, or that it was done
// before, and the other way round.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	memory := &storetest.Memory{}
	create(t, memory, noCheckpoints)
	fault := storetest.None
	store := &storetest.Faulty{Store: memory, Decide: func(op, _ string) storetest.Fault {
		if op == "put-if-absent" {
			return fault
		}
		return storetest.None
	}}
	log := open(t, store)

	fault = storetest.After
	done := commit(t, log, nil, "a")
	assert.EqualValues(t, 1, done.Version, "it was done, and is known to be")
	fault = storetest.None
	assert.EqualValues(t, 2, commit(t, log, []string{"a"}, "b").Version)

	fault = storetest.Before
	_, err := log.Commit(t.Context(), replace(log, nil, "c"))
	require.ErrorIs(t, err, storetest.ErrInjected)
	fault = storetest.None
	assert.EqualValues(t, 3, commit(t, log, nil, "c").Version, "planning it anew is right")

	// The answer is lost on the way, and the store's client asks again by itself.
	log = open(t, &repeating{memory})
	assert.EqualValues(t, 4, commit(t, log, nil, "d").Version)
	assert.Equal(t, []string{"b", "c", "d"}, paths(open(t, memory).Snapshot()))

	_, err = delta.Create(t.Context(), &storetest.Faulty{Store: &storetest.Memory{}, Decide: func(op, _ string) storetest.Fault {
		if op == "put-if-absent" {
			return storetest.After
		}
		return storetest.None
	}}, pages, noCheckpoints)
	require.NoError(t, err, "making a table is a commit as well")
}

// repeating is a store whose client asks twice.
type repeating struct{ objects.Store }

func (s *repeating) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return errors.Join(s.Store.PutIfAbsent(ctx, name, data), s.Store.PutIfAbsent(ctx, name, data))
}

// TestCommitThatIsCancelled is done or not done, and what it returns says which.
func TestCommitThatIsCancelled(t *testing.T) {
	memory := &storetest.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	create(t, memory, noCheckpoints)
	log := open(t, &storetest.Faulty{Store: memory, Decide: func(op, _ string) storetest.Fault {
		if op != "put-if-absent" {
			return storetest.None
		}
		cancel()
		return storetest.After // which is as far as ctx is looked at
	}})
	_, err := log.Commit(ctx, replace(log, nil, "a"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = log.Refresh(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, open(t, memory).Snapshot().Len())
}

// TestCommitWhereTheLogWasCleanedUp plans on a version whose successors are gone.
func TestCommitWhereTheLogWasCleanedUp(t *testing.T) {
	store := &storetest.Memory{}
	slow := create(t, store, noCheckpoints)
	fast := open(t, store)
	tx := replace(slow, nil, "slow")
	for i := range 5 {
		commit(t, fast, nil, fmt.Sprint(i))
	}
	require.NoError(t, fast.Checkpoint(t.Context()))
	for i := range 5 {
		require.NoError(t, store.Delete(t.Context(), fmt.Sprintf(entry, i)))
	}
	s, err := slow.Refresh(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 5, s.Version, "it reads the checkpoint, and writes no version 1")
	_, err = slow.Commit(t.Context(), tx)
	var conflict *delta.Conflict
	require.ErrorAs(t, err, &conflict)
	assert.EqualValues(t, 6, commit(t, slow, nil, "slow").Version)
}

// TestWritersAllLand has 8 writers commit 50 times each, to one folder, each through a log of its own. Half of
// them replace a file of their own, the others replace one file that all of them want.
func TestWritersAllLand(t *testing.T) {
	const writers, commits = 8, 50
	root := t.TempDir()
	log := create(t, objects.NewFolder(root), delta.Options{})
	commit(t, log, nil, "shared-0")
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			mine, err := delta.Open(t.Context(), objects.NewFolder(root), delta.Options{Engine: fmt.Sprint("writer ", w)})
			if err != nil {
				return err
			}
			prefix := fmt.Sprintf("mine-%d-", w)
			if w%2 == 1 {
				prefix = "shared-"
			}
			for range commits {
				if err := increment(t.Context(), mine, prefix, fmt.Sprint("-", w)); err != nil {
					return err
				}
			}
			return mine.Close()
		})
	}
	require.NoError(t, group.Wait())

	s, err := log.Refresh(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1+writers*commits, s.Version)
	for w := range writers / 2 {
		assert.Equal(t, commits, value(s, fmt.Sprintf("mine-%d-", 2*w)))
	}
	assert.Equal(t, writers/2*commits, value(s, "shared-"), "no update is lost")
	assert.Equal(t, 1+writers/2, s.Len())

	again, err := delta.Open(t.Context(), objects.NewFolder(root), delta.Options{})
	require.NoError(t, err)
	assert.Equal(t, paths(s), paths(again.Snapshot()))
	require.NoError(t, log.Close())
}

// increment replaces the file that begins with a prefix by one that counts one more, planning anew as often as
// others are faster. The suffix keeps names of different writers apart.
func increment(ctx context.Context, log *delta.Log, prefix, suffix string) error {
	for {
		tx := incremented(log, prefix, suffix)
		_, err := log.Commit(ctx, tx)
		var conflict *delta.Conflict
		if !errors.As(err, &conflict) {
			return err
		}
		if _, err := log.Refresh(ctx); err != nil {
			return err
		}
	}
}

func incremented(log *delta.Log, prefix, suffix string) delta.Transaction {
	tx := delta.Transaction{
		Read: log.Snapshot(), Operation: "WRITE",
		Concerns: func(a *delta.Add) bool { return strings.HasPrefix(a.Path, prefix) },
	}
	for f := range tx.Read.Files() {
		if strings.HasPrefix(f.Path, prefix) {
			tx.Remove = append(tx.Remove, f.Remove(time.Now(), true))
		}
	}
	tx.Add = []delta.Add{file(fmt.Sprint(prefix, value(tx.Read, prefix)+1, suffix))}
	return tx
}

// value returns what the file that begins with a prefix counts, -1 when there are several.
func value(s *delta.Snapshot, prefix string) int {
	n, files := 0, 0
	for f := range s.Files() {
		if rest, ok := strings.CutPrefix(f.Path, prefix); ok {
			files++
			_, _ = fmt.Sscan(strings.Split(rest, "-")[0], &n)
		}
	}
	if files > 1 {
		return -1
	}
	return n
}

func TestCreateIsDoneByOneOfEight(t *testing.T) {
	root := t.TempDir()
	made := make(chan error, 8)
	for range cap(made) {
		go func() {
			_, err := delta.Create(t.Context(), objects.NewFolder(root), pages, noCheckpoints)
			made <- err
		}()
	}
	winners := 0
	for range cap(made) {
		if err := <-made; err == nil {
			winners++
		} else {
			require.ErrorIs(t, err, delta.ErrTableExists)
		}
	}
	assert.Equal(t, 1, winners)
}

func TestErrorsOfTheStoreAreTold(t *testing.T) {
	memory := &storetest.Memory{}
	create(t, memory, noCheckpoints)
	for _, op := range []string{"read", "list"} {
		_, err := delta.Open(t.Context(), &storetest.Faulty{Store: memory, Decide: func(o, _ string) storetest.Fault {
			if o == op {
				return storetest.Before
			}
			return storetest.None
		}}, noCheckpoints)
		require.ErrorIs(t, err, storetest.ErrInjected)
		assert.NotErrorIs(t, err, fs.ErrNotExist)
	}
}

// TestOthers has three logs of two writers: each is told of the other writer's versions, once, and of none of its own.
func TestOthers(t *testing.T) {
	store := &storetest.Memory{}
	create(t, store, noCheckpoints)
	seen := map[string][]int64{}
	open := func(name, writer string) *delta.Log {
		log, err := delta.Open(t.Context(), store, delta.Options{Writer: writer, CheckpointInterval: -1, Others: func(e *delta.Entry) { seen[name] = append(seen[name], e.Version) }})
		require.NoError(t, err)
		return log
	}
	first, second, alone := open("first", "a"), open("second", "a"), open("alone", "")
	commit(t, first, nil, "1")
	commit(t, second, nil, "2") // which finds out at the commit
	commit(t, alone, nil, "3")
	commit(t, first, nil, "4")
	for _, log := range []*delta.Log{first, second, alone} {
		_, err := log.Refresh(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, map[string][]int64{"first": {3}, "second": {3}, "alone": {1, 2, 4}}, seen)
}
