package proxy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// ca signs every certificate of the tests; the process trusts it like one of the system's.
var ca *authority

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "switchback-proxy")
	if err == nil {
		ca, err = newAuthority()
	}
	if err == nil {
		roots := filepath.Join(dir, "roots.pem")
		err = os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600)
		_ = os.Setenv("SSL_CERT_FILE", roots)
	}
	if err != nil {
		panic(err)
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dialDNS}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// dialDNS reaches a name server that knows one address for all names.
func dialDNS(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		var length [2]byte
		for {
			if _, err := io.ReadFull(server, length[:]); err != nil {
				return
			}
			query := make([]byte, int(length[0])<<8|int(length[1]))
			if _, err := io.ReadFull(server, query); err != nil {
				return
			}
			end := 12
			for query[end] != 0 {
				end += int(query[end]) + 1
			}
			reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end+5]...)
			if query[end+2] == 1 { // an A record is asked for
				reply[7] = 1
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 169, 254, 169, 254)
			}
			if _, err := server.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...)); err != nil {
				return
			}
		}
	}()
	return client, nil
}

// authority is a certificate authority of the tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.cert)
	return a, nil
}

// issue makes a pair for names and addresses, as PEM.
func (a *authority) issue(t testing.TB, names ...string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// tlsListener is a listener with a pair for names, in files of its own.
func tlsListener(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := ca.issue(t, names...)
	return fmt.Sprintf("listeners: {secure: {address: \":443\", tls: {certificates: [{cert: %q, key: %q}]}}}\n",
		writeFile(t, dir, "c.crt", cert), writeFile(t, dir, "c.key", key))
}

// startTLS serves with a certificate for 127.0.0.1.
func startTLS(t testing.TB, file string, upstreams map[string]string) *rig {
	t.Helper()
	return start(t, tlsListener(t, "127.0.0.1")+file, upstreams)
}

// client speaks HTTP/1.1 or HTTP/2 over TLS.
func tlsClient(t testing.TB, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP2(http2)
	protocols.SetHTTP1(!http2)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// getTLS asks the proxy over TLS.
func (r *rig) getTLS(http2 bool, path string) (*reply, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "https://"+r.addr+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return doWith(r.t, tlsClient(r.t, http2), req)
}

// tlsUpstream is an HTTP server with a certificate for a name.
func tlsUpstream(t testing.TB, name string, h http.HandlerFunc) string {
	return tlsUpstreamWith(t, name, h, func(*http.Server) {})
}

// tlsUpstreamWith is the same, with a server that can be changed before it starts.
func tlsUpstreamWith(t testing.TB, name string, h http.HandlerFunc, change func(*http.Server)) string {
	t.Helper()
	cert, key := ca.issue(t, name)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog, _ = zap.NewStdLogAt(zap.NewNop(), zap.ErrorLevel)
	change(s.Config)
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}
