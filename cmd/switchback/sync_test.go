package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestSyncDissolvesTheIntent: after a cutover sync writes one line of the file, its reload moves nothing, and what was set at
// run time is gone because the file says the same. diff says so before, and config shows it afterwards.
func TestSyncDissolvesTheIntent(t *testing.T) {
	l := liveNode(t, stickyShop)
	if _, err := l.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green", Reason: "release"}); err != nil {
		t.Fatal(err)
	}
	before := l.read(t)
	out, errs, code := l.run(t, "", "sync", "--write", "-c", l.file)
	if code != exitDone || !strings.Contains(out, "is written") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if want := strings.Replace(before, "{blue: 100, green: 0}", "{blue: 0, green: 100}", 1); l.read(t) != want {
		t.Errorf("the file is\n%s\nwant\n%s", l.read(t), want)
	}
	// The watcher may be faster than the questions.
	if out, errs, code := l.run(t, "", "diff", "-c", l.file); code != exitDone || strings.Contains(out, "weights change") {
		t.Errorf("diff ends with %d: %s%s", code, out, errs)
	}
	if out, errs, code := l.run(t, "", "reload"); code != exitDone || strings.Contains(out, "moved") {
		t.Errorf("reload ends with %d: %s%s", code, out, errs)
	}
	s, err := l.Service(t.Context(), "shop")
	if err != nil || s.Weights.Intent != nil || s.Weights.File["green"] != 100 || s.Weights.InForce["green"] != 100 {
		t.Errorf("after it: %+v, %v", s.Weights, err)
	}
	if out, _, _ := l.run(t, "", "sync", "-c", l.file); !strings.Contains(out, "says what is in force") {
		t.Errorf("sync again: %s", out)
	}
	if out, _, _ := l.run(t, "", "config"); !strings.Contains(out, "weights: {blue: 0, green: 100}") {
		t.Errorf("config shows\n%s", out)
	}
	if got := l.get(t, "somebody"); got != "green" {
		t.Errorf("a request meets %s", got)
	}
}

// TestReplaceFile: a file is replaced whole, keeps its mode, and stays behind the link that led to it; what somebody else
// wrote meanwhile is not lost.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real", "switchback.yaml"), filepath.Join(dir, "switchback.yaml")
	if err := os.MkdirAll(filepath.Dir(real), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(real, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("other"), []byte("new")); err == nil || !strings.Contains(err.Error(), "somebody edited it") {
		t.Errorf("over an edit: %v", err)
	}
	if err := replaceFile(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(real)
	info, errStat := os.Stat(real)
	if err != nil || errStat != nil || string(content) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("got %q with mode %v: %v, %v", content, info.Mode(), err, errStat)
	}
	if at, err := os.Readlink(link); err != nil || at != real {
		t.Errorf("the link is %q, %v", at, err)
	}
	left, err := os.ReadDir(filepath.Dir(real))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestChangedLines: whatever few lines differ, putting them in place makes the second text of the first.
func TestChangedLines(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		var a []string
		for i := range 40 {
			a = append(a, fmt.Sprint("line ", i%(3+r.IntN(30))))
		}
		b := slices.Clone(a)
		for range 1 + r.IntN(4) {
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] = "other"
			case 1:
				b = slices.Insert(b, i, "new")
			case 2:
				b = slices.Delete(b, i, i+1)
			}
		}
		before, after := strings.Join(a, "\n"), strings.Join(b, "\n")
		changes := changedLines([]byte(before), []byte(after))
		got := slices.Clone(a)
		for _, c := range slices.Backward(changes) {
			at := c.Line - 1
			if !slices.Equal(got[at:at+len(c.Was)], c.Was) {
				t.Fatalf("seed %d: %+v does not stand there", seed, c)
			}
			got = slices.Concat(got[:at], c.Is, got[at+len(c.Was):])
		}
		if strings.Join(got, "\n") != after {
			t.Fatalf("seed %d: %+v makes\n%s\nwant\n%s", seed, changes, strings.Join(got, "\n"), after)
		}
	}
	if c := changedLines([]byte("a\r\nb\r\n"), []byte("a\r\nb\r\n")); len(c) != 0 {
		t.Errorf("of equal texts %+v", c)
	}
}

// TestDiffLine: a problem from the server reads like one of check.
func TestDiffLine(t *testing.T) {
	got := problemLine("f.yaml", api.ConfigProblem{Line: 4, Path: "services.shop", Message: "is wrong", Hint: "mend it"})
	if want := "f.yaml:4: services.shop: is wrong; mend it"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := problemLine("f.yaml", api.ConfigProblem{Message: "is empty"}); got != "f.yaml: is empty" {
		t.Errorf("got %q", got)
	}
}
