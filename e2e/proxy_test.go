//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// site is a configuration in a folder of its own with two pools, and the process that serves it, if any.
type site struct {
	dir    string
	file   string
	state  string
	listen string // address of the listener
	admin  string
	tls    string // YAML of the listener's tls, "" for none
	extra  string // more YAML at the top level
	limit  string // descriptors that the proxy may have, "" for as many as this process
	more   string // more YAML of the service, each line indented by four
	pools  map[string][]string
	api    *api.Client
	proc   *binary.Process
}

// newSite prepares one of nginx servers with blue at 100 %; nothing of switchback runs yet.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOf(t, pools(t, "blue", "green"))
}

// newSiteOf prepares one of servers that run already, two a pool.
func newSiteOf(t *testing.T, pools map[string][]string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{
		dir: dir, file: filepath.Join(dir, "switchback.yaml"), state: filepath.Join(dir, "state"),
		listen: binary.Addr(t), admin: binary.Addr(t), pools: pools,
	}
	client, err := api.NewClient("http://"+s.admin, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.api = client
	s.save(t, s.yaml(100))
	return s
}

// yaml is the file with the given weight of blue; green has the rest.
func (s *site) yaml(blue int) string {
	return fmt.Sprintf(`# blue %d
listeners: {web: {address: %q%s}}
admin: {address: %q}
state: {dir: %q}
%s
services:
  web:
    pools:
      blue: {version: "1", targets: [%s]}
      green: {version: "2", targets: [%s]}
    weights: {blue: %d, green: %d}
    health: {path: /healthz, every: 500ms, timeout: 400ms}
%s`, blue, s.listen, s.tls, s.admin, s.state, s.extra,
		strings.Join(s.pools["blue"], ", "), strings.Join(s.pools["green"], ", "), blue, 100-blue, s.more)
}

// save replaces the file as editors do, beside it and by rename.
func (s *site) save(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(s.file+".new", []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.file+".new", s.file); err != nil {
		t.Fatal(err)
	}
}

// start serves the site and returns once it is ready.
func (s *site) start(t *testing.T) {
	t.Helper()
	command := []string{program, "serve", "-c", s.file}
	if s.limit != "" {
		command = append([]string{"prlimit", "--nofile=" + s.limit}, command...)
	}
	s.proc = binary.Start(t, s.dir, command[0], command[1:]...)
	binary.Until(t, "the proxy is ready", func() bool {
		select {
		case <-s.proc.Done():
			t.Fatalf("the proxy ended at its start:\n%s", s.proc.Output())
		default:
		}
		return status("http://"+s.admin+"/readyz") == http.StatusOK
	})
}

// up waits until every target of both pools is up.
func (s *site) up(t *testing.T) {
	t.Helper()
	binary.Until(t, "all targets are up", func() bool {
		v, err := s.api.Service(t.Context(), "web")
		return err == nil && v.Pools["blue"].Up == 2 && v.Pools["green"].Up == 2
	})
}

// view is the service as the API shows it.
func (s *site) view(t *testing.T) api.Service {
	t.Helper()
	v, err := s.api.Service(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// inForce waits until blue has the given weight.
func (s *site) inForce(t *testing.T, blue float64) {
	t.Helper()
	binary.Until(t, fmt.Sprintf("blue has %v %%", blue), func() bool {
		v, err := s.api.Service(t.Context(), "web")
		return err == nil && v.Weights.InForce["blue"] == blue
	})
}

func (s *site) cutover(t *testing.T, to string) api.Change {
	t.Helper()
	c, err := s.api.Cutover(t.Context(), "web", api.CutoverRequest{To: to, Reason: "test"})
	if err != nil {
		t.Fatalf("cut over to %s: %v", to, err)
	}
	return c
}

// refused fails the test unless err is a problem of the type, and returns it.
func refused(t *testing.T, err error, typ string) *api.Error {
	t.Helper()
	p, ok := errors.AsType[*api.Error](err)
	if !ok || p.Type != typ {
		t.Fatalf("error %v, want the problem %s", err, typ)
	}
	return p
}

// always sends n requests and fails the test unless the pool answers each.
func (s *site) always(t *testing.T, pool string, n int) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range n {
		got, err := ask(&http.Client{Transport: transport}, "http://"+s.listen+"/")
		if err != nil || got != pool {
			t.Fatalf("answered by %q, %v, want %s", got, err, pool)
		}
	}
}

// metric is the value of a sample in /metrics as text, "" when there is none. The name includes labels.
func (s *site) metric(t *testing.T, name string) string {
	t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return value
		}
	}
	return ""
}

// ask makes one request and returns the pool that answered it.
func ask(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	pool := resp.Header.Get("X-Pool")
	if resp.StatusCode != http.StatusOK || string(body) != pool+"\n" {
		return "", fmt.Errorf("status %d, X-Pool %q, body %q", resp.StatusCode, pool, body)
	}
	return pool, nil
}
