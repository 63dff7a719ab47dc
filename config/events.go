package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// events watches the folders through which a path leads to its file. Folders, because a file that is
// replaced takes its watch along; all of them, because the file may be behind symbolic links and any
// link may be turned.
type events struct {
	w        *Watcher
	notify   *fsnotify.Watcher // nil when the system has no events for us
	names    []string          // whose events count
	degraded bool              // OnPollOnly was called and nothing has become better since
}

func openEvents(w *Watcher) *events {
	e := &events{w: w}
	notify, err := w.newEvents()
	if err != nil {
		e.lose(err)
		return e
	}
	e.notify = notify
	e.follow()
	return e
}

func (e *events) events() <-chan fsnotify.Event {
	if e.notify == nil {
		return nil
	}
	return e.notify.Events
}

func (e *events) errors() <-chan error {
	if e.notify == nil {
		return nil
	}
	return e.notify.Errors
}

// concerns reports whether an event is about the file, a link to it or a folder that is watched, not
// about a neighbour.
func (e *events) concerns(event fsnotify.Event) bool {
	return slices.Contains(e.names, event.Name) ||
		slices.ContainsFunc(e.names, func(name string) bool { return filepath.Dir(name) == event.Name })
}

// follow watches the folders the path leads through now. A link can be turned between looking and
// watching, so it looks again until nothing has moved.
func (e *events) follow() {
	for range 3 {
		names := waypoints(e.w.path)
		if e.notify == nil || slices.Equal(names, e.names) && e.complete() {
			return
		}
		e.names = names
		e.watch()
	}
}

// complete reports whether every folder is watched: a folder that was removed or renamed is not, even
// when there is one of its name again.
func (e *events) complete() bool {
	watched := e.notify.WatchList()
	return !slices.ContainsFunc(e.names, func(name string) bool {
		return !slices.Contains(watched, filepath.Dir(name))
	})
}

func (e *events) watch() {
	var failed error
	watched := e.notify.WatchList()
	var wanted []string
	for _, name := range e.names {
		wanted = append(wanted, filepath.Dir(name))
	}
	for _, dir := range wanted {
		if !slices.Contains(watched, dir) {
			if err := e.notify.Add(dir); err != nil {
				failed = err
			}
		}
	}
	for _, dir := range watched {
		if !slices.Contains(wanted, dir) {
			_ = e.notify.Remove(dir) // it may be gone already
		}
	}
	e.tell(failed)
}

// renew watches everything anew.
func (e *events) renew() {
	if e.notify == nil {
		return
	}
	for _, dir := range e.notify.WatchList() {
		_ = e.notify.Remove(dir) // it may be gone already
	}
	e.names = nil
	e.follow()
}

// tell calls OnPollOnly when events cease to be complete, once.
func (e *events) tell(err error) {
	if err != nil && !e.degraded && e.w.opts.OnPollOnly != nil {
		e.w.opts.OnPollOnly(err)
	}
	e.degraded = err != nil
}

// lose goes on without events.
func (e *events) lose(err error) {
	e.close()
	e.notify = nil
	e.tell(err)
}

func (e *events) close() {
	if e.notify != nil {
		_ = e.notify.Close() // nothing is written
	}
}

// maxLinks is how many symbolic links a path may lead through, as the kernel has it.
const maxLinks = 40

// waypoints are the names whose change can change what path is: the file itself and every symbolic
// link on the way, each in a folder named without links. It ends at the first name that is missing.
func waypoints(path string) []string {
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err != nil {
			return nil
		}
		path = dir + string(filepath.Separator) + path
	}
	var names []string
	volume := filepath.VolumeName(path)
	here := volume + string(filepath.Separator)
	rest := split(path[len(volume):])
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			here = filepath.Dir(here)
			continue
		}
		full := filepath.Join(here, name)
		info, err := os.Lstat(full)
		switch {
		case err != nil || len(rest) == 0 && info.Mode()&os.ModeSymlink == 0:
			return append(names, full)
		case info.Mode()&os.ModeSymlink == 0:
			here = full
			continue
		}
		names = append(names, full)
		target, err := os.Readlink(full)
		if links++; err != nil || links > maxLinks {
			return names
		}
		if filepath.IsAbs(target) {
			here = filepath.VolumeName(target) + string(filepath.Separator)
			target = target[len(filepath.VolumeName(target)):]
		}
		rest = append(split(target), rest...)
	}
	return names
}

// split is the elements of a path without those that lead nowhere. ".." stays: behind a link it is not
// the folder before.
func split(path string) []string {
	elements := strings.Split(filepath.ToSlash(path), "/")
	return slices.DeleteFunc(elements, func(s string) bool { return s == "" || s == "." })
}
