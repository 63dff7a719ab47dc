//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/switchback-proxy/switchback/bench/load"
)

// task is what the process that makes the load is told on its standard input. It opens the connections,
// sends the Warm requests, says that it is ready, waits for a word, sends Requests and tells the outcome.
// With a request to warm each connection and none after, it holds idle connections until that word.
type task struct {
	Plan     load.Plan
	Rate     int
	Warm     int
	Requests int
	Saturate time.Duration // in place of Requests: as many as are answered meanwhile
}

// outcome is what it tells. Times are counted from when each request was due.
type outcome struct {
	Answered, Failed          int
	First                     string // failure
	P50, P90, P99, P999, Most time.Duration
	Took                      time.Duration
}

// serveLoad is the load's process.
func serveLoad(in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	var t task
	if err := orders.Decode(&t); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	g, err := load.Open(t.Plan)
	if err != nil {
		return err
	}
	defer g.Close()
	var o outcome
	if t.Warm > 0 {
		r, err := g.Run(t.Rate, t.Warm)
		if err != nil {
			return err
		}
		o = outcomeOf(r)
	}
	if err := answers.Encode(o); err != nil {
		return err
	}
	var begin bool
	err = orders.Decode(&begin)
	if t.Requests == 0 && t.Saturate == 0 || errors.Is(err, io.EOF) {
		return nil // nobody waits for more
	}
	if err != nil {
		return fmt.Errorf("wait for the word: %w", err)
	}
	var r load.Result
	if t.Saturate > 0 {
		r, err = g.Saturate(t.Saturate)
	} else {
		r, err = g.Run(t.Rate, t.Requests)
	}
	if err != nil {
		return err
	}
	return answers.Encode(outcomeOf(r))
}

func outcomeOf(r load.Result) outcome {
	at := func(share float64) time.Duration { return quantile(r.Latencies, share) }
	return outcome{
		Answered: r.Answered, Failed: r.Failed, First: r.First,
		P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Most: at(1),
		Took: r.Took,
	}
}

// quantile is the least value that a share of the sorted ones does not exceed; 0 of none.
func quantile[T ~int64 | ~float64](sorted []T, share float64) T {
	if len(sorted) == 0 {
		return 0
	}
	i := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// loader is the other end: a load process that is ready.
type loader struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
	cancel  context.CancelFunc
	Warm    outcome
}

// startLoad returns when the load is warm. The caller calls Close.
func startLoad(ctx context.Context, self string, t task, log io.Writer) (*loader, error) {
	limit := 30*time.Second + t.Plan.Grace + t.Saturate + time.Duration(t.Warm+t.Requests)*time.Second/time.Duration(t.Rate)
	ctx, cancel := context.WithTimeout(ctx, limit)
	l := &loader{cmd: exec.CommandContext(ctx, self, "load"), cancel: cancel}
	l.cmd.Stderr = log
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		cancel()
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	l.answers = json.NewDecoder(out)
	if err := l.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start the load: %w", err)
	}
	if err := json.NewEncoder(l.in).Encode(t); err != nil {
		return nil, l.failed(err)
	}
	if err := l.answers.Decode(&l.Warm); err != nil {
		return nil, l.failed(err)
	}
	return l, nil
}

// Go lets it send its requests and waits for the outcome.
func (l *loader) Go() (outcome, error) {
	var o outcome
	if err := json.NewEncoder(l.in).Encode(true); err != nil {
		return o, l.failed(err)
	}
	if err := l.answers.Decode(&o); err != nil {
		return o, l.failed(err)
	}
	return o, nil
}

// Close ends its connections and the process.
func (l *loader) Close() {
	defer l.cancel()
	_ = l.in.Close()
	_ = l.cmd.Wait() // it ends without its input, with an error when it had more to do
}

func (l *loader) failed(err error) error {
	l.Close()
	return fmt.Errorf("load: %w, %s", err, l.cmd.ProcessState)
}
