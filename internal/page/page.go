// Package page rewrites one section of a document and leaves the rest alone, so that several programs can
// write what they measured into one page and people can write around it. Only tests and measuring programs
// import it.
package page

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Write puts text between the markers of the named section of a file; a section that is not there yet is
// added at the end, a file that is not there is made. A file with unpaired or repeated markers is left as
// it is.
func Write(file, section, text string) error {
	old, err := os.ReadFile(file) //nolint:gosec // the document that the caller names
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("section %s: %w", section, err)
	}
	whole, err := Put(string(old), section, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil { //nolint:gosec // a document is for everybody
		return fmt.Errorf("section %s: %w", section, err)
	}
	return nil
}

// Put is Write for a document in memory.
func Put(document, section, text string) (string, error) {
	begin, end := "<!-- begin "+section+" -->\n", "<!-- end "+section+" -->\n"
	written := begin + strings.TrimSpace(text) + "\n" + end
	switch begins, ends := strings.Count(document, begin), strings.Count(document, end); {
	case begins == 0 && ends == 0 && document == "":
		return written, nil
	case begins == 0 && ends == 0:
		return strings.TrimRight(document, "\n") + "\n\n" + written, nil
	case begins != 1 || ends != 1:
		return "", fmt.Errorf("section %s begins %d times and ends %d times; leave one pair of markers", section, begins, ends)
	}
	before, rest, _ := strings.Cut(document, begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("section %s ends before it begins; put its markers in order", section)
	}
	return before + written + after, nil
}
