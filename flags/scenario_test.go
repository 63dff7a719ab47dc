package flags

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// TestScenarios plays the stories in testdata. A line that is not indented is what happens, the indented
// lines below it are what became of it; -update rewrites those.
//
//	file 25, file all, file gone   what the file says of the flag from now on; nobody has read it yet
//	reload                         the file is read
//	set 50, drop, kill, restore    commands; the reason follows a colon
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*_*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(raw))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Errorf("%s differs; got:\n%s", file, got)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	t.Helper()
	st := &story{now: time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)}
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		out.WriteString(line + "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			for _, said := range st.line(t, line) {
				out.WriteString("    " + said + "\n")
			}
		}
	}
	return out.String()
}

// story is one flag and what the file says of it.
type story struct {
	state State
	file  *config.Flag
	now   time.Time
}

// define is what a word stands for: a percentage, a strategy, "gone", or a definition in full.
func define(t *testing.T, word string) *config.Flag {
	t.Helper()
	switch {
	case word == "gone":
		return nil
	case word == "all" || word == "none":
		word = `{"strategy":"` + word + `"}`
	case !strings.HasPrefix(word, "{"):
		word = `{"strategy":"percentage","value":` + word + `}`
	}
	return parsed(t, "x", word)
}

func (st *story) line(t *testing.T, line string) []string {
	t.Helper()
	line, reason, _ := strings.Cut(line, ": ")
	verb, word, _ := strings.Cut(line, " ")
	st.now = st.now.Add(time.Minute)
	before := st.state
	switch verb {
	case "file":
		st.file = define(t, word)
		return nil
	case "reload":
		now, changed := Reload(before, "x", st.file, Cause{By: "file", At: st.now})
		if changed != (now.Seq != before.Seq) {
			t.Errorf("%s: changed is %v, decision %d after %d", line, changed, now.Seq, before.Seq)
		}
		st.state = now
	default:
		c := Command{Verb: Verb(verb), Cause: Cause{By: "ci", At: st.now, Reason: reason}, Remote: "10.0.0.9", Name: "x", File: st.file}
		if c.Verb == VerbSet {
			c.Flag = define(t, word)
		}
		st.state = Step(before, c)
		if again := Step(st.state, c); !bytes.Equal(encoded(t, again), encoded(t, st.state)) {
			t.Errorf("%s a second time changes %s to %s", line, encoded(t, st.state), encoded(t, again))
		}
	}
	return append([]string{st.inForce()}, st.decided(t, before)...)
}

func (st *story) inForce() string {
	d, layer, there := st.state.InForce(st.file)
	switch {
	case !there && st.state.Killed != nil:
		return "not there, killed"
	case !there:
		return "not there"
	case d.Killed:
		return fmt.Sprintf("%s, by %s, killed by %s", Say(d.Flag), layer, st.state.Killed.By)
	}
	return fmt.Sprintf("%s, by %s", Say(d.Flag), layer)
}

// decided is what the record says of the last line.
func (st *story) decided(t *testing.T, before State) []string {
	t.Helper()
	if st.state.Seq == before.Seq {
		if !bytes.Equal(encoded(t, before), encoded(t, st.state)) {
			t.Errorf("no decision, but %s became %s", encoded(t, before), encoded(t, st.state))
		}
		return []string{"unchanged"}
	}
	d := st.state.Recent[len(st.state.Recent)-1]
	if st.state.Seq != before.Seq+1 || d.Seq != st.state.Seq || !d.At.Equal(st.now) || d.By == "" {
		t.Errorf("decision %+v after %d", d, before.Seq)
	}
	return []string{"| " + string(d.Type) + ": " + d.Sentence}
}

// encoded is a state as it is stored, after it was read once.
func encoded(t testing.TB, s State) []byte {
	t.Helper()
	if s.Empty() {
		return nil
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if again, err := read.Encode(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("%s\nwas read and stored as\n%s (%v)", b, again, err)
	}
	return b
}
