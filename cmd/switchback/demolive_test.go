package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// terminal is a pseudo terminal with somebody in front of it.
type terminal struct {
	person  *os.File // the side of who types and looks
	program *os.File

	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	person, program, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(person, &pty.Winsize{Cols: 80, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{person: person, program: program}
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			x.mu.Lock()
			x.seen.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = program.Close()
		_ = person.Close()
		reading.Wait()
		if t.Failed() {
			t.Logf("seen: %q", x.output())
		}
	})
	return x
}

func (x *terminal) output() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen.String()
}

func (x *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(x.person, keys); err != nil {
		t.Fatal(err)
	}
}

func (x *terminal) waits(t *testing.T, text string) {
	t.Helper()
	binary.Until(t, text+" is on the screen", func() bool { return strings.Contains(ansi.Strip(x.output()), text) })
}

// standIn is a stage over a server that answers what the test says.
func standIn(t *testing.T) (*stage, *fake) {
	t.Helper()
	f, admin, err := serveFake()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	f.overview.Services = []api.Service{sceneOf(0, 0).shop}
	s := &stage{live: true, admin: admin, events: make(chan api.Event, 16)}
	if s.client, err = api.NewClient(admin, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	if s.load, err = demo.NewLoad(demo.LoadOptions{URL: "http://127.0.0.1:1/", Rate: 1, Clients: 1, Users: 1}); err != nil {
		t.Fatal(err)
	}
	return s, f
}

// trap is a context that panics once it is sprung, wherever the next limit of time is set.
type trap struct {
	context.Context
	cancel func()
	sprung atomic.Bool
}

// Deadline implements context.Context.
func (c *trap) Deadline() (time.Time, bool) {
	if c.sprung.Load() {
		panic("sprung")
	}
	return c.Context.Deadline()
}

// TestLiveRestoresTheTerminal: however it ends, modes, cursor and screen are what they were.
func TestLiveRestoresTheTerminal(t *testing.T) {
	if raceDetector {
		t.Skip("the library closes its reader of the terminal while that may still look at its descriptor, see ADR 11")
	}
	tests := []struct {
		name  string
		end   func(t *testing.T, x *terminal, ctx *trap)
		fails error
	}{
		{name: "q", end: func(t *testing.T, x *terminal, _ *trap) { x.press(t, "q") }},
		{name: "ctrl-C", end: func(t *testing.T, x *terminal, _ *trap) { x.press(t, "\x03") }},
		{name: "a signal", end: func(_ *testing.T, _ *terminal, ctx *trap) { ctx.cancel() }},
		{name: "a panic", fails: tea.ErrProgramPanic, end: func(_ *testing.T, _ *terminal, ctx *trap) { ctx.sprung.Store(true) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := openTerminal(t)
			s, _ := standIn(t)
			before, err := term.GetState(x.program.Fd())
			if err != nil {
				t.Fatal(err)
			}
			ctx := &trap{}
			ctx.Context, ctx.cancel = context.WithCancel(t.Context())
			defer ctx.cancel()
			ended := make(chan error, 1)
			go func() { ended <- s.interact(ctx, x.program, x.program, []string{"TERM=xterm-256color"}, paint{}) }()
			x.waits(t, "q quit")
			tt.end(t, x, ctx)
			if err := <-ended; !errors.Is(err, tt.fails) {
				t.Errorf("ended with %v, want %v", err, tt.fails)
			}
			after, err := term.GetState(x.program.Fd())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(before, after) {
				t.Errorf("modes %+v, before %+v", after, before)
			}
			for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h"} {
				binary.Until(t, on+" is undone", func() bool {
					out := x.output()
					return strings.Contains(out, on) && strings.LastIndex(out, on) < strings.LastIndex(out, off)
				})
			}
		})
	}
}

var adminOnScreen = regexp.MustCompile(`SWITCHBACK_ADMIN=(http://127\.0\.0\.1:\d+)`)

