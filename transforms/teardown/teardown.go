// Package teardown closes what a pipeline's steps have opened in this process. Beam's Go SDK does not: its workers
// never call a DoFn's Teardown, whether the job is done, failed or cancelled (2.77, core/runtime/harness).
package teardown

import (
	"errors"
	"fmt"
	"sync"
)

// ErrEnded is returned by Later when the pipeline has ended: a cancelled job may still begin a bundle.
var ErrEnded = errors.New("the pipeline has ended")

var pipelines = struct {
	sync.Mutex
	open  map[string][]func() error
	ended map[string]bool
}{open: map[string][]func() error{}, ended: map[string]bool{}}

// Later makes End call f, once the named pipeline has ended. If it has ended already, f is called at once, and
// the error is ErrEnded.
func Later(pipeline string, f func() error) error {
	pipelines.Lock()
	defer pipelines.Unlock()
	if pipelines.ended[pipeline] {
		return errors.Join(fmt.Errorf("pipeline %s: %w", pipeline, ErrEnded), f())
	}
	pipelines.open[pipeline] = append(pipelines.open[pipeline], f)
	return nil
}

// End calls what Later was given for the pipeline, the last first, and returns the errors.
func End(pipeline string) error {
	pipelines.Lock()
	open := pipelines.open[pipeline]
	delete(pipelines.open, pipeline)
	pipelines.ended[pipeline] = true
	pipelines.Unlock()
	var errs []error
	for i := len(open) - 1; i >= 0; i-- {
		errs = append(errs, open[i]())
	}
	return errors.Join(errs...)
}
