package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// machine makes a proc file system of processes: what stat and smaps_rollup say of each.
func machine(t *testing.T, files map[int][2]string) FS {
	t.Helper()
	dir := t.TempDir()
	for pid, text := range files {
		own := filepath.Join(dir, strconv.Itoa(pid))
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"stat", "smaps_rollup"} {
			if err := os.WriteFile(filepath.Join(own, name), []byte(text[i]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return FS(dir)
}

// line is a line of stat with other numbers around those that count.
func line(pid int, name string, parent, utime, stime, cutime, cstime int) string {
	return fmt.Sprintf("%d (%s) S %d 91 92 93 -1 4194560 94 95 96 97 %d %d %d %d 20 0 1 0 98 99 100\n",
		pid, name, parent, utime, stime, cutime, cstime)
}

func rollup(rss, pss int) string {
	return fmt.Sprintf("00400000-7ffd [rollup]\nRss:   %d kB\nPss:   %d kB\nPss_Dirty: 1 kB\nShared_Clean: 7 kB\n", rss, pss)
}

func TestUsageOfATree(t *testing.T) {
	f := machine(t, map[int][2]string{
		10: {line(10, "nginx", 1, 1, 2, 40, 50), rollup(100, 60)},
		11: {line(11, "a) S 1 (b", 10, 100, 200, 0, 0), rollup(300, 260)},
		12: {line(12, "worker", 11, 1000, 2000, 0, 0), rollup(1, 1)},
		13: {line(13, "stranger", 1, 7, 7, 7, 7), rollup(5, 5)},
	})
	got, err := f.Usage(10)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Usage{CPU: 3393 * Tick, RSS: 401 * 1024, PSS: 321 * 1024}); got != want {
		t.Errorf("usage %+v, want %+v", got, want)
	}
	if cpu, err := f.CPU(13); err != nil || cpu != 28*Tick {
		t.Errorf("the stranger used %v, %v, want %v", cpu, err, 28*Tick)
	}
	if _, err := f.CPU(99); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v of a process that is not there", err)
	}
}

func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no brackets": "10 nginx S 1", "short": "10 (nginx) S 1 2 3",
		"no number": "10 (nginx) S 1 91 92 93 -1 94 95 96 97 98 x 2 3 4 20",
	} {
		t.Run(name, func(t *testing.T) {
			if cpu, err := machine(t, map[int][2]string{10: {text, ""}}).CPU(10); err == nil {
				t.Errorf("%v of a broken line", cpu)
			}
		})
	}
	if u, err := machine(t, map[int][2]string{10: {line(10, "a", 1, 1, 1, 1, 1), "Rss: 5\n"}}).Usage(10); err == nil {
		t.Errorf("%+v of a rollup without units", u)
	}
}

// TestSelf works until the kernel has noticed, and holds what it says against the clock.
func TestSelf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	before, err := System.Usage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.RSS < 1<<20 || before.PSS <= 0 || before.PSS > before.RSS {
		t.Errorf("memory %+v of a Go program", before)
	}
	began := time.Now()
	for cpu := before.CPU; cpu < before.CPU+5*Tick; {
		if cpu, err = System.CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > time.Minute {
			t.Fatal("a minute of work and the kernel did not notice")
		}
	}
	most := time.Since(began)*time.Duration(runtime.NumCPU()) + 2*Tick
	if after, err := System.CPU(os.Getpid()); err != nil || after-before.CPU > most {
		t.Errorf("%v used, %v, in a time that allows %v", after-before.CPU, err, most)
	}
}
