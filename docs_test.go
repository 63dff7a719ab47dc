package switchback_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

var (
	yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	link      = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
)

// TestDocumentedFiles reads every whole file that the documents show.
func TestDocumentedFiles(t *testing.T) {
	seen := 0
	for _, doc := range documents(t) {
		for _, block := range yamlBlock.FindAllStringSubmatch(read(t, doc), -1) {
			if !strings.Contains(block[1], "services:") {
				continue
			}
			seen++
			if _, err := config.Parse(doc, []byte(block[1])); err != nil {
				t.Errorf("%s shows a file that is refused:\n%v", doc, err)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d files found in the documents", seen)
	}
}

// TestLinks follows every relative link of the documents.
func TestLinks(t *testing.T) {
	for _, doc := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, doc), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
