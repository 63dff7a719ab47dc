package health_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// speaking is a server of HTTP/2: without TLS, or by ALPN.
func speaking(tb testing.TB, secure bool, h http.HandlerFunc) (target string, roots *x509.CertPool) {
	tb.Helper()
	s := httptest.NewUnstartedServer(h)
	tb.Cleanup(s.Close)
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
		roots = x509.NewCertPool()
		roots.AddCert(s.Certificate())
		return s.URL, roots
	}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	return "h2c" + strings.TrimPrefix(s.URL, "http"), nil
}

// probed is the first finding about a target.
func probed(tb testing.TB, h config.Health, target string, roots *x509.CertPool) router.Health {
	tb.Helper()
	h.Timeout = patient
	u, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	table := newTable(nil, h, target)
	t := table.Pools[0].Targets[0]
	t.Addr, t.H2C = u.Host, u.Scheme == "h2c"
	c := health.New(health.Options{Roots: roots})
	stop := run(tb, c)
	c.Sync(table)
	if err := c.Wait(tb.Context(), func() bool { return t.Status() != router.Unknown }); err != nil {
		tb.Fatal(err)
	}
	stop()
	return t.Health()
}

// answers is a gRPC health service that gives everybody the same bytes and status.
func answers(body, status string, head bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		if head {
			w.Header().Set("Grpc-Status", status)
			return
		}
		_, _ = io.WriteString(w, body)
		if status != "" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		}
	}
}

func TestGRPCFindings(t *testing.T) {
	asked := config.Health{GRPC: &config.GRPCHealth{Service: "shop.v1.Shop"}, Every: usual.Every, Passes: 2, Fails: 3}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // the error; "" is up
	}{
		{"serving", answers("\x00\x00\x00\x00\x02\x08\x01", "0", false), ""},
		{"a length that is not the message's", answers("\x00\x00\x00\x00\x0e\x12\x02hi\x18\x07\x25\x00\x00\x00\x00\x08\x01", "0", false), "gRPC health check: the answer cannot be read"},
		{"serving, with other fields", answers("\x00\x00\x00\x00\x0d\x12\x02hi\x18\x07\x25\x00\x00\x00\x00\x08\x01", "0", false), ""},
		{"not serving", answers("\x00\x00\x00\x00\x02\x08\x02", "0", false), "gRPC health check: NOT_SERVING"},
		{"unknown", answers("\x00\x00\x00\x00\x00", "0", false), "gRPC health check: UNKNOWN"},
		{"a status of a later version", answers("\x00\x00\x00\x00\x02\x08\x09", "0", false), "gRPC health check: serving status 9"},
		{"no such service", answers("", "5", true), `the target knows no gRPC service "shop.v1.Shop"`},
		{"no health service", answers("", "12", true), "the target has no gRPC health service"},
		{"another error", answers("", "14", false), "gRPC health check: status 14"},
		{"serving, but an error", answers("\x00\x00\x00\x00\x02\x08\x01", "2", false), "gRPC health check: status 2"},
		{"no status", answers("\x00\x00\x00\x00\x02\x08\x01", "", false), "gRPC health check: no status"},
		{"nothing", answers("", "0", false), "gRPC health check: the answer cannot be read"},
		{"compressed", answers("\x01\x00\x00\x00\x02\x08\x01", "0", false), "gRPC health check: the answer cannot be read"},
		{"cut short", answers("\x00\x00\x00\x00\x02\x08", "0", false), "gRPC health check: the answer cannot be read"},
		{"a broken field", answers("\x00\x00\x00\x00\x02\x0a\x7f", "0", false), "gRPC health check: the answer cannot be read"},
		{"plain HTTP", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "gRPC health check: HTTP status 404"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20)) }, "gRPC health check: no status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, secure := range []bool{false, true} {
				target, roots := speaking(t, secure, tt.answer)
				got := probed(t, asked, target, roots)
				if got.Error != tt.want || (got.Status == router.Up) != (tt.want == "") {
					t.Errorf("TLS %v: %s, %q, want %q", secure, got.Status, got.Error, tt.want)
				}
			}
		})
	}
}

// The question is the one of the protocol, about the service or the whole server.
func TestGRPCQuestion(t *testing.T) {
	for service, want := range map[string]string{
		"":             "\x00\x00\x00\x00\x00",
		"shop.v1.Shop": "\x00\x00\x00\x00\x0e\x0a\x0cshop.v1.Shop",
	} {
		var got *http.Request
		var body []byte
		target, _ := speaking(t, false, func(w http.ResponseWriter, r *http.Request) {
			got = r
			body, _ = io.ReadAll(r.Body)
			answers("\x00\x00\x00\x00\x02\x08\x01", "0", false)(w, r)
		})
		if h := probed(t, config.Health{GRPC: &config.GRPCHealth{Service: service}, Every: usual.Every}, target, nil); h.Status != router.Up {
			t.Fatalf("found %+v", h)
		}
		if string(body) != want {
			t.Errorf("asked %q, want %q", body, want)
		}
		if got.Method != "POST" || got.URL.Path != "/grpc.health.v1.Health/Check" || got.ProtoMajor != 2 ||
			got.Header.Get("Content-Type") != "application/grpc" || got.Header.Get("Te") != "trailers" ||
			got.Header.Get("Grpc-Timeout") != "60000m" || !strings.HasPrefix(got.UserAgent(), "switchback-health/") {
			t.Errorf("asked by %s %s %s %v", got.Proto, got.Method, got.URL.Path, got.Header)
		}
	}
}

// Targets with HTTP/2 only are asked by it, also about a path.
func TestPathOverH2C(t *testing.T) {
	target, _ := speaking(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	if h := probed(t, usual, target, nil); h.Status != router.Up {
		t.Errorf("found %+v", h)
	}
}

// A target that speaks HTTP/1.1 only has no gRPC.
func TestGRPCNeedsHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if h := probed(t, config.Health{GRPC: &config.GRPCHealth{}, Every: usual.Every}, s.URL, roots); h.Status != router.Down || h.Error == "" {
		t.Errorf("found %+v", h)
	}
}
