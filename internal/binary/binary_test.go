package binary

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample is a program that says a word, waits for a signal and ends with the code 7.
const sample = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("hello", os.Args[1])
	fmt.Fprintln(os.Stderr, "got", <-c)
	os.Exit(7)
}
`

func TestProcess(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "main.go": sample} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := Build(t.TempDir(), root, "sample")
	if err != nil {
		t.Fatal(err)
	}

	p := Start(t, "", program, "world")
	Until(t, "it says hello", func() bool { return p.Output() == "hello world\n" })
	p.Signal(t, syscall.SIGTERM)
	if code := p.Wait(t, 10*time.Second); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if !strings.HasSuffix(p.Output(), "got terminated\n") {
		t.Errorf("output %q lacks what went to standard error", p.Output())
	}
	p.Signal(t, syscall.SIGTERM) // nothing happens to a program that has ended

	p = Start(t, "", program, "again")
	p.Kill()
	if code := p.Wait(t, time.Second); code != -1 {
		t.Errorf("exit code %d after a kill, want -1", code)
	}
}

func TestBuildTellsWhatIsWrong(t *testing.T) {
	_, err := Build(t.TempDir(), t.TempDir(), "./nowhere")
	if err == nil || !strings.Contains(err.Error(), "build ./nowhere") {
		t.Errorf("error %v", err)
	}
}

func TestAddr(t *testing.T) {
	seen := make(map[string]bool)
	for range 50 {
		addr := Addr(t)
		if seen[addr] {
			t.Fatalf("%s was handed out twice", addr)
		}
		seen[addr] = true
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
