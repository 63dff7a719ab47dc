package examples

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme goes the way of a new user who has two servers and nothing but the first page.
func TestReadme(t *testing.T) {
	// The file leaves both addresses to their defaults, which a test cannot use.
	const head = "listeners: {web: {address: 127.0.0.1:8080}}\nadmin: {address: 127.0.0.1:9900}\n"
	e := open(t, "quickstart", head, "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:9900")
	quickstart := e.readme
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.5.0")
	e.up(t, "127.0.0.1:8081", "127.0.0.1:8082")

	e.readme = read(t, filepath.Join("..", "README.md"))
	_, file, _ := strings.Cut(e.readme, "this is a whole `switchback.yaml`")
	_, file, found := strings.Cut(file, "```yaml\n")
	if !found {
		t.Fatal("the first page has no file to begin with")
	}
	file, _, _ = strings.Cut(file, "```")
	e.write(t, head+file)
	e.expect(t, "switchback check", 0)
	e.start(t, "switchback serve")
	e.served(t)

	e.readme += quickstart // has that command
	e.expect(t, get, 0, "2.4.0")
	e.expect(t, "switchback cutover shop --to green", 0)
	if got := e.share(t); got != 1 {
		t.Errorf("green answers %v of the requests after the cutover, want all", got)
	}
	e.expect(t, "switchback rollback shop", 0)
	if got := e.share(t); got != 0 {
		t.Errorf("green answers %v of the requests after the rollback, want none", got)
	}
}
