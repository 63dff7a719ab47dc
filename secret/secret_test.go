package secret

import (
	"crypto/sha256"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTokensFollowTheirFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		web, app := filepath.Join(dir, "web"), filepath.Join(dir, "app")
		write(t, web, "one\n")
		write(t, app, "two")
		k, err := Open([]config.Secret{{Name: "web", File: web}, {Name: "app", File: app}}, zap.NewNop())
		if err != nil || k.None() {
			t.Fatalf("Open = %v, none = %v", err, k.None())
		}
		want := func(when, secret string, at int) {
			t.Helper()
			if got := k.Find(secret, time.Now()); got != at {
				t.Errorf("%s: Find(%q) = %d, want %d", when, secret, got, at)
			}
		}
		want("at first", "one", 0)
		want("at first", "two", 1)
		want("at first", "", -1)
		if hashes := k.Hashes(time.Now()); len(hashes) != 2 || hashes[1] != sha256.Sum256([]byte("two")) {
			t.Errorf("Hashes = %x", hashes)
		}
		write(t, web, "three")
		if err := os.Remove(app); err != nil {
			t.Fatal(err)
		}
		want("before the files are read again", "one", 0)
		time.Sleep(Reread)
		want("replaced", "one", -1)
		want("replaced", "three", 0)
		want("removed", "two", -1)
		if n := len(k.Hashes(time.Now())); n != 1 || k.None() {
			t.Errorf("%d hashes, none = %v; a token whose file went away still counts", n, k.None())
		}
	})
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) config.Secret {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return config.Secret{Name: name, File: path}
	}
	k, err := Open([]config.Secret{
		file("good", "secret"), file("twin", "secret"), file("empty", " \n"), file("long", strings.Repeat("x", maxSecret+1)),
		{Name: "folder", File: dir},
		{Name: "gone", File: filepath.Join(dir, "gone")},
	}, zap.NewNop())
	for _, part := range []string{"tokens good and twin", "empty is empty", "more than 4096 bytes", "not a regular file", "token gone"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
	if k.Find("secret", time.Now()) != 0 || len(k.Hashes(time.Now())) != 1 {
		t.Error("the good token should work and no other")
	}
}

func TestBearer(t *testing.T) {
	tests := []struct {
		fields []string
		secret string
		given  bool
	}{
		{nil, "", false},
		{[]string{"Bearer s"}, "s", true},
		{[]string{"bearer  s "}, "s", true},
		{[]string{"Basic czpz"}, "", true},
		{[]string{"Bearer s", "Bearer t"}, "", true},
		{[]string{"Bearer"}, "", true},
	}
	for _, tt := range tests {
		if secret, given := Bearer(http.Header{"Authorization": tt.fields}); secret != tt.secret || given != tt.given {
			t.Errorf("Bearer(%q) = %q, %v, want %q, %v", tt.fields, secret, given, tt.secret, tt.given)
		}
	}
}
