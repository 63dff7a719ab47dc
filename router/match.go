package router

import "strings"

// maxHost is the longest host that is looked up (RFC 1035 §2.3.4); a longer one meets only the services
// of any host.
const maxHost = 255

// match finds the service of a host and path: an exact host before a wildcard before any host, and
// there the longest prefix on whole segments. A more specific host without that path does not hide a
// less specific one that has it. Path is in matching form.
func (t *Table) match(host, path string) *Service {
	if len(t.exact)+len(t.wildcard) > 0 {
		var buf [maxHost]byte
		if s := t.matchHost(lowerHost(host, &buf), path); s != nil {
			return s
		}
	}
	return t.any.match(path)
}

func (t *Table) matchHost(host []byte, path string) *Service {
	if len(host) == 0 {
		return nil
	}
	if p := t.exact[string(host)]; p != nil {
		if s := p.match(path); s != nil {
			return s
		}
	}
	if len(t.wildcard) == 0 {
		return nil
	}
	for i, b := range host {
		if b != '.' || i == 0 { // the wildcard stands for at least one character
			continue
		}
		if p := t.wildcard[string(host[i:])]; p != nil {
			if s := p.match(path); s != nil {
				return s
			}
		}
	}
	return nil
}

// lowerHost writes the host without port and final dot in lower case; nil when it is too long.
func lowerHost(host string, buf *[maxHost]byte) []byte {
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			host = host[1:end]
		}
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > maxHost {
		return nil
	}
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return buf[:len(host)]
}

// match walks from the longest possible prefix to the shortest, so it costs as many look-ups as the
// path has segments within the longest prefix.
func (p *paths) match(path string) *Service {
	if len(path) > p.longest {
		cut := p.longest
		if path[cut] != '/' {
			cut = max(strings.LastIndexByte(path[:cut], '/'), 0)
		}
		path = path[:cut]
	}
	for {
		if s := p.prefix[path]; s != nil {
			return s
		}
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return nil
		}
		path = path[:cut]
	}
}

// under reports whether a path in matching form lies at or below a prefix without trailing slash.
func under(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}
