package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clickstream/io/registry"
)

// withRestart kills the broker or the registry while the run goes on, and starts it again; the run must survive
// that. Then it is killed.
func (st *story) withRestart(ctx context.Context, until string) error {
	cmd, out := st.command(ctx, until)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the run: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	name := []string{"kafka", "registry"}[st.random.IntN(2)]
	if err := st.restart(ctx, name); err != nil {
		_ = cmd.Process.Kill()
		return errors.Join(err, st.judge(<-ended, out.String()))
	}
	st.restarts++
	select {
	case err := <-ended:
		return st.judge(err, out.String())
	case <-time.After(time.Duration(500+st.random.IntN(2000)) * time.Millisecond):
	}
	_ = cmd.Process.Kill()
	return st.judge(<-ended, out.String())
}

// restart kills what scripts/components/up has started under this name, as by kill -9, and starts it again with
// the same words.
func (st *story) restart(ctx context.Context, name string) error {
	file := filepath.Join(st.components, name+".pid")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	words, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	folder, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for syscall.Kill(pid, 0) == nil && !isZombie(pid) {
		<-poll.C
	}
	args := strings.Split(string(bytes.TrimSuffix(words, []byte{0})), "\x00")
	log, err := os.OpenFile(filepath.Join(st.components, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // the words are those it was started with; it outlives us
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }()
	if err := os.WriteFile(file, fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return st.answers(ctx, name)
}

// answers waits until what was restarted answers.
func (st *story) answers(ctx context.Context, name string) error {
	if name == "kafka" {
		return st.connection.Ping(ctx)
	}
	schemas, err := registry.New(registry.Settings{URL: st.suite.registry})
	if err != nil {
		return err
	}
	defer schemas.Close()
	return schemas.Ping(ctx)
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}
