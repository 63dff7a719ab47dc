package flags

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("", 3600))

// step is one command of ci.
func step(s State, verb Verb, flag, file *config.Flag) State {
	return Step(s, Command{Verb: verb, Cause: Cause{By: "ci", At: noon, Reason: "test"}, Name: "x", Flag: flag, File: file})
}

// TestEveryOrder plays every sequence of five events and compares with the rules in a few words: a kill
// lasts until it is restored; the file wins where it changed; else what was set counts until it is dropped.
func TestEveryOrder(t *testing.T) {
	first, second, runtime := parsed(t, "x", `{"strategy":"percentage","value":25}`), parsed(t, "x", `{"strategy":"all"}`), parsed(t, "x", `{"strategy":"users","users":["a"]}`)
	files := []*config.Flag{first, second, nil}
	const events = 7
	for sequence := range events * events * events * events * events {
		var s State
		var want struct {
			override *config.Flag
			killed   bool
		}
		file, story := first, ""
		for rest := sequence; rest > 0; rest /= events {
			switch event := rest % events; event {
			case 0, 1:
				definition := []*config.Flag{runtime, second}[event]
				s, want.override = step(s, VerbSet, definition, file), definition
				if definition == file {
					want.override = nil
				}
			case 2:
				s, want.override = step(s, VerbDrop, nil, file), nil
			case 3:
				s, want.killed = step(s, VerbKill, nil, file), true
			case 4:
				s, want.killed = step(s, VerbRestore, nil, file), false
			case 5: // another file each time
				file, want.override = files[(indexOf(files, file)+1)%len(files)], nil
				s, _ = Reload(s, "x", file, Cause{By: "file", At: noon})
			case 6: // an edit of something else
				s, _ = Reload(s, "x", file, Cause{By: "file", At: noon})
			}
			story += fmt.Sprint(rest % events)
			d, layer, there := s.InForce(file)
			expected, from := want.override, FromRuntime
			if expected == nil {
				expected, from = file, FromFile
			}
			if d.Flag != expected || d.Killed != want.killed || there != (expected != nil) || layer != from || (s.Override != nil) != (want.override != nil) {
				t.Fatalf("events %s: in force %v, killed %v, by %s; want %v, %v, %s", story, d.Flag, d.Killed, layer, expected, want.killed, from)
			}
		}
	}
}

func indexOf(files []*config.Flag, file *config.Flag) int {
	for i, f := range files {
		if f == file {
			return i
		}
	}
	return -1
}

func TestStateKeepsTheLastDecisions(t *testing.T) {
	var s State
	for i := range 40 {
		before := s
		s = step(s, []Verb{VerbKill, VerbRestore}[i%2], nil, nil)
		if len(before.Recent) > 0 && before.Recent[len(before.Recent)-1].Seq != int64(i) {
			t.Fatalf("the state before decision %d was changed", i+1)
		}
	}
	if len(s.Recent) != 32 || s.Recent[0].Seq != 9 || s.Recent[31].Seq != 40 || s.Seq != 40 {
		t.Errorf("%d decisions from %d to %d, want 32 from 9 to 40", len(s.Recent), s.Recent[0].Seq, s.Recent[len(s.Recent)-1].Seq)
	}
}

// What is stored is read as it was, the time zone and text that JSON escapes included.
func TestStateRoundTrip(t *testing.T) {
	f := parsed(t, "x", `{"strategy":"percentage","value":12.5,"salt":"<&>","users":["böb"],`+colours+`,"targeting":[{"when":{"attribute":"v","semver":">=1 <2"},"value":5}]}`)
	s := step(step(State{}, VerbSet, f, nil), VerbKill, nil, nil)
	read, err := Decode(encoded(t, s)) // which compares the bytes
	if err != nil {
		t.Fatal(err)
	}
	d, layer, there := read.InForce(nil)
	if !there || layer != FromRuntime || !d.Killed || digest(d.Flag) != digest(f) || d.Name != "x" {
		t.Errorf("read: %+v by %s", d, layer)
	}
	if got := read.Recent[0]; got.Sentence != s.Recent[0].Sentence || !got.At.Equal(noon) || got.Reason != "test" {
		t.Errorf("read: %+v, want %+v", got, s.Recent[0])
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(encoded(t, step(State{}, VerbSet, parsed(t, "x", `{"strategy":"percentage","value":5}`), nil)))
	for name, tt := range map[string]struct{ old, new, want string }{
		"another format":  {`"format":1`, `"format":2`, "decode flag: format 2 is not 1"},
		"no format":       {`"format":1,`, ``, "decode flag: format 0 is not 1"},
		"a bad value":     {`"value":5`, `"value":101`, "decode flag: value: is 101; a percentage is a number from 0 to 100"},
		"a bad name":      {`"name":"x"`, `"name":""`, `decode flag: "" is not a name`},
		"no definition":   {`"definition":{`, `"definitions":{`, "decode flag: the definition is not JSON: it ends too early"},
		"an unknown key":  {`"strategy":`, `"strategies":1,"strategy":`, `decode flag: strategies: unknown key; did you mean "strategy"?`},
		"no JSON":         {`{"format"`, `"format"`, "decode flag: invalid character"},
		"something after": {`]}`, `]}{}`, "decode flag: invalid character"},
	} {
		changed := strings.Replace(good, tt.old, tt.new, 1)
		if changed == good {
			t.Fatalf("%s: %s has no %s", name, good, tt.old)
		}
		s, err := Decode([]byte(changed))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !s.Empty() {
			t.Errorf("%s: got %+v, %v, want %s", name, s, err, tt.want)
		}
	}
	for _, b := range []string{"", "null", "[]", "{}"} {
		if _, err := Decode([]byte(b)); err == nil {
			t.Errorf("Decode(%q) succeeds", b)
		}
	}
}

func TestSay(t *testing.T) {
	for definition, want := range map[string]string{
		`{"strategy":"none","users":["a"]}`:                                    "nobody",
		`{"strategy":"all"}`:                                                   "everybody",
		`{"strategy":"percentage","value":12.5,"users":["a","b"]}`:             "12.5 % of the users, 2 by name",
		`{"strategy":"users","targeting":[{"when":{"flag":"y"}}]}`:             "listed users, 1 by targeting",
		`{"strategy":"all","targeting":[{"when":{"flag":"y"}}],"users":["a"]}`: "everybody, 1 by name, 1 by targeting",
	} {
		if got := Say(parsed(t, "x", definition)); got != want {
			t.Errorf("%s: got %q, want %q", definition, got, want)
		}
	}
}

// A reason of blanks is none, and what is around one is not kept.
func TestReasonIsTrimmed(t *testing.T) {
	for reason, want := range map[string]string{"  \n": "off variant", " broken \n": "off variant: broken", "": "off variant"} {
		s := Step(State{}, Command{Verb: VerbKill, Cause: Cause{By: "ci", Reason: reason}, Name: "x"})
		if got := s.Recent[0].Sentence; !strings.HasSuffix(got, want) {
			t.Errorf("reason %q: got %q", reason, got)
		}
	}
}
