package ofrep

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/secret"
	"go.uber.org/zap"
)

// newDoor is a way in with one token, s3cret, when its file is named, and with origins.
func newDoor(t *testing.T, file string, cors ...string) *door {
	t.Helper()
	d := &door{server: newServer(t, compile(t, definitions)), origins: cors}
	if file != "" {
		if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if d.tokens, err = secret.Open([]config.Secret{{Name: "web", File: file}}, zap.NewNop()); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "web")
		d := newDoor(t, file)
		tests := []struct {
			name, field string
			status      int
		}{
			{"none", "X-None: 1", 401},
			{"bearer", "Authorization: Bearer s3cret", 200},
			{"lower case", "authorization: bearer s3cret", 200},
			{"wrong", "Authorization: Bearer s3cre", 401},
			{"basic", "Authorization: Basic czNjcmV0", 401},
			{"API key", "X-API-Key: s3cret", 200},
			{"wrong API key", "X-API-Key: other", 401},
			{"empty API key", "X-API-Key: ", 401},
		}
		for _, tt := range tests {
			for _, path := range []string{single + "boolean", single + "nobody", bulk, "/ofrep/v1/none"} {
				w := ask(t, d, "POST", path, ``, tt.field, "Remote: "+tt.name)
				if (w.Code == 401) != (tt.status == 401) {
					t.Errorf("%s at %s: %d", tt.name, path, w.Code)
				}
				if w.Code == 401 {
					wantFailure(t, w, 401, codeGeneral, "Authorization: Bearer TOKEN")
					if w.Header().Get("WWW-Authenticate") == "" {
						t.Error("no WWW-Authenticate")
					}
				}
			}
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(secret.Reread)
		wantFailure(t, ask(t, d, "POST", bulk, ``, "Authorization: Bearer s3cret"), 401, codeGeneral, "")
	})
}

func TestWrongTokensAreLimitedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, filepath.Join(t.TempDir(), "web"))
		right, far, here := "Authorization: Bearer s3cret", "Remote: 192.0.2.7:5432", "Remote: 127.0.0.1:5432"
		for range maxTries {
			for _, from := range []string{far, here} {
				wantFailure(t, ask(t, d, "POST", bulk, ``, "Authorization: Bearer guess", from), 401, codeGeneral, "")
			}
			wantFailure(t, ask(t, d, "POST", bulk, ``, "Remote: 192.0.2.8:1"), 401, codeGeneral, "") // no guess
		}
		w := ask(t, d, "POST", bulk, ``, right, far)
		wantFailure(t, w, 429, codeGeneral, "192.0.2.7")
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || wait < 1 || wait > 61 {
			t.Errorf("Retry-After = %q, want 1 to 61 seconds", w.Header().Get("Retry-After"))
		}
		for _, from := range []string{here, "Remote: 192.0.2.8:1"} {
			if w := ask(t, d, "POST", bulk, ``, right, from); w.Code != 200 {
				t.Errorf("%s: %d, want 200", from, w.Code)
			}
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if w := ask(t, d, "POST", bulk, ``, right, far); w.Code != 200 {
			t.Errorf("after Retry-After: %d, want 200", w.Code)
		}
	})
}

func TestCORS(t *testing.T) {
	const page, other = "Origin: https://shop.example.com", "Origin: https://evil.example.com"
	preflight := "Access-Control-Request-Method: POST"
	listed := newDoor(t, filepath.Join(t.TempDir(), "web"), "https://shop.example.com")
	tests := []struct {
		name         string
		door         *door
		method       string
		headers      []string
		status       int
		allow, needs string
	}{
		{"preflight", listed, "OPTIONS", []string{page, preflight}, 204, "https://shop.example.com", "If-None-Match"},
		{"preflight of another origin", listed, "OPTIONS", []string{other, preflight}, 403, "", ""},
		{"preflight without origin", listed, "OPTIONS", []string{preflight}, 403, "", ""},
		{"question", listed, "POST", []string{page, "X-API-Key: s3cret"}, 200, "https://shop.example.com", ""},
		{"refused, but the page may read why", listed, "POST", []string{page}, 401, "https://shop.example.com", ""},
		{"question of another origin", listed, "POST", []string{other, "X-API-Key: s3cret"}, 200, "", ""},
		{"any origin", newDoor(t, "", "*"), "OPTIONS", []string{other, preflight}, 204, "*", "X-API-Key"},
		{"any origin asks", newDoor(t, "", "*"), "POST", []string{other}, 200, "*", ""},
		{"no origins configured", newDoor(t, ""), "OPTIONS", []string{page, preflight}, 405, "", ""},
		{"no origins configured, question", newDoor(t, ""), "POST", []string{page}, 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, tt.door, tt.method, bulk, ``, tt.headers...)
			h := w.Header()
			if w.Code != tt.status || h.Get("Access-Control-Allow-Origin") != tt.allow {
				t.Errorf("%d, allowed origin %q, want %d, %q", w.Code, h.Get("Access-Control-Allow-Origin"), tt.status, tt.allow)
			}
			if !strings.Contains(h.Get("Access-Control-Allow-Headers"), tt.needs) {
				t.Errorf("allowed headers %q, want %s", h.Get("Access-Control-Allow-Headers"), tt.needs)
			}
			if exposed := h.Get("Access-Control-Expose-Headers"); tt.allow != "" && !strings.Contains(exposed, "ETag") {
				t.Errorf("exposed headers %q; the web provider reads ETag", exposed)
			}
			if vary := h.Get("Vary"); tt.door == listed && vary != "Origin" {
				t.Errorf("Vary = %q", vary)
			}
			if w.Code == 403 {
				wantFailure(t, w, 403, codeGeneral, "cors")
			}
		})
	}
	w := ask(t, listed, "OPTIONS", bulk, ``, page, preflight)
	for _, name := range []string{"Authorization", "Content-Type", "If-None-Match", "X-API-Key"} {
		if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("%s is not allowed", name)
		}
	}
}

// The reader of an answer that is too large to be looked at gets to see why, over a real connection.
func TestLargeBodyIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		for range 2 {
			got := b.do(t, "POST", single+"boolean", `{"context":{"a":"`+strings.Repeat("x", 1<<20)+`"}}`)
			if got.status != 400 || !strings.Contains(got.body, "64 KiB") {
				t.Errorf("%+v", got)
			}
		}
		if n := b.net.Dials(address); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// A client that sends its request drop by drop is let go.
func TestSlowRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		conn, err := b.net.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST "+single+"boolean HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\n{")
		began := time.Now()
		answer, _ := io.ReadAll(conn)
		if took := time.Since(began); took > bodyTimeout+time.Second || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("after %v: %q", took, answer)
		}
	})
}

func TestTLSWithBothProtocols(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"flags.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listener{Listener: ln, Config: config.Listener{Name: "flags"}, TLS: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := newServer(t, compile(t, definitions))
	go func() { ended <- s.Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	}()
	for _, h2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2}
		resp, err := (&http.Client{Transport: transport}).Post("https://"+ln.Addr().String()+single+"boolean", contentType, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || (resp.ProtoMajor == 2) != h2 {
			t.Errorf("HTTP/2 %v: %s %s", h2, resp.Proto, resp.Status)
		}
		transport.CloseIdleConnections()
	}
}