// TestLiveDemo is the whole of it on a terminal: keys move real traffic, one after the other, and the table
// in the end has what users saw.
func TestLiveDemo(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("takes some seconds")
	}
	x := openTerminal(t)
	ended := make(chan error, 1)
	go func() { ended <- runLiveDemo(t.Context(), x.program, x.program, paint{}, demo.Fault{}) }()
	x.waits(t, "q quit")
	x.waits(t, "2/2") // only what changed is drawn: "up" may be there already
	admin := adminOnScreen.FindStringSubmatch(ansi.Strip(x.output()))
	if admin == nil {
		t.Fatal("the address of the API is not on the screen")
	}
	c, err := api.NewClient(admin[1], "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	green := func(weight float64) func() bool {
		return func() bool {
			shop, err := c.Service(t.Context(), "shop")
			return err == nil && shop.Weights.InForce["green"] == weight
		}
	}
	x.press(t, "\x1b[C\x1b[C\x1b[C\x1b[D") // three to the right, one back, faster than they are done
	binary.Until(t, "green has 10 %", green(10))
	x.press(t, "c")
	binary.Until(t, "green has everything", green(100))
	x.press(t, "r")
	binary.Until(t, "green has 10 % again", green(10))
	x.press(t, "p")
	binary.Until(t, "it is paused", func() bool {
		shop, err := c.Service(t.Context(), "shop")
		return err == nil && shop.Paused != nil
	})
	x.press(t, "bq")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	x.waits(t, "\nrollback")
	_, table, _ := strings.Cut(ansi.Strip(x.output()), "phase ")
	for _, row := range []string{"as the file says", "weights", "cutover", "rollback"} {
		if !strings.Contains(table, "\n"+row) {
			t.Errorf("the table has no row %q:\n%s", row, table)
		}
	}
	if coloured := regexp.MustCompile(`\x1b\[[0-9;]*[39][0-7]m`); coloured.MatchString(x.output()) {
		t.Error("there is colour where none was wanted")
	}
}

// TestLiveTakesKeysInTurn presses keys while the server has not answered the first one.
func TestLiveTakesKeysInTurn(t *testing.T) {
	s, f := standIn(t)
	m := &live{ctx: t.Context(), stage: s, scene: scene{shop: sceneOf(10, 0).shop, soon: time.Second}}
	first := m.press("c")
	if m.press("r") != nil || m.press("p") != nil || m.scene.soon != 0 {
		t.Fatal("a key did not wait for the one before")
	}
	for cmd := first; cmd != nil; {
		_, cmd = m.Update(cmd())
	}
	if got := strings.Join(f.seen, "\n"); got != "cutover shop {\"to\":\"green\",\"reason\":\"\"} by anonymous\n"+
		"rollback shop {\"reason\":\"\"} by anonymous\npause shop {\"reason\":\"\"} by anonymous" {
		t.Errorf("the server saw\n%s", got)
	}
	if m.scene.busy || len(m.scene.typed) != 3 || m.scene.typed[2].line != "switchback pause shop" || len(m.scene.typed[2].answer) == 0 {
		t.Errorf("typed %+v, busy %v", m.scene.typed, m.scene.busy)
	}
	for range 100 { // somebody leans on a key
		m.press("right")
	}
	if len(m.queue) != liveQueue {
		t.Errorf("%d keys wait, want %d", len(m.queue), liveQueue)
	}
}

// TestDemoIsPlainWithoutATerminal: a pipe, --plain and --output json get lines.
func TestDemoIsPlainWithoutATerminal(t *testing.T) {
	x := openTerminal(t)
	for name, tt := range map[string]struct {
		in   io.Reader
		out  io.Writer
		json bool
		term string
		live bool
	}{
		"a terminal":      {in: x.program, out: x.program, live: true},
		"a pipe":          {in: x.program, out: &bytes.Buffer{}},
		"no input":        {in: strings.NewReader(""), out: x.program},
		"a dumb terminal": {in: x.program, out: x.program, term: "dumb"},
		"JSON":            {in: x.program, out: x.program, json: true},
	} {
		a := &app{env: func(name string) string { return map[string]string{"TERM": tt.term}[name] }, output: "text", now: time.Now}
		if tt.json {
			a.output = "json"
		}
		cmd := a.demoCommand()
		cmd.SetIn(tt.in)
		cmd.SetOut(tt.out)
		if _, _, live := a.conversation(cmd); live != tt.live {
			t.Errorf("%s: live %v, want %v", name, live, tt.live)
		}
	}
}
