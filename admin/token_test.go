package admin

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

// A removed, emptied or replaced file takes effect within a second, without a restart.
func TestTokenFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, tokens := withTokens(t)
		file := filepath.Join(dir, "ci")
		b := newBench(t, tokens)
		allowed := func(secret string) bool {
			return b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer "+secret).Code == http.StatusOK
		}
		if !allowed(operatorSecret) {
			t.Fatal("the token does not work")
		}

		write(t, file, "another-secret-0123456789")
		time.Sleep(secret.Reread)
		if allowed(operatorSecret) || !allowed("another-secret-0123456789") {
			t.Error("a replaced secret: the old one works, or the new one does not")
		}

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(secret.Reread)
		if allowed("another-secret-0123456789") {
			t.Error("the token works without its file")
		}
		if !allowed(viewerSecret) {
			t.Error("another token stopped working")
		}
		time.Sleep(time.Minute)
		allowed(viewerSecret)
		if n := b.logs.FilterMessage("token stopped working").Len(); n != 1 {
			t.Errorf("the loss was logged %d times, want once", n)
		}

		write(t, file, operatorSecret)
		time.Sleep(secret.Reread)
		if !allowed(operatorSecret) {
			t.Error("the token does not work though its file is back")
		}
	})
}

// An emptied file must not make the empty secret a token, and no file must not open the door.
func TestLostTokenFilesCloseTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, tokens := withTokens(t)
		b := newBench(t, tokens)
		write(t, filepath.Join(dir, "ci"), "")
		if err := os.Remove(filepath.Join(dir, "eye")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(secret.Reread)
		for _, auth := range []string{"X-None: 1", "Authorization: Bearer", "Authorization: Bearer "} {
			wantProblem(t, b.ask(t, "GET", "/v1/services", "", auth), http.StatusUnauthorized, "")
		}
	})
}

func TestWrongTokensAreLimitedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tokens := withTokens(t)
		b := newBench(t, tokens)
		for range 3 * maxTries { // no token is no guess
			wantProblem(t, b.ask(t, "GET", "/v1/services", ""), http.StatusUnauthorized, "")
		}
		for i := range maxTries {
			guess := fmt.Sprintf("Authorization: Bearer guess-%d", i)
			for _, from := range []string{"Remote: 192.0.2.7:5432", "Remote: 127.0.0.1:5432"} {
				wantProblem(t, b.ask(t, "GET", "/v1/services", "", guess, from), http.StatusUnauthorized, "")
			}
		}
		right := "Authorization: Bearer " + operatorSecret
		// Everybody on this machine has its address: somebody's stale token locks nobody else out.
		if w := b.ask(t, "GET", "/v1/services", "", right); w.Code != http.StatusOK {
			t.Errorf("status = %d for the right token from this machine, want 200", w.Code)
		}
		wantProblem(t, b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer guess"), http.StatusTooManyRequests, "")
		// Elsewhere the right token is refused as well, or the limit would not hide which guess was right.
		remote := "Remote: 192.0.2.7:5432"
		w := b.ask(t, "GET", "/v1/services", "", right, remote)
		wantProblem(t, w, http.StatusTooManyRequests, "Too many wrong tokens")
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || wait < 1 || wait > 61 {
			t.Errorf("Retry-After = %q, want 1 to 61 seconds", w.Header().Get("Retry-After"))
		}
		if w := b.ask(t, "GET", "/livez", "", remote); w.Code != http.StatusOK {
			t.Errorf("/livez = %d from a limited address, want 200", w.Code)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if w := b.ask(t, "GET", "/v1/services", "", right, remote); w.Code != http.StatusOK {
			t.Errorf("status = %d after Retry-After, want 200", w.Code)
		}
	})
}
