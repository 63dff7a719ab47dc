package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come, silence how long for what must not.
const (
	patience = 10 * time.Second
	silence  = 200 * time.Millisecond
	calm     = 50 * time.Millisecond // a quiet time that outlasts the gap between two system calls
)

// never is a poll so slow that only events can be what found a change.
const never = time.Hour

func TestWatchChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"in place", func(t *testing.T, path string) { write(t, path, file(2)) }},
		{"renamed over", func(t *testing.T, path string) { replace(t, path, file(2)) }},
		{"moved away and written anew", func(t *testing.T, path string) {
			must(t, os.Rename(path, path+"~"))
			write(t, path, file(2))
		}},
		{"removed and renamed over", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			replace(t, path, file(2))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "switchback.yaml")
			write(t, path, file(1))
			w := watch(t, path, WatchOptions{Quiet: calm, Poll: never})
			tt.change(t, path)
			w.want(t, 2)
			w.wantNothing(t)
		})
	}
}

// A mounted ConfigMap: the file is a link into ..data, which is a link to a folder that is replaced as
// a whole. Each turn must be noticed, and so must an edit inside the folder that is reached last.
func TestWatchConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	turn := func(n int) string {
		version := filepath.Join(dir, fmt.Sprintf("..v%d", n))
		must(t, os.Mkdir(version, 0o700))
		write(t, filepath.Join(version, "switchback.yaml"), file(n))
		must(t, os.Symlink(filepath.Base(version), filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		return version
	}
	before := turn(1)
	path := filepath.Join(dir, "switchback.yaml")
	must(t, os.Symlink(filepath.Join("..data", "switchback.yaml"), path))
	w := watch(t, path, WatchOptions{Quiet: calm, Poll: never})
	for n := 2; n <= 4; n++ {
		now := turn(n)
		must(t, os.RemoveAll(before))
		w.want(t, n)
		before = now
	}
	replace(t, filepath.Join(before, "switchback.yaml"), file(5))
	w.want(t, 5)
	w.wantNothing(t)
}

// A deployment that turns a link to its folder, with the file named through that link.
func TestWatchLinkedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n := 1; n <= 2; n++ {
		release := filepath.Join(dir, fmt.Sprint(n))
		must(t, os.Mkdir(release, 0o700))
		write(t, filepath.Join(release, "switchback.yaml"), file(n))
	}
	must(t, os.Symlink("1", filepath.Join(dir, "current")))
	w := watch(t, filepath.Join(dir, "current", "switchback.yaml"), WatchOptions{Quiet: calm, Poll: never})
	must(t, os.Symlink(filepath.Join(dir, "2"), filepath.Join(dir, "next")))
	must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")))
	w.want(t, 2)
	replace(t, filepath.Join(dir, "2", "switchback.yaml"), file(3))
	w.want(t, 3)
}

// The folder itself goes and comes back as another one.
func TestWatchFolderReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "etc")
	path := filepath.Join(dir, "switchback.yaml")
	must(t, os.Mkdir(dir, 0o700))
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: calm, Poll: never})
	must(t, os.RemoveAll(dir))
	w.wantError(t, "no such file")
	must(t, os.Mkdir(dir, 0o700))
	write(t, path, file(2))
	w.want(t, 2)
	replace(t, path, file(3))
	w.want(t, 3)
}

// A folder further up is replaced, which no event tells: the poll finds it.
func TestWatchTreeReplaced(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for n, tree := range []string{"now", "next"} {
		must(t, os.MkdirAll(filepath.Join(root, tree, "etc"), 0o700))
		write(t, filepath.Join(root, tree, "etc", "switchback.yaml"), file(n+1))
	}
	w := watch(t, filepath.Join(root, "now", "etc", "switchback.yaml"), WatchOptions{Quiet: calm, Poll: 10 * time.Millisecond})
	must(t, os.Rename(filepath.Join(root, "now"), filepath.Join(root, "past")))
	must(t, os.Rename(filepath.Join(root, "next"), filepath.Join(root, "now")))
	w.want(t, 2)
	w.wantNothing(t)
}

func TestWatchUnchanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "switchback.yaml")
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: calm, Poll: 10 * time.Millisecond})
	write(t, path, file(1))
	replace(t, path, file(1))
	must(t, os.Chtimes(path, time.Time{}, time.Now()))
	write(t, filepath.Join(dir, "neighbour.yaml"), file(2))
	w.wantNothing(t)
}

func TestWatchBadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: calm, Poll: 10 * time.Millisecond})
	bad := "services: {web: {pool: {}}}\n"
	replace(t, path, bad)
	l := w.wantError(t, path+`:1:18: services.web.pool: unknown key; did you mean "pools"?`)
	if _, ok := errors.AsType[Problems](l.Err); !ok || l.Config != nil || l.Digest != Digest([]byte(bad)) {
		t.Errorf("got %+v, want Problems with the digest of the bad bytes and no Config", l)
	}
	w.wantNothing(t)
	replace(t, path, bad+"\n")
	w.wantError(t, "unknown key")
	replace(t, path, file(1)) // what was in force all the time, and yet it is news that the file is right
	w.want(t, 1)
	w.wantNothing(t)
}

func TestWatchVanishAndReturn(t *testing.T) {
	t.Parallel()
	for _, poll := range []time.Duration{never, 10 * time.Millisecond} {
		t.Run(poll.String(), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "switchback.yaml")
			write(t, path, file(1))
			w := watch(t, path, WatchOptions{Quiet: calm, Poll: poll})
			must(t, os.Rename(path, path+"~"))
			if l := w.wantError(t, "no such file"); l.Config != nil || l.Digest != "" || !errors.Is(l.Err, os.ErrNotExist) {
				t.Errorf("got %+v, want only an error that is os.ErrNotExist", l)
			}
			w.wantNothing(t)
			must(t, os.Rename(path+"~", path))
			w.want(t, 1)
		})
	}
}

// A file that is away for less than the quiet time was never away.
func TestWatchShortAbsence(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: time.Second, Poll: never})
	must(t, os.Rename(path, path+"~"))
	w.wantNothing(t)
	must(t, os.Rename(path+"~", path))
	write(t, path, file(2))
	w.want(t, 2)
}

// A file that never comes to rest is read all the same.
func TestWatchAtMost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "switchback.yaml")
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: never, AtMost: 50 * time.Millisecond, Poll: never})
	replace(t, path, file(2))
	w.want(t, 2)
}

func TestWatchPolls(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	gone := errors.New("too many open files")
	told := make(chan error, 1)
	w := prepare(t, path, WatchOptions{
		Quiet: calm, Poll: 10 * time.Millisecond,
		OnPollOnly: func(err error) { told <- err },
	})
	w.newEvents = func() (*fsnotify.Watcher, error) { return nil, gone }
	w.start(t)
	if err := receive(t, told); !errors.Is(err, gone) {
		t.Errorf("OnPollOnly: got %v, want %v", err, gone)
	}
	replace(t, path, file(2))
	w.want(t, 2)
	must(t, os.Remove(path))
	w.wantError(t, "no such file")
	write(t, path, file(3))
	w.want(t, 3)
}

// When the stream of events ends, polling goes on.
func TestWatchLosesEvents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	told := make(chan error, 1)
	w := prepare(t, path, WatchOptions{
		Quiet: calm, Poll: 10 * time.Millisecond,
		OnPollOnly: func(err error) { told <- err },
	})
	var notify *fsnotify.Watcher
	w.newEvents = func() (*fsnotify.Watcher, error) {
		var err error
		notify, err = fsnotify.NewWatcher()
		return notify, err
	}
	w.start(t)
	must(t, notify.Close())
	receive(t, told)
	replace(t, path, file(2))
	w.want(t, 2)
}

func TestWatchForced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	w := watch(t, path, WatchOptions{Quiet: never, AtMost: never, Poll: never})
	w.Poke()
	w.want(t, 1)

	write(t, path, file(2))
	l, err := w.Reload(t.Context())
	if err != nil || l.Err != nil || len(l.Config.Services) != 2 {
		t.Fatalf("Reload: got %+v, %v, want the new file", l, err)
	}
	select {
	case got := <-w.loads: // delivered before Reload returned
		if got.Digest != l.Digest {
			t.Errorf("delivered %s, Reload returned %s", got.Digest, l.Digest)
		}
	default:
		t.Error("Reload returned before deliver did")
	}

	must(t, os.Remove(path))
	if l, err = w.Reload(t.Context()); err != nil || !errors.Is(l.Err, os.ErrNotExist) {
		t.Errorf("Reload of a missing file: got %+v, %v", l, err)
	}
	w.wantError(t, "no such file")
}

