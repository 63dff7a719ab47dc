package flags

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/receipt"
)

// Format is the version of the JSON that Encode writes.
const Format = 1

// keep bounds State.Recent.
const keep = 32

// State is everything durable about one flag. It is one value under one key, so a single write changes a
// flag whole. The zero State belongs to a flag that nobody changed at run time.
type State struct {
	Format   int        `json:"format"`
	Basis    string     `json:"basis"`              // digest of the file's definition last seen; "": the file has none
	Override *Override  `json:"override,omitempty"` // nil: as the file says
	Killed   *Cause     `json:"killed,omitempty"`   // nil: not killed
	Seq      int64      `json:"seq"`                // of the last decision
	Recent   []Decision `json:"recent,omitempty"`   // the newest last, at most 32

	Answers []receipt.Receipt `json:"answers,omitempty"` // to commands that named a key; the newest last, at most receipt.Keep
}

// Override is a definition given at run time.
type Override struct {
	Flag *config.Flag `json:"-"`
	Cause
}

// Cause is who decided, when and why.
type Cause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// Decision is one entry of the record.
type Decision struct {
	Seq      int64  `json:"seq"` // from 1, only grows
	Type     Type   `json:"type"`
	Cause           // By is "file" where the file spoke
	Remote   string `json:"remote,omitempty"` // address of the person or tool
	Sentence string `json:"sentence"`
}

// Type is the word for a decision in the stream of events.
type Type string

// The types of decisions.
const (
	TypeSet      Type = "flag.set"
	TypeDropped  Type = "flag.dropped" // the file's definition counts again, or a flag of run time is gone
	TypeKilled   Type = "flag.killed"
	TypeRestored Type = "flag.restored"
	TypeFile     Type = "flag.file" // the file's definition changed and won
)

// Empty reports whether nobody ever changed the flag at run time.
func (s State) Empty() bool { return s.Seq == 0 }

// storedOverride is an Override with its definition.
type storedOverride struct {
	Name       string          `json:"name"`
	Definition json.RawMessage `json:"definition"`
	Cause
}

// MarshalJSON writes the definition as ParseFlag reads it.
func (o *Override) MarshalJSON() ([]byte, error) {
	definition, err := json.Marshal(o.Flag)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedOverride{o.Flag.Name, definition, o.Cause})
}

// UnmarshalJSON reads what MarshalJSON wrote. A definition that is not valid is an error.
func (o *Override) UnmarshalJSON(b []byte) error {
	var s storedOverride
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	f, err := config.ParseFlag(s.Name, s.Definition)
	if err != nil {
		return err
	}
	*o = Override{f, s.Cause}
	return nil
}

// Encode writes the state as it is stored. Equal states have equal bytes.
func (s State) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode flag: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote. Another format and a definition that is not valid are errors.
func Decode(b []byte) (State, error) {
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("decode flag: %w", err)
	}
	if s.Format != Format {
		return State{}, fmt.Errorf("decode flag: format %d is not %d", s.Format, Format)
	}
	return s, nil
}

// Layer says which definition of a flag is in force.
type Layer string

// The layers.
const (
	FromFile    Layer = "file"
	FromRuntime Layer = "runtime"
)

// InForce is the definition that counts: the override's if there is one, else the file's, which may be nil;
// false when there is none.
func (s State) InForce(file *config.Flag) (Definition, Layer, bool) {
	d := Definition{Flag: file, Killed: s.Killed != nil}
	if s.Override != nil {
		d.Flag = s.Override.Flag
		return d, FromRuntime, true
	}
	return d, FromFile, file != nil
}
