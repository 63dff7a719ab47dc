package flags

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// Verb is what a command does to a flag.
type Verb string

// The verbs.
const (
	VerbSet     Verb = "set"     // give it a definition
	VerbDrop    Verb = "drop"    // return to the file's; a flag of run time is gone
	VerbKill    Verb = "kill"    // Off for everybody until restored
	VerbRestore Verb = "restore" // end the kill
)

// Command is a person's or a tool's. File is what the file says of the flag now, nil when it says nothing.
type Command struct {
	Verb Verb
	Cause
	Remote string
	Name   string
	Flag   *config.Flag // VerbSet
	File   *config.Flag
}

// Step returns what becomes of a flag's state. A command that changes nothing returns it as it was.
func Step(s State, c Command) State {
	switch c.Verb {
	case VerbSet:
		return s.set(c)
	case VerbDrop:
		if s.Override == nil {
			return s
		}
		said := "follows the file again"
		if c.File == nil {
			said = "deleted"
		}
		s.Override = nil
		return s.record(TypeDropped, c, fmt.Sprintf("%s %s by %s", c.Name, said, c.By))
	case VerbKill:
		if s.Killed != nil {
			return s
		}
		cause := c.Cause
		s.Killed = &cause
		return s.record(TypeKilled, c, fmt.Sprintf("%s killed by %s: everybody gets its off variant", c.Name, c.By))
	case VerbRestore:
		if s.Killed == nil {
			return s
		}
		s.Killed = nil
		return s.record(TypeRestored, c, fmt.Sprintf("%s restored by %s: %s", c.Name, c.By, s.say(c.File)))
	}
	return s
}

// set puts a definition over the file's. One that says what the file says is none. A kill stays: who
// stopped a flag decides when it runs again.
func (s State) set(c Command) State {
	before := s.say(c.File)
	was, _, _ := s.InForce(c.File)
	if was.Flag != nil && digest(was.Flag) == digest(c.Flag) {
		return s
	}
	s.Override = &Override{Flag: c.Flag, Cause: c.Cause}
	if c.File != nil && digest(c.File) == digest(c.Flag) {
		s.Override = nil
	}
	said := fmt.Sprintf("%s set by %s: %s; before: %s", c.Name, c.By, Say(c.Flag), before)
	if s.Killed != nil {
		said += "; it stays killed until restored"
	}
	return s.record(TypeSet, c, said)
}

// say is the definition in force in words.
func (s State) say(file *config.Flag) string {
	d, _, ok := s.InForce(file)
	if !ok {
		return "not there"
	}
	return Say(d.Flag)
}

// Say is who has a flag, in words.
func Say(f *config.Flag) string {
	said := map[config.Strategy]string{
		config.ForNone: "nobody", config.ForAll: "everybody", config.ForUsers: "listed users",
		config.ByPercentage: f.Value.String() + " of the users",
	}[f.Strategy]
	if f.Strategy == config.ForNone {
		return said
	}
	if n := len(f.Users); n > 0 {
		said += fmt.Sprintf(", %d by name", n)
	}
	if n := len(f.Targeting); n > 0 {
		said += fmt.Sprintf(", %d by targeting", n)
	}
	return said
}

// Reload lets the file speak: where its definition changed since it was last seen, it wins over an override. A
// kill stays. It reports whether anything changed.
func Reload(s State, name string, file *config.Flag, cause Cause) (State, bool) {
	if s.Override == nil || basis(file) == s.Basis {
		return s, false
	}
	before := s.say(nil)
	s.Override = nil
	said := fmt.Sprintf("%s changed in the file, which wins: %s; before: %s", name, s.say(file), before)
	if file == nil {
		said = fmt.Sprintf("%s left the file and is gone; before: %s", name, before)
	}
	return s.record(TypeFile, Command{Cause: cause, File: file}, said), true
}

func (s State) record(kind Type, c Command, sentence string) State {
	if reason := strings.TrimSpace(c.Reason); reason != "" {
		sentence += ": " + reason
	}
	s.Format = Format
	if s.Override == nil || kind == TypeSet { // else the file may have changed since, and has yet to win
		s.Basis = basis(c.File)
	}
	s.Seq++
	s.Recent = append(slices.Clone(s.Recent), Decision{Seq: s.Seq, Type: kind, Cause: c.Cause, Remote: c.Remote, Sentence: sentence})
	s.Recent = s.Recent[max(0, len(s.Recent)-keep):]
	return s
}

// basis is State.Basis for what the file says, which may be nothing.
func basis(file *config.Flag) string {
	if file == nil {
		return ""
	}
	return digest(file)
}

// digest identifies what a definition says.
func digest(f *config.Flag) string {
	b, _ := json.Marshal(f) // it was read from JSON or could be
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
