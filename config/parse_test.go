package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestBroken has one file for each rule; the text beside it is what its author is told.
func TestBroken(t *testing.T) {
	for _, file := range files(t, "testdata/broken/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			c, err := Parse(name+".yaml", readFile(t, file))
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("Parse: got error %v (%T), want Problems", err, err)
			}
			if c != nil {
				t.Error("Parse: got a Config beside the error")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func TestValid(t *testing.T) {
	for _, file := range files(t, "testdata/valid/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			c, err := Parse("/etc/switchback/"+name+".yaml", readFile(t, file))
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			checkInvariants(t, c)
			dump, err := json.MarshalIndent(c, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", string(dump)+"\n")
		})
	}
}

func TestParseIsDeterministic(t *testing.T) {
	all := append(files(t, "testdata/broken/*.yaml"), files(t, "testdata/valid/*.yaml")...)
	for _, file := range all {
		data := readFile(t, file)
		c, err := Parse(file, data)
		for range 5 {
			again, errAgain := Parse(file, data)
			if !reflect.DeepEqual(c, again) || !reflect.DeepEqual(err, errAgain) {
				t.Errorf("%s: two readings of the same bytes differ:\n%v\n%v", file, err, errAgain)
			}
		}
	}
}

func TestParseFromMemory(t *testing.T) {
	data := []byte(`
admin: {tokens: [{name: ci, role: viewer, file: ci.token}]}
services: {web: {pools: {blue: [http://10.0.0.1:8080]}}}
`)
	c, err := Parse("", data)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Admin.Tokens[0].File; got != "ci.token" {
		t.Errorf("token file: got %q, want it as written, since there is no folder", got)
	}
	if c.File != "" || c.Digest != Digest(data) {
		t.Errorf("got file %q and digest %q, want none and that of the bytes", c.File, c.Digest)
	}
	_, err = Parse("", []byte("services: {}\n"))
	if want := "1:11: services: there is no service; name at least one with its pools"; err == nil || err.Error() != want {
		t.Errorf("problem without a file:\ngot  %v\nwant %v", err, want)
	}
}

func TestParseTooLarge(t *testing.T) {
	_, err := Parse("big.yaml", []byte("#"+strings.Repeat("x", MaxSize)))
	if want := "big.yaml:1: the file has more than 4 MiB"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A hopeless file gets a readable answer: the first problems and that there are more.
func TestProblemsAreBounded(t *testing.T) {
	_, err := Parse("x.yaml", []byte("services:\n"+strings.Repeat("  - unknown: [yes, no]\n", maxProblems)))
	problems, _ := errors.AsType[Problems](err)
	if len(problems) != maxProblems+1 {
		t.Fatalf("got %d problems, want %d", len(problems), maxProblems+1)
	}
	if last := problems[maxProblems].Msg; last != "the list of problems ends here" {
		t.Errorf("last: got %q", last)
	}
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return all
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden compares got with the file, or rewrites the file under -update.
func golden(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := string(readFile(t, path)); got != want {
		t.Errorf("%s differs (-update rewrites it)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
