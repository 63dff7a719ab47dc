// Package peer knows the proxies that are measured: how each is configured to do the same work, started
// and stopped.
//
// All get the same task: HTTP/1.1 with connections kept on both sides, 95 % of requests to two blue targets
// and 5 % to two green ones, X-Forwarded-For, -Host and -Proto set, probes or the proxy's own way to notice a
// dead target, no access log, no limit that the load reaches.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Peer is a proxy that can be measured.
type Peer struct {
	Name    string
	Program string               // name or path
	Version []string             // arguments with which it tells its version
	Args    func(Setup) []string // of the server; it runs in the folder of its files
	Files   func(Setup) map[string]string
	Env     func(Setup) []string // added to this program's; nil for none
}

// Setup is the task. Addresses are host:port.
type Setup struct {
	Listen, Admin string
	Blue, Green   []string
	Threads       int // that carry requests
	Clients       int // most connections at a time
}

// Host is what clients ask for.
const Host = "bench.example"

// Shares of the traffic, in percent.
const (
	BlueShare  = 95
	GreenShare = 5
)

// Process is a running proxy.
type Process struct {
	Setup  Setup
	cmd    *exec.Cmd
	output string // file
	done   chan struct{}
}

// Pid is that of the proxy's first process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Start writes the files of a proxy to a new folder below dir, starts it there and waits until it answers.
// The caller stops it; when ctx ends first it is killed.
func (p Peer) Start(ctx context.Context, dir string, s Setup) (*Process, error) {
	own, err := os.MkdirTemp(dir, "peer-")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	for name, text := range p.Files(s) {
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start %s: %w", p.Name, err)
		}
	}
	proc, err := p.run(ctx, own, s)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := proc.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.Name, err), proc.Stop())
	}
	return proc, nil
}

func (p Peer) run(ctx context.Context, dir string, s Setup) (*Process, error) {
	name := filepath.Join(dir, "output")
	out, err := os.Create(name) //nolint:gosec // in a folder of our own
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()                       // the proxy has its own by then
	cmd := exec.CommandContext(ctx, p.Program, p.Args(s)...) //nolint:gosec // what is to be measured
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if p.Env != nil {
		cmd.Env = append(os.Environ(), p.Env(s)...)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // workers end with their master, whatever it does
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	proc := &Process{Setup: s, cmd: cmd, output: name, done: make(chan struct{})}
	go func() {
		defer close(proc.done)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	return proc, nil
}

// ready waits for several good answers in a row; some proxies answer before they have probed all targets.
func (p *Process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{}, Timeout: time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for good := 0; good < 10; {
		if p.answers(ctx, &client) {
			good++
			continue
		}
		good = 0
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("it ended: %s\n%s", p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("no answer on %s: %w\n%s", p.Setup.Listen, ctx.Err(), p.tail())
		}
	}
	return nil
}

// answers says whether the backend's answer came through; some proxies have one of their own for a host
// that they do not know.
func (p *Process) answers(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Setup.Listen+"/", nil)
	if err != nil {
		return false
	}
	req.Host = Host
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK && string(body) == "xx"
}

// tail is the end of what the proxy wrote.
func (p *Process) tail() string {
	text, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// Running is nil as long as the proxy runs; afterwards it says how it ended and what it wrote.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %s\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.tail())
	default:
		return nil
	}
}

// Stop asks the proxy to end, kills it with its workers when that takes longer than five seconds, and
// waits. A second call does nothing.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	pid := p.cmd.Process.Pid
	err := syscall.Kill(pid, syscall.SIGTERM)
	late := time.NewTimer(5 * time.Second)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		err = errors.Join(err, syscall.Kill(-pid, syscall.SIGKILL))
		<-p.done
	}
	if errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	return err
}

// Tell is the version in the program's own words, the first line that has a digit.
func (p Peer) Tell(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.Program, p.Version...).CombinedOutput() //nolint:gosec // what is to be measured
	if err != nil {
		return "", fmt.Errorf("version of %s: %w\n%s", p.Name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.ContainsAny(line, "0123456789") {
			return strings.TrimSpace(line), nil
		}
	}
	return string(bytes.TrimSpace(out)), nil
}

// always makes arguments that do not depend on the task.
func always(args ...string) func(Setup) []string { return func(Setup) []string { return args } }
