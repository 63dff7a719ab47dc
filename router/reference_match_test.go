package router_test

import (
	"net/url"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// segments are the parts of a path between slashes once escapes are decoded and empty and dot segments
// are gone. An escaped slash stays as written, so it never separates.
func segments(path string) ([]string, bool) {
	if path == "" || path == "*" {
		path = "/"
	}
	if path[0] != '/' || len(path) > router.MaxPath {
		return nil, false
	}
	var kept []string
	for s := range strings.SplitSeq(path, "/") {
		s = strings.NewReplacer("%2F", "%252F", "%2f", "%252F").Replace(s)
		s, err := url.PathUnescape(s)
		if err != nil || strings.Contains(s, "\x00") {
			return nil, false
		}
		switch s {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, s)
		}
	}
	return kept, true
}

func under(path []string, prefix string) bool {
	want := strings.FieldsFunc(prefix, func(c rune) bool { return c == '/' })
	return len(path) >= len(want) && slices.Equal(path[:len(want)], want)
}

func hostName(host string) string {
	end := strings.Index(host, "]")
	if strings.HasPrefix(host, "[") && end > 0 {
		host = host[1:end]
	} else if !strings.HasPrefix(host, "[") {
		host = strings.Split(host, ":")[0]
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > 255 {
		return ""
	}
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, host)
}

// match rates every pair of host and path of every service: exact hosts before wildcards before any
// host, long wildcards before short ones, then long paths before short ones.
func (r *reference) match(host string, path []string) *config.Service {
	var best *config.Service
	bestHost, bestPath := -1, -1
	for i := range r.conf.Services {
		s := &r.conf.Services[i]
		for _, pattern := range append(slices.Clone(s.Hosts), "") {
			if pattern == "" && len(s.Hosts) > 0 {
				continue
			}
			hostRate := rate(pattern, host)
			for _, prefix := range s.Paths {
				if hostRate < 0 || !under(path, prefix) {
					continue
				}
				if hostRate > bestHost || hostRate == bestHost && len(prefix) > bestPath {
					best, bestHost, bestPath = s, hostRate, len(prefix)
				}
			}
		}
	}
	return best
}

func rate(pattern, host string) int {
	suffix, wild := strings.CutPrefix(pattern, "*")
	switch {
	case pattern == "":
		return 0
	case wild && len(host) > len(suffix) && strings.HasSuffix(host, suffix):
		return len(suffix)
	case pattern == host:
		return 1000
	}
	return -1
}
