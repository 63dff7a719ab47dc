package switchback_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/switchback-proxy/switchback/"

// floors lists every package, lowest floor first. A package imports only from floors below its own;
// those on one floor stand side by side. What only tests may import is at the very top.
var floors = [][]string{
	{"config", "bucket", "receipt", "proxy/h1", "admin/api", "admin/dashboard"},
	{"flags", "judge"},
	{"router", "rollout"},
	{"outbound"}, // every call that leaves this process
	{"health", "metrics", "store", "tap", "scrape", "notify", "proxy/loop", "secret", "limit", "journal"},
	{"store/ledger"}, // what stores that keep everything in memory share
	{"proxy", "control", "store/memory", "store/bolt", "store/etcd", "flags/ofrep"},
	{"admin", "demo", "simulate"},
	{"cmd/switchback", "internal/memnet", "internal/binary", "internal/page", "store/storetest", "examples", "examples/upstream", "."},
}

// thinks are the packages that get time and chance as arguments, and world is what they never import.
var (
	thinks = []string{"bucket", "receipt", "flags", "judge", "router", "rollout"}
	world  = []string{"net", "net/http", "os", "math/rand", "math/rand/v2", "crypto/rand"}
	clock  = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
)

// ours narrows, for some packages, the floors below to the packages of this module that they may
// import; outside does the same for other modules; never names single imports, "x/" with all below x.
var (
	ours = map[string][]string{
		"flags": {"config", "bucket", "receipt"}, "judge": {"config"}, "router": {"config", "bucket", "flags"},
		"rollout": {"config", "judge", "receipt"}, "health": {"config", "router"}, "metrics": {}, "store": {}, "secret": {"config"}, "limit": {}, "journal": {},
		"tap": {"config", "router"}, "demo": {"admin/api"}, "outbound": {}, "notify": {"config", "admin/api", "outbound"},
		"scrape": {"config", "router", "outbound"},
	}
	outside = map[string][]string{
		"bucket": {"github.com/twmb/murmur3"}, "receipt": {}, "config": {"github.com/fsnotify/fsnotify", "golang.org/x/mod/semver", "gopkg.in/yaml.v3"},
		"flags": {"golang.org/x/mod/semver"}, "judge": {}, "router": {}, "rollout": {}, "store": {}, "limit": {}, "proxy/h1": {}, "admin/api": {}, "demo": {}, "outbound": {},
	}
	never = map[string][]string{
		"config": {"net/http"}, "control": {"net/http"}, "proxy": {"store", "admin/"}, "limit": {"net/http"},
		"admin": {"proxy", "control", "store/memory", "store/bolt", "store/etcd"},
	}
)

// client are the verbs of the command line that only talk to a server: of ours they import admin/api.
var client = []string{
	"status.go", "watch.go", "judged.go", "weights.go", "cutover.go", "rollback.go", "pause.go",
	"rollout.go", "flag.go", "flagset.go", "plan.go", "events.go", "history.go", "wait.go", "news.go", "dryrun.go",
	"health.go", "completion.go", "suggest.go",
	"explain.go", "cohort.go", "diff.go", "config.go",
}

func TestFloors(t *testing.T) {
	for _, v := range violations(t, ".") {
		t.Error(v)
	}
}

// TestFloorsChecker shows the checker a small tree that breaks the rules.
func TestFloorsChecker(t *testing.T) {
	want := []string{
		"attic: on no floor",
		"cmd/switchback/status.go: imports router; a client verb knows only admin/api",
		"control/control.go: imports net/http, which control keeps away from",
		"control/control.go: imports proxy, which is on no floor below",
		"metrics/metrics.go: imports config, which is not among []",
		"router/router.go: asks the clock, time.Now",
		"router/router.go: imports go.uber.org/zap, which is not among []",
		"router/router.go: imports os; it gets the world as arguments",
	}
	if got := violations(t, "testdata/floors"); !slices.Equal(got, want) {
		t.Errorf("violations:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// violations reads every package below root, tests and nested modules left out, and returns a sorted
// line for each broken rule.
func violations(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return skip(rel, name)
		}
		if strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, "_test.go") {
			found = append(found, inspect(t, rel, name)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// skip leaves out what the go command leaves out of ./... too.
func skip(rel, name string) error {
	if rel == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	if err == nil || path.Base(rel) == "testdata" || strings.ContainsAny(path.Base(rel)[:1], "._") {
		return fs.SkipDir
	}
	return nil
}

func inspect(t *testing.T, rel, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg := path.Dir(rel)
	own := floor(pkg)
	if own < 0 {
		return []string{pkg + ": on no floor"}
	}
	var found []string
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if why := refuse(pkg, path.Base(rel), own, imp); why != "" {
			found = append(found, rel+": imports "+strings.TrimPrefix(imp, module)+why)
		}
	}
	if slices.Contains(thinks, pkg) {
		found = append(found, clocks(rel, file)...)
	}
	return found
}

// refuse says why a file of pkg may not import imp, "" when it may.
func refuse(pkg, file string, own int, imp string) string {
	name, mine := strings.CutPrefix(imp, module)
	if slices.ContainsFunc(never[pkg], func(n string) bool {
		return n == name || strings.HasSuffix(n, "/") && strings.HasPrefix(name, n)
	}) {
		return ", which " + pkg + " keeps away from"
	}
	allowed, narrowed := outside[pkg]
	if mine {
		if below := floor(name); below < 0 || below >= own {
			return ", which is on no floor below"
		}
		if pkg == "cmd/switchback" && slices.Contains(client, file) && name != "admin/api" {
			return "; a client verb knows only admin/api"
		}
		allowed, narrowed = ours[pkg]
	} else if std := !strings.Contains(strings.Split(imp, "/")[0], "."); std {
		if slices.Contains(thinks, pkg) && slices.Contains(world, imp) {
			return "; it gets the world as arguments"
		}
		return ""
	}
	if narrowed && !slices.Contains(allowed, name) {
		return ", which is not among [" + strings.Join(allowed, " ") + "]"
	}
	return ""
}

func floor(pkg string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, pkg) })
}

// clocks finds the calls that ask the clock in a file of a package that thinks.
func clocks(rel string, file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clock, sel.Sel.Name) {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				found = append(found, rel+": asks the clock, time."+sel.Sel.Name)
			}
		}
		return true
	})
	return found
}
