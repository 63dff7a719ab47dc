package router

import (
	"strings"
	"unsafe"

	"github.com/switchback-proxy/switchback/config"
)

// Marks says for which ratio checks of its service a request may count, by method and path; its status is
// still to come. Bit i: something is hoped of it, bit i+config.MaxRatios: it is the good one, both of the
// i-th ratio check of the rollout.
type Marks uint8

// Of reports whether the request is one of those that the i-th ratio is of.
func (m Marks) Of(i int) bool { return m>>i&1 != 0 }

// Good reports whether the request is a good one of the i-th ratio.
func (m Marks) Good(i int) bool { return m>>(i+config.MaxRatios)&1 != 0 }

// Ratios are the ratio checks of the service's rollout, in file order. They must not be changed.
func (s *Service) Ratios() []config.Check { return s.ratios }

func (s *Service) compileRatios() {
	if s.Config.Rollout == nil {
		return
	}
	for _, c := range s.Config.Rollout.Checks {
		if c.Kind == config.KindRatio && len(s.ratios) < config.MaxRatios {
			s.ratios = append(s.ratios, c)
		}
	}
}

// Mark compares a request, whose path is escaped and without query, with the ratio checks. It does not
// allocate.
func (s *Service) Mark(method, path string) Marks {
	switch {
	case len(s.ratios) == 0:
		return 0
	case plain(path):
		return s.mark(method, path)
	}
	return s.markOdd(method, path)
}

// markOdd is apart, so that only odd paths pay for its buffer.
//
//go:noinline
func (s *Service) markOdd(method, path string) Marks {
	var buf [MaxPath]byte
	normal, ok := normalize(path, &buf)
	if !ok {
		return 0
	}
	return s.mark(method, unsafe.String(unsafe.SliceData(normal), len(normal))) //nolint:gosec // lives as long as buf, is not kept
}

func (s *Service) mark(method, path string) (m Marks) {
	for i := range s.ratios {
		if matches(&s.ratios[i].Of, method, path) {
			m |= 1 << i
		}
		if matches(&s.ratios[i].Good, method, path) {
			m |= 1 << (i + config.MaxRatios)
		}
	}
	return m
}

// matches ignores a slash at the end of the path, as prefixes of services and rules do.
func matches(p *config.Pattern, method, path string) bool {
	if p.Method != "" && p.Method != method {
		return false
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(p.Path, "/"))
	return ok && (rest == "" || rest == "/" || p.Below && rest[0] == '/')
}
