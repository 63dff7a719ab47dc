package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"gopkg.in/yaml.v3"
)

// What others start switchback with is checked against what it takes: a verb or a flag that is renamed
// must not be found out by a container that never gets healthy.

const repository = "../../"

// accepted fails the test unless the words are a command line of switchback, which is not run.
func accepted(t *testing.T, where string, words []string) {
	t.Helper()
	if filepath.Base(words[0]) != "switchback" {
		t.Errorf("%s starts %s", where, words[0])
	}
	cli := (&app{env: func(string) string { return "" }, now: time.Now}).root()
	cmd, rest, err := cli.Find(words[1:])
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || !cmd.Runnable() || cmd == cli {
		t.Errorf("%s: %q is no command line of switchback: %v", where, words, err)
	}
}

func TestDockerfile(t *testing.T) {
	text := readFile(t, "Dockerfile")
	list := func(instruction string) (words []string) {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + instruction + ` (\[.*\])$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("there is no %s", instruction)
		}
		if err := json.Unmarshal([]byte(m[1]), &words); err != nil {
			t.Fatalf("%s: %v", instruction, err)
		}
		return words
	}
	entry := list("ENTRYPOINT")
	accepted(t, "ENTRYPOINT and CMD", append(slices.Clone(entry), list("CMD")...))
	health := list("HEALTHCHECK .*CMD")
	accepted(t, "HEALTHCHECK", health)
	for _, program := range []string{entry[0], health[0]} {
		if !strings.Contains(text, "/out/switchback "+program+"\n") {
			t.Errorf("%s is not in the image", program)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	unit := readFile(t, "examples/systemd/switchback.service")
	value := map[string]string{}
	for line := range strings.Lines(unit) {
		if key, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			value[key] = v
		}
	}
	accepted(t, "ExecStart", words(value["ExecStart"]))
	accepted(t, "ExecReload", words(value["ExecReload"]))
	c := parsed(t, "examples/systemd/switchback.yaml", []byte(readFile(t, "examples/systemd/switchback.yaml")))
	if got := value["Environment"]; got != "SWITCHBACK_ADMIN="+c.Admin.Address {
		t.Errorf("reload asks %q, the file says %q", got, c.Admin.Address)
	}
	if c.State.Dir != value["WorkingDirectory"] || c.State.Dir != "/var/lib/"+value["StateDirectory"] {
		t.Errorf("the state goes to %s, which is not the folder of the unit", c.State.Dir)
	}
	outlasts(t, c, value["TimeoutStopSec"])
}

func TestKubernetesManifests(t *testing.T) {
	files, err := filepath.Glob(repository + "examples/kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var c *config.Config
			probes := 0
			for _, o := range documents(t, file) {
				if data, ok := o["data"].(map[string]any); ok {
					c = parsed(t, file, []byte(data["switchback.yaml"].(string)))
				}
				each(o, "command", func(v any) {
					probes++
					accepted(t, "a probe", strs(v))
				})
				each(o, "args", func(v any) { accepted(t, "args", append([]string{"switchback"}, strs(v)...)) })
				each(o, "terminationGracePeriodSeconds", func(v any) { outlasts(t, c, (time.Duration(v.(int)) * time.Second).String()) })
			}
			if c == nil || probes < 2 {
				t.Errorf("configuration %v, %d probes", c, probes)
			}
		})
	}
}

// outlasts: who stops switchback has to wait for the end of its requests.
func outlasts(t *testing.T, c *config.Config, patience string) {
	t.Helper()
	d, err := time.ParseDuration(patience)
	if err != nil {
		t.Fatal(err)
	}
	if most := c.Shutdown.Delay + c.Shutdown.Timeout; d <= most {
		t.Errorf("it is killed after %s, while stopping may take %s", d, most)
	}
}

func parsed(t *testing.T, file string, b []byte) *config.Config {
	t.Helper()
	c, err := config.Parse(file, b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func documents(t *testing.T, file string) []map[string]any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var o map[string]any
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
}

// each visits every value of a key, however deep.
func each(o any, key string, visit func(any)) {
	switch o := o.(type) {
	case map[string]any:
		for k, v := range o {
			if k == key {
				visit(v)
			}
			each(v, key, visit)
		}
	case []any:
		for _, v := range o {
			each(v, key, visit)
		}
	}
}

func strs(v any) []string {
	var all []string
	for _, s := range v.([]any) {
		all = append(all, s.(string))
	}
	return all
}

// words splits a command line of a unit, where only double quotes matter.
func words(line string) []string {
	var all []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(repository + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
