package ofrep

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// FuzzScanner holds the scanner to encoding/json: it reads what that reads, and reads it alike. What it
// refuses on top of that, it says as a flaw.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `"x"`, `-0`, `1e5`, `-1.25E-3`, `01`, `1.`, `.5`, `+1`, `1e`, `-`, `1e999`, `--1`, `tru`, `nul`, `truefalse`,
		`{"a":1,"b":[1,2,{"c":null}]}`, `{"a":1,"a":2}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,]`, `[1 2]`, `{a:1}`, `{"a" : 1 }`, ` [ ] `,
		`"\u00e9\n\"\\\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\x"`, `"\u12"`, "\"\x01\"", "\"\xff\"", `"é“漢"`, `"`, `"\"`, "\x00", "1\x00", `{"\u0061":1,"a":2}`,
		`[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		valid := json.Unmarshal(text, &want) == nil
		s := scanner{b: text}
		got, err := s.value(0)
		if err == nil && s.peek() != end {
			err = errors.New("something behind")
		}
		if _, ours := errors.AsType[*flaw](err); ours {
			return
		}
		if (err == nil) != valid {
			t.Fatalf("%q: %v, encoding/json takes it: %v", text, err, valid)
		}
		if valid && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, want %#v", text, got, want)
		}
	})
}
