//go:build e2e

package e2e

import (
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// onScreen is a program on a terminal, and what the terminal shows.
type onScreen struct {
	cmd    *exec.Cmd
	person *os.File
	tty    *os.File // the program's side, kept open to ask for its modes
	before *term.State
	ended  chan error

	screen *vt.SafeEmulator
}

func perform(t *testing.T, env []string, args ...string) *onScreen {
	t.Helper()
	person, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &onScreen{person: person, tty: tty, ended: make(chan error, 1), screen: vt.NewSafeEmulator(80, 24)}
	s.resize(t, 80, 24)
	if s.before, err = term.GetState(tty.Fd()); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.CommandContext(t.Context(), program, args...)
	s.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color"), env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(s.screen, person) })
	copying.Go(func() { _, _ = io.Copy(person, s.screen) }) // what a terminal answers when it is asked
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has ended, unless the test failed
		if t.Failed() {
			t.Logf("on the screen:\n%s", s.screen.String())
		}
		_ = tty.Close()
		_ = person.Close()
		_ = s.screen.Close()
		copying.Wait()
	})
	return s
}

func (s *onScreen) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	if err := pty.Setsize(s.person, &pty.Winsize{Cols: cols, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	s.screen.Resize(int(cols), int(rows))
}

func (s *onScreen) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.person, keys); err != nil {
		t.Fatal(err)
	}
}

func (s *onScreen) shows(t *testing.T, text string) {
	t.Helper()
	binary.Within(t, time.Minute, text+" is on the screen", func() bool { return strings.Contains(s.screen.String(), text) })
}

// coloured counts the cells of a row that have a colour: the view paints in several writes, so a first look
// may find a row half painted.
func (s *onScreen) coloured(row int) int {
	n := 0
	for x := range s.screen.Width() {
		if c := s.screen.CellAt(x, row); c != nil && c.Style.Fg != nil {
			n++
		}
	}
	return n
}

// ends waits for the end of the program: exit code 0, and the terminal as it was before.
func (s *onScreen) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	after, err := term.GetState(s.tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.before, after) {
		t.Errorf("modes of the terminal %+v, before %+v", after, s.before)
	}
	binary.Until(t, "the screen is what it was", func() bool { return !s.screen.IsAltScreen() && !s.screen.CursorHidden() })
}

// TestDemoOnATerminal plays the first meeting: a version that fails goes back by itself, keys do what the
// commands they show do, and SIGTERM leaves the terminal in order.
func TestDemoOnATerminal(t *testing.T) {
	t.Parallel()
	s := perform(t, nil, "demo")
	s.shows(t, "green is new")
	binary.Within(t, time.Minute, "blue's row has a colour", func() bool { return s.coloured(3) >= 10 })
	s.press(t, "b")
	s.shows(t, "b errors on")
	s.shows(t, "green now answers 5 % of its requests with status 500")
	s.press(t, "s")
	s.shows(t, "$ switchback rollout start shop")
	s.shows(t, "rollout step 1/4 (10 %)")
	s.shows(t, "rolled back: since")
	s.shows(t, "version 2.0 was rolled back")
	s.press(t, "b")
	s.shows(t, "green fails no more")
	s.press(t, "\x1b[C\x1b[C")
	s.shows(t, "$ switchback weights shop blue=90 green=10")
	s.press(t, "c")
	s.shows(t, "shop cut over: blue 90 %, green 10 % → green 100 %")
	s.press(t, "p")
	s.shows(t, "p resume")
	s.resize(t, 40, 10)
	s.shows(t, "The demo needs 60 columns")
	s.resize(t, 100, 30)
	s.shows(t, "q quit")
	if !s.screen.IsAltScreen() || !s.screen.CursorHidden() {
		t.Error("the view is not on a screen of its own")
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ends(t)
	s.shows(t, "phase ")
	s.shows(t, "rolled back ")
}

// TestDemoWithoutColour honours NO_COLOR and ends with ctrl-C.
func TestDemoWithoutColour(t *testing.T) {
	t.Parallel()
	s := perform(t, []string{"NO_COLOR=1"}, "demo")
	s.shows(t, "2/2 up")
	for y := range 24 {
		for x := range 80 {
			if c := s.screen.CellAt(x, y); c != nil && (c.Style.Fg != nil || c.Style.Bg != nil) {
				t.Fatalf("cell %d, %d has a colour", x, y)
			}
		}
	}
	s.press(t, "\x03")
	s.ends(t)
	s.shows(t, "as the file says")
}

// TestDemoPlain stays with lines on a terminal that it could draw on.
func TestDemoPlain(t *testing.T) {
	t.Parallel()
	s := perform(t, nil, "demo", "--plain", "--for", "10s")
	s.shows(t, "$ switchback rollout start shop")
	if s.screen.IsAltScreen() {
		t.Error("there is a view instead of lines")
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
	s.shows(t, "rollback by hand")
}
