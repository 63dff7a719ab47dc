package examples

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is release.yml, as far as the tests look at it.
type workflow struct {
	Permissions map[string]string
	Env         map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Env         map[string]string
		Steps       []workflowStep
	}
}

type workflowStep struct {
	Name, Uses, If, Run string
	Env                 map[string]string
}

func readWorkflow(t *testing.T) (w workflow, text string) {
	t.Helper()
	text = read(t, "pipeline/release.yml")
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	return w, text
}

const releaseStep = "sh examples/pipeline/release.sh "

// TestWorkflowTakesTheSteps holds both jobs of the workflow to the steps of the script, and what they say
// themselves to the commands of cli.sh.
func TestWorkflowTakesTheSteps(t *testing.T) {
	script, commands := functions(t, "pipeline/release.sh"), functions(t, "pipeline/cli.sh")
	want := map[string][]string{}
	for _, line := range script["release"] {
		step, ok := strings.CutPrefix(line, "step ")
		if !ok {
			continue
		}
		run := releaseStep + step
		if step == "pools" {
			run += ` >>"$GITHUB_ENV"`
		}
		want["release-with-curl"] = append(want["release-with-curl"], run)
		if body := commands[step]; len(body) == 1 {
			run = body[0]
		}
		want["release"] = append(want["release"], run)
	}
	if len(want["release"]) != 9 || !slices.ContainsFunc(want["release"], func(run string) bool { return strings.HasPrefix(run, "switchback ") }) {
		t.Fatalf("the steps of the script could not be read: %q", want)
	}
	w, _ := readWorkflow(t)
	for job, steps := range want {
		var got []string
		for _, s := range w.Jobs[job].Steps {
			if s.Run != "" && s.Name != "settings" {
				got = append(got, s.Run)
			}
		}
		if steps = append(steps, releaseStep+"undo"); !slices.Equal(got, steps) {
			t.Errorf("%s takes the steps\n%s\nand the script\n%s", job, strings.Join(got, "\n"), strings.Join(steps, "\n"))
		}
	}
}

// functions are those of a script with the lines of their bodies.
func functions(t *testing.T, name string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	inside := ""
	for line := range strings.Lines(read(t, name)) {
		line = strings.TrimSpace(line)
		switch begun, ok := strings.CutSuffix(line, "() {"); {
		case ok:
			inside = begun
		case line == "}":
			inside = ""
		case inside != "":
			all[inside] = append(all[inside], line)
		}
	}
	return all
}

var (
	pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$`)
	secret = regexp.MustCompile(`^env: \{SWITCHBACK_TOKEN: "\$\{\{ secrets\.SWITCHBACK_TOKEN \}\}"\}$`)
)

// TestWorkflowIsTight: pinned actions, the same as in the CI of this repository, no permission but to read,
// secrets in the environment of one step only, and nothing pasted into a script.
func TestWorkflowIsTight(t *testing.T) {
	w, text := readWorkflow(t)
	ci := read(t, "../.github/workflows/ci.yml")
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
		if action, ok := strings.CutPrefix(line, "uses: "); ok {
			m := pinned.FindStringSubmatch(action)
			switch {
			case m == nil:
				t.Errorf("%s is not pinned by hash, with its version behind it", action)
			case strings.Contains(ci, m[1]+"@") && !strings.Contains(ci, action):
				t.Errorf("%s is another version than that of ci.yml", action)
			}
		}
		if strings.Contains(line, "secrets.") && !secret.MatchString(line) {
			t.Errorf("a secret outside the environment of a step: %s", line)
		}
	}
	if !maps.Equal(w.Permissions, map[string]string{"contents": "read"}) {
		t.Errorf("permissions %v", w.Permissions)
	}
	for name, job := range w.Jobs {
		if job.Permissions != nil {
			t.Errorf("%s has permissions of its own: %v", name, job.Permissions)
		}
		for _, s := range job.Steps {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: an expression in a script can say anything: %s", name, s.Run)
			}
		}
	}
}

// workflowGoesBack runs a job of the workflow as GitHub does, on a version whose feature breaks: the wait for
// the numbers fails, and the step after it goes back.
func (p *pipeline) workflowGoesBack(t *testing.T, name string) {
	t.Helper()
	w, _ := readWorkflow(t)
	job := w.Jobs[name]
	r := runner{dir: p.dir, env: p.environment(t, "GITHUB_REF_NAME=v2.5.0", "GITHUB_RUN_ID=1")}
	r.setAll(w.Env)
	r.setAll(job.Env)
	r.set("READY", "1m")
	r.set("JUDGED", "3m")
	r.set("PREVIEW", p.moved("http://127.0.0.1:8090"))
	r.set("SWITCHBACK_ADMIN", p.moved("http://127.0.0.1:9900"))
	for _, file := range []string{"GITHUB_ENV", "GITHUB_PATH"} {
		r.set(file, filepath.Join(t.TempDir(), file))
	}
	r.set("RUNNER_TEMP", t.TempDir())
	r.script(t, filepath.Join(p.dir, "dist"))
	failed := ""
	for _, s := range job.Steps {
		if s.Run == "" || (s.If != "") != (failed != "") {
			continue
		}
		out, err := r.run(t, s, p.token)
		t.Logf("%s: %v\n%s", s.Name, err, out)
		switch {
		case err != nil && failed != "":
			t.Errorf("%s failed: %v", s.Name, err)
		case err != nil:
			failed = s.Name
			if code := err.ExitCode(); code != 4 {
				t.Errorf("%s ended with %d, want 4", s.Name, code)
			}
		}
	}
	if failed != "wait for the numbers at 5 %" {
		t.Errorf("what failed is %q", failed)
	}
	p.atTheStart(t)
}

// runner is what a machine of GitHub's does with the scripts of a job, as far as release.yml needs it.
type runner struct {
	dir string
	env []string
}

func (r *runner) set(name, value string) { r.env = append(r.env, name+"="+value) }

// setAll leaves out what an expression would fill in.
func (r *runner) setAll(env map[string]string) {
	for name, value := range env {
		if !strings.Contains(value, "${{") {
			r.set(name, value)
		}
	}
}

// script makes the checkout with the script of the pipeline and what the build made.
func (r *runner) script(t *testing.T, dist string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "examples"), filepath.Join(r.dir, "examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(program(t, "switchback")), dist); err != nil {
		t.Fatal(err)
	}
}

// run takes one step. What it writes to GITHUB_ENV is there for those after it.
func (r *runner) run(t *testing.T, s workflowStep, token string) (string, *exec.ExitError) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", s.Run)
	cmd.Dir, cmd.Env = r.dir, r.env
	if _, ok := s.Env["SWITCHBACK_TOKEN"]; ok {
		cmd.Env = append(slices.Clone(r.env), "SWITCHBACK_TOKEN="+token)
	}
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	for _, e := range r.env {
		if file, ok := strings.CutPrefix(e, "GITHUB_ENV="); ok {
			if b, err := os.ReadFile(file); err == nil {
				r.env = append(r.env, strings.Split(strings.TrimSpace(string(b)), "\n")...)
			}
			break
		}
	}
	return string(out), exit
}
