package outbound_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/outbound"
)

// serve starts a server on 127.0.0.1 and a client that is closed with it.
func serve(t *testing.T, o outbound.Options, h http.HandlerFunc) (*outbound.Client, string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return client(t, o), s.URL
}

func client(t *testing.T, o outbound.Options) *outbound.Client {
	t.Helper()
	c := outbound.New(o)
	t.Cleanup(c.Close)
	return c
}

func TestDo(t *testing.T) {
	c, url := serve(t, outbound.Options{Agent: "switchback/1.2"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Seen", strings.Join([]string{r.Method, r.URL.Path, r.UserAgent(), r.Header.Get("Authorization"), string(body)}, " "))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "fine")
	})
	got, err := c.Do(t.Context(), outbound.Call{Method: "POST", URL: url + "/deploys", Bearer: "s3cret", Body: []byte(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if want := `POST /deploys switchback/1.2 Bearer s3cret {"a":1}`; got.Header.Get("Seen") != want {
		t.Errorf("the server saw %q, want %q", got.Header.Get("Seen"), want)
	}
	if got.Status != http.StatusAccepted || !got.OK() || string(got.Body) != "fine" {
		t.Errorf("answer %d %q, want 202 fine", got.Status, got.Body)
	}
}

func TestRedirectsAreAnswers(t *testing.T) {
	followed := false
	c, url := serve(t, outbound.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed = true
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	got, err := c.Do(t.Context(), outbound.Call{URL: url})
	if err != nil || got.Status != http.StatusFound || got.OK() {
		t.Errorf("Do = %d, %v; want 302 that is not OK", got.Status, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.HTTP(0, 0).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || followed {
		t.Errorf("the library's client got %d, followed %v; want 302, not followed", resp.StatusCode, followed)
	}
}

func TestTheEnvironmentNamesNoProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	dialed := ""
	c := client(t, outbound.Options{
		Allow: []string{"203.0.113.7"},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, errors.New("enough")
		},
	})
	_, _ = c.Do(t.Context(), outbound.Call{URL: "http://203.0.113.7/"})
	if dialed != "203.0.113.7:80" {
		t.Errorf("dialed %q, want the address itself", dialed)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	tests := []struct {
		name  string
		write func(http.ResponseWriter, *http.Request)
		want  error
	}{
		{"said length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000000")
			w.WriteHeader(http.StatusOK)
		}, outbound.ErrTooLarge},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, outbound.ErrTooLarge},
		{"a byte more", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 101)) }, outbound.ErrTooLarge},
		{"just enough", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100)) }, nil},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, context.DeadlineExceeded},
		{"drip", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("a"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, url := serve(t, outbound.Options{}, tt.write)
			timeout := 5 * time.Second
			if errors.Is(tt.want, context.DeadlineExceeded) {
				timeout = 50 * time.Millisecond
			}
			got, err := c.Do(t.Context(), outbound.Call{URL: url, MaxBody: 100, Timeout: timeout})
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil && len(got.Body) != 100 {
				t.Errorf("%d bytes, want 100", len(got.Body))
			}
		})
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := client(t, outbound.Options{}).Do(t.Context(), outbound.Call{URL: s.URL})
	if err == nil || !strings.Contains(err.Error(), "certificate not trusted") {
		t.Errorf("error %v, want one about the certificate", err)
	}
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if got, err := client(t, outbound.Options{Roots: roots}).Do(t.Context(), outbound.Call{URL: s.URL}); err != nil || got.Status != http.StatusNotFound {
		t.Errorf("with the right roots: %d, %v", got.Status, err)
	}
}

// TestErrorsKeepSecrets calls what fails in many ways with a URL and a token that are secret.
func TestErrorsKeepSecrets(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Close() })
	go func() { // answers with what it was sent, which is no HTTP answer
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			_, _ = conn.Write(b[:n])
			conn.Close()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c := client(t, outbound.Options{})
	for _, url := range []string{
		"http://" + echo.Addr().String() + "/hunter2", "http://" + closed.Addr().String() + "/hunter2",
		"https://" + echo.Addr().String() + "/hunter2", "http://169.254.169.254/hunter2",
		"ftp://127.0.0.1/hunter2", "http://me:hunter2@127.0.0.1/", "http://127.0.0.1:x/hunter2", "hunter2", "%hunter2",
	} {
		_, err := c.Do(t.Context(), outbound.Call{URL: url, Bearer: "hunter2"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one without the secret", url, err)
		}
	}
}

func TestMask(t *testing.T) {
	for url, want := range map[string]string{
		"https://hooks.slack.com/services/T0/B0/xyz": "https://hooks.slack.com/…",
		"https://ci.example.com":                     "https://ci.example.com",
		"https://ci.example.com?token=x":             "https://ci.example.com/…",
		"https://me:pw@ci.example.com/x":             "https://ci.example.com/…",
		"T0/B0/xyz":                                  "…",
		"%":                                          "…",
	} {
		if got := outbound.Mask(url); got != want {
			t.Errorf("Mask(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestReadSecret(t *testing.T) {
	tests := []struct{ name, content, want, wrong string }{
		{"trimmed", " https://hooks.example.com/x \n", "https://hooks.example.com/x", ""},
		{"empty", " \n", "", "is empty"},
		{"two lines", "hunter2\nhunter3\n", "", "more than one word"},
		{"control", "hunter2\x00", "", "more than one word"},
		{"long", strings.Repeat("hunter2", 1000), "", "more than 4096 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := outbound.ReadSecret(file)
			if got != tt.want || (err == nil) != (tt.wrong == "") {
				t.Fatalf("ReadSecret = %q, %v; want %q", got, err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.wrong) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "hunter")) {
				t.Errorf("error %v, want one that names the file and %q", err, tt.wrong)
			}
		})
	}
	if _, err := outbound.ReadSecret(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}
