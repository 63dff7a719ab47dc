package examples

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

const (
	goodRelease = "upstream --addr 127.0.0.1:8083 --version 2.5.0|upstream --addr 127.0.0.1:8084 --version 2.5.0"
	badFeature  = "upstream --addr 127.0.0.1:8083 --version 2.5.0 --flag new-checkout --flag-errors 30|" +
		"upstream --addr 127.0.0.1:8084 --version 2.5.0 --flag new-checkout --flag-errors 30"
)

// timeToPass is what a busy machine may need for anything that takes a second.
const timeToPass = time.Minute

// TestPipeline runs the script of the pipeline as people and release.yml do, by the command line and by curl,
// through every end that it has.
func TestPipeline(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the pipeline needs %s: %v", program, err)
		}
	}
	tests := []struct{ via, command, job, token string }{
		{"cli", "VERSION=2.5.0 sh examples/pipeline/release.sh", "release", ""},
		{"curl", "VIA=curl VERSION=2.5.0 sh examples/pipeline/release.sh", "release-with-curl", "a-secret-of-the-pipeline"},
	}
	for _, tt := range tests {
		t.Run(tt.via, func(t *testing.T) {
			t.Parallel()
			p := openPipeline(t, tt.command, tt.token)
			p.neverHealthy(t)
			p.smokeFails(t)
			p.featureBreaks(t)
			p.workflowGoesBack(t, tt.job)
			p.heldByPerson(t)
			p.released(t)
			if tt.token == "" {
				p.byHand(t)
			}
		})
	}
}

// pipeline is the example with its script and what is deployed to green.
type pipeline struct {
	*example
	command string
	green   []*binary.Process
	load    *demo.Load // nil until there are users
}

func openPipeline(t *testing.T, command, token string) *pipeline {
	t.Helper()
	p := &pipeline{command: command, example: open(t, "pipeline", "", append(canaryAddrs, "127.0.0.1:8090")...)}
	p.host, p.token = "shop.example.com", token
	if token != "" {
		if err := os.WriteFile(p.tokenFile(), []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.edit(t, p.moved("admin: {address: 127.0.0.1:9900"), p.moved("admin: {address: 127.0.0.1:9900, tokens: [{name: ci, role: operator, file: ci.token}]"))
	}
	p.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	p.start(t, "upstream --addr 127.0.0.1:8082 --version 2.4.0")
	p.start(t, "switchback serve -c examples/pipeline/switchback.yaml")
	p.served(t)
	p.both(t, "blue")
	return p
}

func (p *pipeline) tokenFile() string { return filepath.Join(p.dir, "ci.token") }

// deploy replaces what runs in green.
func (p *pipeline) deploy(t *testing.T, commands string) {
	t.Helper()
	for _, old := range p.green {
		old.Kill()
	}
	p.green = nil
	for c := range strings.SplitSeq(commands, "|") {
		p.green = append(p.green, p.start(t, c))
	}
	p.up(t, "127.0.0.1:8083", "127.0.0.1:8084")
}

// environment is what the script finds, with more said last.
func (p *pipeline) environment(t *testing.T, more ...string) []string {
	t.Helper()
	env := append(os.Environ(), "PATH="+filepath.Dir(program(t, "switchback"))+string(os.PathListSeparator)+os.Getenv("PATH"),
		p.moved("SWITCHBACK_ADMIN=http://127.0.0.1:9900"), p.moved("PREVIEW=http://127.0.0.1:8090"), "READY=1m", "JUDGED=3m")
	if p.token != "" {
		env = append(env, "TOKEN_FILE="+p.tokenFile())
	}
	return append(env, more...)
}

// release is a run of the script, and what it wrote so far.
type release struct {
	cmd *exec.Cmd
	out *bytes.Buffer // complete when the script has ended
}

// begin starts the script. Its children end with it or with the test.
func (p *pipeline) begin(t *testing.T, more ...string) release {
	t.Helper()
	p.says(t, p.command)
	args := strings.Fields(p.command)
	script, err := filepath.Abs(filepath.Join("..", args[len(args)-1]))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := release{exec.CommandContext(ctx, "sh", script), &bytes.Buffer{}}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = p.dir, r.out, r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }
	r.cmd.Env = p.environment(t, append(args[:len(args)-2], more...)...)
	if err := r.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = r.cmd.Wait() // it has ended; a second Wait is refused
	})
	return r
}

// ends wants the exit code and every one of the texts, and returns what the script wrote.
func (r release) ends(t *testing.T, code int, texts ...string) string {
	t.Helper()
	if err := r.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	out := r.out.String()
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("the script ended with %d, want %d\n%s", got, code, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in what the script wrote:\n%s", text, out)
		}
	}
	return out
}

// untouched fails the test unless blue has everything, nobody the flag, and the script undid nothing.
func (p *pipeline) untouched(t *testing.T, out string) {
	t.Helper()
	for _, step := range []string{"== cutover", "== undo"} {
		if strings.Contains(out, step) {
			t.Errorf("the script went as far as %q:\n%s", step, out)
		}
	}
	p.atTheStart(t)
}

func (p *pipeline) atTheStart(t *testing.T) {
	t.Helper()
	p.weights(t, api.Weights{"blue": 100, "green": 0})
	p.percent(t, 0)
}

// percent wants so many percent of the users to have the flag.
func (p *pipeline) percent(t *testing.T, want float64) {
	t.Helper()
	s, err := p.client(t).Service(t.Context(), "flag:new-checkout")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Weights.InForce["on"]; got != want {
		t.Errorf("%v %% of the users have the flag, want %v", got, want)
	}
}