func TestReloadWithoutRun(t *testing.T) {
	w, err := NewWatcher("switchback.yaml", nil, WatchOptions{})
	must(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the caller went away")
	cancel(cause)
	if _, err := w.Reload(ctx); !errors.Is(err, cause) {
		t.Errorf("Reload before Run: got %v, want %v", err, cause)
	}
	must(t, w.Run(ctx, func(Loaded) { t.Error("delivered after the end") }))
	if _, err := w.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody watches it any more") {
		t.Errorf("Reload after Run: got %v", err)
	}
	if err := w.Run(t.Context(), nil); err == nil {
		t.Error("a second Run gave no error")
	}
}

// Without a Config to start from the first reading is news.
func TestWatchFromNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	w := prepare(t, path, WatchOptions{Quiet: calm, Poll: never})
	w.last = ""
	w.start(t)
	w.want(t, 1)
}

// What changed between Load and Run is found without any event.
func TestWatchChangedBeforeRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "switchback.yaml")
	write(t, path, file(1))
	w := prepare(t, path, WatchOptions{Quiet: calm, Poll: never})
	write(t, path, file(2))
	w.start(t)
	w.want(t, 2)
}

func TestNewWatcherRefuses(t *testing.T) {
	if _, err := NewWatcher("", nil, WatchOptions{}); err == nil {
		t.Error("no path: got no error")
	}
	if _, err := NewWatcher("x", nil, WatchOptions{Quiet: -1}); err == nil {
		t.Error("negative quiet time: got no error")
	}
}

func TestWaypointsOfALoop(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("b", filepath.Join(dir, "a")))
	must(t, os.Symlink("a", filepath.Join(dir, "b")))
	if got := len(waypoints(filepath.Join(dir, "a", "x.yaml"))); got != maxLinks+1 {
		t.Errorf("got %d names, want %d", got, maxLinks+1)
	}
}

// running is a Watcher with what it delivered.
type running struct {
	*Watcher
	loads chan Loaded
}

// watch starts to watch a file that was loaded before, and returns when its folder is watched.
func watch(t *testing.T, path string, opts WatchOptions) *running {
	t.Helper()
	w := prepare(t, path, opts)
	w.start(t)
	return w
}

func prepare(t *testing.T, path string, opts WatchOptions) *running {
	t.Helper()
	c, err := Load(path)
	must(t, err)
	w, err := NewWatcher(path, c, opts)
	must(t, err)
	return &running{Watcher: w, loads: make(chan Loaded, 100)}
}

// start runs w until the test ends. The events must be open before the test goes on to cause some.
func (r *running) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	open := make(chan struct{})
	inner := r.newEvents
	r.newEvents = func() (*fsnotify.Watcher, error) { defer close(open); return inner() }
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func(l Loaded) { r.loads <- l }) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, ended); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	receive(t, open)
}

// want waits for a good file with n services.
func (r *running) want(t *testing.T, n int) {
	t.Helper()
	l := receive(t, r.loads)
	if l.Err != nil {
		t.Fatalf("got error %v, want file %d", l.Err, n)
	}
	if len(l.Config.Services) != n || l.Digest != Digest([]byte(file(n))) || l.Config.Digest != l.Digest {
		t.Fatalf("got %d services and digest %s, want file %d", len(l.Config.Services), l.Digest, n)
	}
}

func (r *running) wantError(t *testing.T, text string) Loaded {
	t.Helper()
	l := receive(t, r.loads)
	if l.Err == nil || !strings.Contains(l.Err.Error(), text) {
		t.Fatalf("got error %v, want %q", l.Err, text)
	}
	return l
}

func (r *running) wantNothing(t *testing.T) {
	t.Helper()
	select {
	case l := <-r.loads:
		t.Fatalf("got %+v, want nothing", l)
	case <-time.After(silence):
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// file is a good file with n services.
func file(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {paths: [/%d], pools: {blue: [http://10.0.0.1:8080]}}\n", i, i)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// replace is how careful editors save: a new file renamed over the old one.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".tmp", text)
	must(t, os.Rename(path+".tmp", path))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
