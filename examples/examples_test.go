// Package examples has the runnable examples and a test for each that does what its README says, with the
// real binary.
package examples

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// example is one folder being tried: its file with other ports and its README, which every command of the
// test must be in.
type example struct {
	readme string
	ports  map[string]string // address in the example → address in the test
	dir    string            // working folder
	file   string            // the rewritten switchback.yaml
	host   string            // that traffic asks for; "": any
	token  string            // for the admin API; "": none is needed
	admin  *api.Client       // nil until it is used
}

// open copies an example's file to a temporary folder and gives every address in it a free port. Head is
// put before it, for what the file leaves to defaults.
func open(t *testing.T, name, head string, addrs ...string) *example {
	t.Helper()
	e := &example{ports: make(map[string]string), dir: t.TempDir()}
	for _, a := range addrs {
		e.ports[a] = binary.Addr(t)
	}
	e.readme = read(t, filepath.Join(name, "README.md"))
	e.file = filepath.Join(e.dir, "switchback.yaml")
	e.write(t, head+read(t, filepath.Join(name, "switchback.yaml")))
	return e
}

func (e *example) write(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(e.file, []byte(e.moved(yaml)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit replaces text in the file, which has to be there, as an editor would: beside it, then by rename.
func (e *example) edit(t *testing.T, from, to string) {
	t.Helper()
	old := read(t, e.file)
	if !strings.Contains(old, from) {
		t.Fatalf("%q is not in the file:\n%s", from, old)
	}
	if err := os.WriteFile(e.file+"~", []byte(strings.Replace(old, from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(e.file+"~", e.file); err != nil {
		t.Fatal(err)
	}
}

// moved puts the test's addresses where s has the example's.
func (e *example) moved(s string) string {
	for _, from := range slices.Sorted(maps.Keys(e.ports)) {
		s = strings.ReplaceAll(s, from, e.ports[from])
	}
	return s
}

// says fails the test unless the README has the text.
func (e *example) says(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(e.readme, text) {
		t.Errorf("the README does not say %q", text)
	}
}

// start runs a command of the README that stays, `upstream …` or `switchback serve …`.
func (e *example) start(t *testing.T, command string) *binary.Process {
	t.Helper()
	e.says(t, command)
	args := e.args(t, command)
	return binary.Start(t, e.dir, args[0], args[1:]...)
}

// run runs a command of the README that ends, and returns what it wrote and its exit code.
func (e *example) run(t *testing.T, command string) (string, int) {
	t.Helper()
	e.says(t, command)
	args := e.args(t, command)
	if args[0] == "curl" {
		return curl(t, args[1:])
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = e.dir
	cmd.Env = append(os.Environ(), "SWITCHBACK_ADMIN=http://"+e.moved("127.0.0.1:9900"), "SWITCHBACK_TOKEN="+e.token)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%s: %v", command, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// args turns a line of the README into words, with the built programs, the test's file and its ports.
func (e *example) args(t *testing.T, command string) []string {
	t.Helper()
	args := words(e.moved(command))
	for i, a := range args {
		if strings.HasSuffix(a, "/switchback.yaml") {
			args[i] = e.file
		}
	}
	if args[0] != "curl" {
		args[0] = program(t, args[0])
	}
	return args
}

// words splits a command as a shell does, as far as the READMEs need it: blanks and both quotes.
func words(s string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	for _, c := range s + " " {
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && c == ' ':
			all = append(all, word.String())
			word.Reset()
		default:
			word.WriteRune(c)
		}
	}
	return all
}

// curl makes the request that the command line of that name would make, so that the test needs no curl.
// The code is 0, or 22 for an error status.
func curl(t *testing.T, args []string) (string, int) {
	t.Helper()
	method, url, body, header := "", "", "", http.Header{}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch arg {
		case "-s":
			continue
		case "-X", "-d", "-H":
			switch arg {
			case "-X":
				method = args[0]
			case "-d":
				body = args[0]
			case "-H":
				name, value, _ := strings.Cut(args[0], ": ")
				header.Set(name, value)
			}
			args = args[1:]
		default:
			url = arg
		}
	}
	if body != "" { // with -d alone it says this, whatever the body is
		method = cmp.Or(method, http.MethodPost)
		header.Set("Content-Type", cmp.Or(header.Get("Content-Type"), "application/x-www-form-urlencoded"))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Host = header, header.Get("Host")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatalf("curl %s: %v", url, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("curl %s: %v", url, err)
	}
	if resp.StatusCode >= 400 {
		return string(answer), 22
	}
	return string(answer), 0
}

// expect runs a command and checks its exit code and that its output has every one of the texts.
func (e *example) expect(t *testing.T, command string, code int, texts ...string) {
	t.Helper()
	out, got := e.run(t, command)
	if got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s", command, got, code, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, e.moved(text)) {
			t.Errorf("%s: %q is not in the answer:\n%s", command, e.moved(text), out)
		}
	}
}

// served waits until the proxy is ready.
func (e *example) served(t *testing.T) {
	t.Helper()
	binary.Until(t, "the proxy is ready", func() bool { return answers(e.moved("http://127.0.0.1:9900/readyz")) })
}

// up waits until the upstreams at the example's addresses answer.
func (e *example) up(t *testing.T, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		binary.Until(t, "the upstream "+a+" answers", func() bool { return answers("http://" + e.moved(a) + "/healthz") })
	}
}

func answers(url string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// programs are built once, when a test first asks for them.
var (
	programDir string
	build      = sync.OnceValue(func() error {
		for _, pkg := range []string{"./cmd/switchback", "./examples/upstream"} {
			if _, err := binary.Build(programDir, "..", pkg); err != nil {
				return err
			}
		}
		return nil
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "switchback-examples-")
	if err != nil {
		panic(err)
	}
	programDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func program(t *testing.T, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, name)
}
