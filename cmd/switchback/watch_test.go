package main

import (
	"os"
	"strings"
	"testing"
)

func TestRedraw(t *testing.T) {
	text := func(p *page) { p.line("shop"); p.line("blue") }
	var first, second page
	first.redraw(text, true)
	second.redraw(text, false)
	const want = "\x1b[Hshop\x1b[K\nblue\x1b[K\n\x1b[J"
	if got := second.String(); got != want {
		t.Errorf("redraw = %q, want %q", got, want)
	}
	if got := first.String(); got != "\x1b[2J"+want {
		t.Errorf("first draw = %q, want an empty screen before it", got)
	}
}

func TestTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	term := ""
	a := &app{env: func(string) string { return term }}
	if !a.terminal(null) || a.terminal(file) || a.terminal(&strings.Builder{}) {
		t.Error("a device is a terminal, a file and a buffer are none")
	}
	if term = "dumb"; a.terminal(null) {
		t.Error("a dumb terminal cannot redraw")
	}
}