// neverHealthy deploys nothing that answers.
func (p *pipeline) neverHealthy(t *testing.T) {
	t.Helper()
	out := p.begin(t, "READY=1s", `DEPLOY=echo "$VERSION to $TO"`).ends(t, 6, "2.5.0 to green", "0 of 2 targets up, after 1s")
	p.untouched(t, out)
	p.begin(t, "SWITCHBACK_ADMIN=http://"+p.moved("127.0.0.1:8083")).ends(t, 7)
	p.begin(t, "DEPLOY=exit 9").ends(t, 9)
	p.begin(t, "VERSION=2.5.0 or so").ends(t, 2, "VERSION is '2.5.0 or so'")
}

// smokeFails deploys what passes health checks and answers nobody.
func (p *pipeline) smokeFails(t *testing.T) {
	t.Helper()
	for _, addr := range []string{"127.0.0.1:8083", "127.0.0.1:8084"} {
		p.green = append(p.green, binary.Start(t, p.dir, program(t, "upstream"), "--addr", p.moved(addr), "--version", "2.5.0", "--errors", "100"))
	}
	p.untouched(t, p.begin(t).ends(t, 1, "/ is answered by an error, not by 2.5.0"))
	p.deploy(t, goodRelease)
	p.untouched(t, p.begin(t, "VERSION=2.5.1").ends(t, 1, `"version":"2.5.0"`, "not by 2.5.1"))
}

// featureBreaks deploys a version that is as good as the old one but for its feature.
func (p *pipeline) featureBreaks(t *testing.T) {
	t.Helper()
	p.deploy(t, badFeature)
	p.load = p.traffic(t, 300)
	p.begin(t).ends(t, 4, "== cutover", "rolled back: since ", " on failed ", " while off failed none of ", "allowed is +2 points", "== undo")
	p.atTheStart(t)
	events, err := p.client(t).Events(t.Context(), api.EventsQuery{Service: "flag:new-checkout", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if back := events.Events[len(events.Events)-1]; back.Type != "rollout.rolled_back" || back.By != "switchback" {
		t.Errorf("the last event of the flag is %s by %s: %s", back.Type, back.By, back.Sentence)
	}
	if seen := p.load.Take().Pools; seen["2.5.0"].Failed == 0 || seen["2.4.0"].Failed > 0 {
		t.Errorf("users saw %+v of a version whose feature breaks", seen)
	}
	p.expect(t, "switchback status flag:new-checkout", 0, "rolled back")
}

// heldByPerson kills the flag while the script waits for its numbers.
func (p *pipeline) heldByPerson(t *testing.T) {
	t.Helper()
	p.deploy(t, goodRelease)
	r := p.begin(t)
	client := p.client(t)
	binary.Within(t, 2*timeToPass, "users have the flag", func() bool {
		s, err := client.Service(t.Context(), "flag:new-checkout")
		return err == nil && s.Rollout.Running()
	})
	if _, err := client.KillFlag(t.Context(), "new-checkout", api.CommandRequest{Reason: "the call centre"}); err != nil {
		t.Fatal(err)
	}
	r.ends(t, 5, "killed", "== undo")
	p.atTheStart(t)
	if _, err := client.RestoreFlag(t.Context(), "new-checkout", api.CommandRequest{}); err != nil {
		t.Fatal(err)
	}
}

// released starts the script before anything is deployed, and ends with the feature at 50 %.
func (p *pipeline) released(t *testing.T) {
	t.Helper()
	for _, old := range p.green {
		old.Kill()
	}
	binary.Within(t, timeToPass, "green is down", func() bool { return p.shop(t).Pools["green"].Up == 0 })
	r := p.begin(t, `DEPLOY=echo "$TO $VERSION" >deployed`)
	binary.Within(t, timeToPass, "the script deploys", func() bool {
		b, err := os.ReadFile(filepath.Join(p.dir, "deployed"))
		return err == nil && string(b) == "green 2.5.0\n"
	})
	p.green = nil
	p.load.Begin()
	p.deploy(t, goodRelease)
	r.ends(t, 0, "/checkout is answered by 2.5.0", "2.5.0 is released, and half of the users have new-checkout")
	p.weights(t, api.Weights{"blue": 0, "green": 100})
	p.percent(t, 50)
	if seen := p.load.Take(); seen.Total.Failed > 0 || seen.Pools["2.5.0"].Requests == 0 {
		t.Errorf("users saw %+v during a good release", seen)
	}
	p.expect(t, "switchback status flag:new-checkout", 0, "needs approval")

	// The next release goes the other way.
	again := p.begin(t, "READY=1s", `DEPLOY=echo "to $TO, from $FROM"`, "VERSION=2.6.0")
	again.ends(t, 1, "to blue, from green", "2.4.0", "not by 2.6.0")
	p.weights(t, api.Weights{"blue": 0, "green": 100})
	p.percent(t, 50)

	p.expect(t, "switchback flag set new-checkout 100", 0)
	p.percent(t, 100)
	p.expect(t, "switchback flag set new-checkout none", 0)
	p.expect(t, "switchback rollback shop", 0)
	p.atTheStart(t)
}

// byHand makes the calls that the README shows.
func (p *pipeline) byHand(t *testing.T) {
	t.Helper()
	p.expect(t, post("cutover", `{"from":"blue","to":"green","reason":"release 2.5.0"}`), 0, `"changed":true`)
	p.expect(t, `curl -s -d '{"strategy":"percentage","value":5}' http://127.0.0.1:9900/api/flags/new-checkout`, 0, `"value":5`, `"changed":true`)
	p.expect(t, "curl -s http://127.0.0.1:9900/v1/services/flag:new-checkout", 0, `"phase":"stepping"`, `"awaits":"`)
}
