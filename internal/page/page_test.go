package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPut(t *testing.T) {
	const section = "<!-- begin a -->\nnew\n<!-- end a -->\n"
	for _, tt := range []struct{ name, document, want, problem string }{
		{name: "empty", want: section},
		{name: "added", document: "# Title\n\n\n", want: "# Title\n\n" + section},
		{
			name:     "replaced",
			document: "# Title\n<!-- begin a -->\nold\n\nolder\n<!-- end a -->\nby hand\n<!-- begin b -->\nb\n<!-- end b -->\n",
			want:     "# Title\n" + section + "by hand\n<!-- begin b -->\nb\n<!-- end b -->\n",
		},
		{name: "no end", document: "<!-- begin a -->\nold\n", problem: "begins 1 times and ends 0 times"},
		{name: "twice", document: section + section, problem: "begins 2 times"},
		{name: "out of order", document: "<!-- end a -->\n<!-- begin a -->\n", problem: "ends before it begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Put(tt.document, "a", "\nnew\n\n")
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v, want one with %q", err, tt.problem)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestWriteKeepsOthers writes two sections turn by turn; neither disturbs the other.
func TestWriteKeepsOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	for _, s := range [][2]string{{"a", "one"}, {"b", "two"}, {"a", "three"}} {
		if err := Write(file, s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "<!-- begin a -->\nthree\n<!-- end a -->\n\n<!-- begin b -->\ntwo\n<!-- end b -->\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWriteLeavesBroken must not touch a document that it does not understand.
func TestWriteLeavesBroken(t *testing.T) {
	file, broken := filepath.Join(t.TempDir(), "page.md"), "<!-- begin a -->\nmine\n"
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, "a", "text"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names the file", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != broken {
		t.Errorf("the file is %q now, %v", got, err)
	}
}
