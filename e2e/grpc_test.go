//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// calls is a switchback in front of two pools of two gRPC servers each.
type calls struct {
	*site
	health map[string]*health.Server // of a pool, shared by its servers
	roots  *x509.CertPool            // nil: clients come without TLS
}

// newCalls serves one; front and back say whether clients and targets are spoken to by TLS. more is YAML of
// the service, each line indented by four.
func newCalls(t *testing.T, front, back bool, more string) *calls {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "all.crt"), filepath.Join(dir, "all.key")
	pair, roots := local(t, cert, key)
	t.Setenv("SSL_CERT_FILE", cert) // what the proxy trusts, which inherits it
	c := &calls{health: map[string]*health.Server{}}
	targets := map[string][]string{}
	for _, pool := range []string{"blue", "green"} {
		c.health[pool] = health.NewServer()
		c.health[pool].SetServingStatus("shop.v1.Shop", healthpb.HealthCheckResponse_SERVING)
		for range 2 {
			targets[pool] = append(targets[pool], serveGRPC(t, pool, c.health[pool], pair, back))
		}
	}
	c.site = newSiteOf(t, targets)
	listen := ", h2c: true"
	if front {
		c.roots = roots
		listen = fmt.Sprintf(", tls: {certificates: [{cert: %q, key: %q}]}", cert, key)
	}
	c.tls = listen
	c.extra = "shutdown: {timeout: 3s}\n"
	yaml := strings.Replace(c.yaml(100), "health: {path: /healthz, every: 500ms, timeout: 400ms}",
		"health: {grpc: {service: shop.v1.Shop}, every: 200ms, timeout: 150ms, passes: 1, fails: 1}", 1)
	c.save(t, yaml+more)
	c.start(t)
	c.up(t)
	return c
}

// serveGRPC is a server with the interop service, whose answers name its pool.
func serveGRPC(t *testing.T, pool string, h *health.Server, pair tls.Certificate, secure bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	name := metadata.Pairs("x-pool", pool)
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			_ = grpc.SetHeader(ctx, name)
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			_ = s.SetHeader(name)
			return next(srv, s)
		}),
	}
	scheme := "h2c://"
	if secure {
		scheme = "https://"
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	}
	s := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(s, interop.NewTestServer())
	healthpb.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(s.Stop)
	return scheme + ln.Addr().String()
}

// local makes a pair for 127.0.0.1 that signs itself.
func local(t *testing.T, certFile, keyFile string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	replace(t, certFile, certPEM)
	replace(t, keyFile, keyPEM)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return pair, roots
}

// client is a connection of its own to the proxy.
func (c *calls) client(t *testing.T) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if c.roots != nil {
		creds = credentials.NewClientTLSFromCert(c.roots, "")
	}
	conn, err := grpc.NewClient("passthrough:///"+c.listen, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// fatal is the logger by which interop cases fail: it fails the test that runs.
type fatal struct {
	grpclog.LoggerV2
	t *testing.T
}

func (f fatal) Fatal(args ...any)                 { f.t.Helper(); f.t.Fatal(args...) }
func (f fatal) Fatalf(format string, args ...any) { f.t.Helper(); f.t.Fatalf(format, args...) }
func (f fatal) Fatalln(args ...any)               { f.t.Helper(); f.t.Fatal(args...) }

// interopCases are the official ones that need neither a cloud nor a compressing server.
var interopCases = []struct {
	name string
	run  func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)
}{
	{"empty_unary", interop.DoEmptyUnaryCall},
	{"large_unary", interop.DoLargeUnaryCall},
	{"client_streaming", interop.DoClientStreaming},
	{"server_streaming", interop.DoServerStreaming},
	{"ping_pong", interop.DoPingPong},
	{"empty_stream", interop.DoEmptyStream},
	{"timeout_on_sleeping_server", interop.DoTimeoutOnSleepingServer},
	{"cancel_after_begin", interop.DoCancelAfterBegin},
	{"cancel_after_first_response", interop.DoCancelAfterFirstResponse},
	{"custom_metadata", interop.DoCustomMetadata},
	{"status_code_and_message", interop.DoStatusCodeAndMessage},
	{"special_status_message", interop.DoSpecialStatusMessage},
}

// TestGRPCInterop runs the official cases through the proxy, by TLS and without, towards clients and targets.
func TestGRPCInterop(t *testing.T) {
	for _, way := range []struct {
		name        string
		front, back bool
	}{{"h2c to h2c", false, false}, {"TLS to h2c", true, false}, {"h2c to TLS", false, true}, {"TLS to TLS", true, true}} {
		t.Run(way.name, func(t *testing.T) {
			c := newCalls(t, way.front, way.back, "")
			conn := c.client(t)
			tc := testpb.NewTestServiceClient(conn)
			run := func(name string, f func(context.Context)) {
				t.Run(name, func(t *testing.T) {
					grpclog.SetLoggerV2(fatal{grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard), t})
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					f(ctx)
				})
			}
			for _, tt := range interopCases {
				run(tt.name, func(ctx context.Context) { tt.run(ctx, tc) })
			}
			run("unimplemented_service", func(ctx context.Context) {
				interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(conn))
			})
			run("unimplemented_method", func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, conn) })
			// Two calls and a stream with status 2 and two that are not implemented; the one whose deadline passes
			// is told by whoever notices first.
			binary.Until(t, "failures are booked from the trailers", func() bool { return c.booked(t, "status_grpc") >= 5 })
			if n := c.booked(t, "status_grpc") + c.booked(t, "timeout"); n > 6 {
				t.Errorf("%d calls failed", n)
			}
			for _, outcome := range []string{"reset", "truncated", "malformed", "refused"} {
				if n := c.booked(t, outcome); n != 0 {
					t.Errorf("%v attempts ended as %s", n, outcome)
				}
			}
		})
	}
}

// TestGRPCHealth: a pool whose servers say that the service does not serve is not cut over to.
func TestGRPCHealth(t *testing.T) {
	c := newCalls(t, false, false, "")
	c.health["green"].SetServingStatus("shop.v1.Shop", healthpb.HealthCheckResponse_NOT_SERVING)
	binary.Until(t, "green is down", func() bool { return c.view(t).Pools["green"].Up == 0 })
	_, err := c.api.Cutover(t.Context(), "web", api.CutoverRequest{To: "green", Reason: "test"})
	if problem := refused(t, err, "pool-not-ready"); !strings.Contains(fmt.Sprint(c.view(t).Pools["green"].Targets), "NOT_SERVING") {
		t.Errorf("neither %v nor the view says why: %+v", problem, c.view(t).Pools["green"].Targets)
	}
	c.health["green"].SetServingStatus("shop.v1.Shop", healthpb.HealthCheckResponse_SERVING)
	c.up(t)
	c.cutover(t, "green")
}

// booked is how many attempts of all pools ended so.
func (c *calls) booked(t *testing.T, outcome string) (sum int) {
	t.Helper()
	for _, pool := range []string{"blue", "green"} {
		n, _ := strconv.Atoi(c.metric(t, fmt.Sprintf("switchback_attempts_total{outcome=%q,pool=%q,service=\"web\"}", outcome, pool)))
		sum += n
	}
	return sum
}
