package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// script is a target whose answers are told by the path of a request, and which notes what it gets.
type script struct {
	mu  sync.Mutex
	got []string
}

var scripted = map[string]string{
	"/ok":       okResponse,
	"/fields":   "HTTP/1.1 200 Fine\r\nContent-Length: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Empty:\r\nConnection: keep-alive, x-drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\nServer: s\r\nVia: 1.0 x\r\nSwitchback-Reason: theirs\r\n\r\nx",
	"/chunked":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0000\r\n\r\n",
	"/trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Never\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\nX-Surprise: 3\r\n\r\n",
	"/nothing":  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"/chunks0":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"/204":      "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
	"/204-0":    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	"/205":      "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
	"/304":      "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nEtag: \"x\"\r\n\r\n",
	"/304-bare": "HTTP/1.1 304 Not Modified\r\n\r\n",
	"/interim":  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + okResponse,
	"/500":      "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
	"/599":      "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n",
	"/timing":   "HTTP/1.1 200 OK\r\nServer-Timing: db;dur=12.5, cache;desc=\"a, b\"\r\nContent-Length: 0\r\n\r\n",
	"/head":     "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: text/x\r\n\r\n",
	"/bare":     "HTTP/1.1 200 OK\r\n\r\n", // to HEAD
	"/closing":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	"/coded":    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
	"/long":     "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("y", 10<<10) + "\r\nContent-Length: 2\r\n\r\nok",
	"/bad":      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"/stream":   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n",
}

// scriptedEnds are answers that end with their connection.
var scriptedEnds = map[string]string{
	"/until-close": "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n\r\nall of it",
	"/1.0":         "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",
	"/cut-length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
	"/cut-chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
	"/cut-head":    "HTTP/1.1 200 OK\r\nConte",
	"/mute":        "",
}

func (s *script) serve(c net.Conn, br *bufio.Reader) {
	for {
		q, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		path, _, _ := strings.Cut(q.RequestURI, "?")
		s.mu.Lock()
		s.got = append(s.got, fmt.Sprintf("%s %s %s %v %q %d %v %v %s", q.Method, q.RequestURI, q.Host, q.Header, q.TransferEncoding, q.ContentLength, q.Trailer, q.Close, sum(bytes.NewReader(body))))
		s.mu.Unlock()
		response, ends := scriptedEnds[path]
		switch {
		case ends:
		case path == "/echo":
			response = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case path == "/echo-chunked":
			response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			for part := range slices.Chunk(body, 4096) {
				response += fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
			}
			response += "0\r\n\r\n"
		case scripted[path] != "":
			response = scripted[path]
		default:
			response = okResponse
		}
		if _, err := io.WriteString(c, response); err != nil || ends {
			return
		}
	}
}

// take returns what the target got since the last time.
func (s *script) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// seen is what a client sees of one answer.
type seen struct {
	status           int
	proto, body, err string
	header, trailer  http.Header
	coding           []string
	length           int64
	closes           bool
}

// plain is s without what may differ. net/http has a phrase of its own for each status, gives a short answer a length
// when it is there at once, and keeps the head of an answer to itself that breaks off soon.
func (s seen) plain() string {
	if s.err != "" {
		return "breaks off"
	}
	if s.length == int64(len(s.body)) || s.coding != nil {
		s.header.Del("Content-Length")
		s.length, s.coding = 0, nil
	}
	return fmt.Sprintf("%+v", s)
}

// converse sends bytes, and reads the answers to requests with these methods.
func (r *rig) converse(request string, methods []string) (all []seen, end string) {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	go func() { _, _ = io.WriteString(c, request) }()
	br := bufio.NewReader(c)
	for _, method := range methods {
		for {
			res, err := http.ReadResponse(br, &http.Request{Method: method})
			if err != nil {
				return append(all, seen{err: gist(err)}), ""
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			s := seen{res.StatusCode, res.Proto, string(body), gist(err), res.Header, res.Trailer, res.TransferEncoding, res.ContentLength, res.Close}
			if res.Header.Get("Date") == "" && res.StatusCode >= 200 {
				s.header.Add("Date", "none")
			} else if res.StatusCode >= 200 && !strings.Contains(res.Header.Get("Date"), "1994") {
				s.header.Set("Date", "now")
			}
			for i, v := range s.header["Set-Cookie"] {
				if strings.HasPrefix(v, "id=") {
					_, rest, _ := strings.Cut(v, ";")
					s.header["Set-Cookie"][i] = "id=minted;" + rest
				}
			}
			all = append(all, s)
			if err != nil {
				return all, ""
			}
			if res.StatusCode >= 200 {
				break
			}
		}
	}
	if len(all) > 0 && all[len(all)-1].closes {
		rest, err := io.ReadAll(br)
		if errors.Is(err, syscall.ECONNRESET) {
			err = syscall.ECONNRESET // without addresses
		}
		return all, fmt.Sprintf("%q %v", rest, err)
	}
	return all, "stays"
}

// gist is an error without what differs from one connection to the next.
func gist(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ends"
	}
	return err.Error()
}

// ofThePath are the families that tell the paths apart, or depend on how many loops keep connections.
var ofThePath = []string{
	"switchback_connections", "switchback_path_connections", "switchback_handovers_total", "switchback_upstream_connections_total",
}

// counters are all samples that count, without what times decide.
func (r *rig) counters() map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(r.scrapeAll("switchback_"), "\n") {
		name, value, _ := strings.Cut(line, "} ")
		if value == "" {
			name, value, _ = strings.Cut(line, " ")
		}
		family, _, _ := strings.Cut(name, "{")
		if !strings.HasSuffix(family, "_bucket") && !strings.HasSuffix(family, "_sum") && !slices.Contains(ofThePath, family) {
			out[name] = value
		}
	}
	return out
}

// entries are the lines of the access log from the nth on.
func (r *rig) entries(n int) (out []string) {
	for _, e := range r.logs.FilterLoggerName("access").All()[n:] {
		fields := e.ContextMap()
		delete(fields, "latency")
		delete(fields, "duration")
		out = append(out, fmt.Sprint(fields))
	}
	return out
}

const same = `log: {access: true}
services:
  web: {hosts: [a.example], pools: {blue: ["{{up}}"]}, weights: {blue: 100}}
  target: {hosts: [target.example], host: target, pools: {blue: ["{{up}}"]}, weights: {blue: 100}}
  sticky: {hosts: [sticky.example], sticky: {key: [{issue_cookie: id}]}, pools: {blue: ["{{up}}"], green: ["{{up}}"]}, weights: {blue: 50, green: 50}}
  mint: {hosts: [mint.example], sticky: {key: [{issue_cookie: id}]}, pools: {blue: ["{{up}}"], green: ["{{up}}"]}, weights: {blue: 100, green: 0}}
  refused: {hosts: [refused.example], pools: {blue: ["{{closed}}"]}, weights: {blue: 100}}
  down: {hosts: [down.example], pools: {black: ["{{up}}"]}, weights: {black: 100}}
  ruled:
    hosts: [ruled.example]
    pools: {blue: ["{{up}}"], green: ["{{closed}}"]}
    weights: {blue: 100, green: 0}
    rules: [{when: {header: {X-Green: "yes"}}, to: green}]
`

// sameAsked are requests; an answer is expected to each method.
var sameAsked = []struct {
	name, request string
	methods       []string
}{
	{"GET", get("/ok"), nil},
	{"GET with a query", get("/ok?a=%zz&b=|"), nil},
	{"fields", get("/fields", "Accept-Encoding: br", "User-Agent:", "X-A: 1", "x-a: 2", "Connection: x-b", "X-B: 3", "TE: trailers, gzip", "Pragma: no-cache"), nil},
	{"HEAD", "HEAD /head HTTP/1.1\r\n" + host + "\r\n", []string{"HEAD"}},
	{"HEAD without length", "HEAD /bare HTTP/1.1\r\n" + host + "\r\n", []string{"HEAD"}},
	{"HEAD twice", "HEAD /head HTTP/1.1\r\n" + host + "\r\nHEAD /204 HTTP/1.1\r\n" + host + "\r\n", []string{"HEAD", "HEAD"}},
	{"HEAD to no service", "HEAD / HTTP/1.1\r\nHost: none.example\r\n\r\n", []string{"HEAD"}},
	{"POST", post("/echo", "hello"), nil},
	{"POST of nothing", post("/echo", ""), nil},
	{"POST of one byte", post("/echo", "x"), nil},
	{"POST of 4096 bytes", post("/echo", string(noise[:4096])), nil},
	{"POST of 100000 bytes", post("/echo", string(noise[:100000])), nil},
	{"POST of 100000 bytes for chunks", post("/echo-chunked", string(noise[:100000])), nil},
	{"POST without length", "POST /echo HTTP/1.1\r\n" + host + "\r\n", nil},
	{"chunks", chunks("/echo", ""), nil},
	{"chunks of nothing", "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nil},
	{"large chunks", "POST /echo-chunked HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n186A0;x\r\n" + string(noise[:100000]) + "\r\n1\r\nx\r\n0\r\n\r\n", nil},
	{"trailers nobody announced", chunks("/echo", "X-Sum: 1\r\nX-Sum: 2\r\n"), nil},
	{"trailers", chunks("/echo", "X-Sum: 1\r\n", "Trailer: X-Sum", "TE: trailers"), nil},
	{"GET with a body", "GET /echo HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", nil},
	{"DELETE", "DELETE /ok HTTP/1.1\r\n" + host + "\r\n", nil},
	{"a method of one's own", "BREW /ok HTTP/1.1\r\n" + host + "\r\n", nil},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", nil},
	{"absolute form", "GET http://a.example/ok?x HTTP/1.1\r\nHost: other.example\r\n\r\n", nil},
	{"HTTP/1.0", "GET /ok HTTP/1.0\r\n" + host + "\r\n", nil},
	{"HTTP/1.0, kept", "GET /ok HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n\r\n", nil},
	{"HTTP/1.0, chunked answer", "GET /chunked HTTP/1.0\r\n" + host + "\r\n", nil},
	{"close", get("/ok", "Connection: close"), nil},
	{"close and more", get("/ok", "Connection: close") + get("/chunked"), nil},
	{"a pair", get("/ok") + get("/chunked"), []string{"GET", "GET"}},
	{"a pair with a body", post("/echo", "first") + get("/500"), []string{"POST", "GET"}},
	{"a pair with chunks", chunks("/echo", "") + chunks("/echo-chunked", ""), []string{"POST", "POST"}},
	{"GET, then HTTP/1.0", get("/ok") + "GET /fields HTTP/1.0\r\n" + host + "\r\n", []string{"GET", "GET"}},
	{"GET, then a refusal", get("/ok") + "GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n", []string{"GET", "GET"}},
	{"bad chunk", "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", nil},
	{"no service", "GET / HTTP/1.1\r\nHost: none.example\r\n\r\n", nil},
	{"no service, with a body", "POST / HTTP/1.1\r\nHost: none.example\r\nContent-Length: 3\r\n\r\nabc", nil},
	{"no target", "GET / HTTP/1.1\r\nHost: down.example\r\n\r\n", nil},
	{"refused", "GET / HTTP/1.1\r\nHost: refused.example\r\n\r\n", nil},
	{"refused, with a body", "POST / HTTP/1.1\r\nHost: refused.example\r\nContent-Length: 3\r\n\r\nabc", nil},
	{"fallback", "GET /ok HTTP/1.1\r\nHost: ruled.example\r\nX-Green: yes\r\n\r\n", nil},
	{"fallback, with a body", "POST /echo HTTP/1.1\r\nHost: ruled.example\r\nX-Green: yes\r\nContent-Length: 3\r\n\r\nabc", nil},
	{"host of the target", "GET /ok HTTP/1.1\r\nHost: target.example\r\n\r\n", nil},
	{"sticky", "GET /ok HTTP/1.1\r\nHost: sticky.example\r\nCookie: id=0123456789abcdef0123456789abcdef\r\n\r\n", nil},
	{"sticky, another one", "GET /ok HTTP/1.1\r\nHost: sticky.example\r\nCookie: x=y; id=5123456789abcdef0123456789abcdef\r\n\r\n", nil},
	{"minted", "GET /fields HTTP/1.1\r\nHost: mint.example\r\n\r\n", nil},
	{"minted instead of garbage", "GET /500 HTTP/1.1\r\nHost: mint.example\r\nCookie: id=x\r\n\r\n", nil},
	{"told by another proxy", get("/ok", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.example",
		"X-Forwarded-Port: 444", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.0 fred", "Switchback-Pool: green", "X-Pool: blue"), nil},
	{"10 KB in the head", get("/ok", "X-Long: "+strings.Repeat("x", 10<<10)), nil},
	{"10 KB in the answer's head", get("/long"), nil},
	{"60 KB in the head", strings.Repeat(get("/long", "X-Long: "+strings.Repeat("x", 60<<10)), 2), []string{"GET", "GET"}},
	{"websocket refused", handshake + "\r\n", nil},
	{"event stream", get("/stream"), nil},
	{"trailers of the target", get("/trailers", "TE: trailers"), nil},
	{"empty chunks", get("/chunks0"), nil},
	{"nothing", get("/nothing"), nil},
	{"204", get("/204") + get("/204-0") + get("/205"), []string{"GET", "GET", "GET"}},
	{"304", get("/304") + get("/304-bare"), []string{"GET", "GET"}},
	{"interim", get("/interim") + get("/interim"), []string{"GET", "GET"}},
	{"failing", get("/500") + get("/599"), []string{"GET", "GET"}},
	{"timing", get("/timing"), nil},
	{"coded, dated", get("/coded"), nil},
	{"target closes", get("/closing") + get("/ok"), []string{"GET", "GET"}},
	{"until close", get("/until-close") + get("/ok"), []string{"GET", "GET"}},
	{"HTTP/1.0 target", get("/1.0") + get("/ok"), []string{"GET", "GET"}},
	{"cut by length", get("/cut-length"), nil},
	{"cut in a chunk", get("/cut-chunk"), nil},
	{"cut in the head", get("/cut-head"), nil},
	{"mute", get("/mute"), nil},
	{"mute, with a body", post("/mute", "abc"), nil},
	{"malformed", get("/bad"), nil},
}

func get(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + host + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func post(target, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", target, host, len(body), body)
}

func chunks(target, trailers string, fields ...string) string {
	return "POST " + target + " HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\n" + trailers + "\r\n"
}

// Both paths say the same to clients, to targets, in the metrics and in the log.
func TestSameAnswers(t *testing.T) {
	t.Parallel()
	for _, trust := range []string{"", trusted} {
		up := new(script)
		urls := map[string]string{"up": rawUpstream(t, up.serve), "closed": closed(t)}
		rigs := [2]*rig{}
		for i := range rigs {
			rigs[i] = startListener(t, trust+same, urls, func(l *config.Listener) { l.Fast = i == 1 })
			rigs[i].down("black")
		}
		for _, tt := range sameAsked {
			t.Run(fmt.Sprintf("%s, trust %v", tt.name, trust != ""), func(t *testing.T) {
				method, _, _ := strings.Cut(tt.request, " ")
				methods := tt.methods
				if methods == nil {
					methods = []string{method}
				}
				var got [2]struct {
					answers  []seen
					end      string
					upstream []string
				}
				var before [2]map[string]string
				var lines [2]int
				for i, r := range rigs {
					before[i], lines[i] = r.counters(), r.logs.FilterLoggerName("access").Len()
					got[i].answers, got[i].end = r.converse(tt.request, methods)
					got[i].upstream = up.take()
				}
				for i := range max(len(got[0].answers), len(got[1].answers)) {
					a, b := [2]string{}, [2][]seen{got[0].answers, got[1].answers}
					for k := range b {
						if i < len(b[k]) {
							a[k] = b[k][i].plain()
						}
					}
					if a[0] != a[1] {
						t.Errorf("answer %d:\n%.2000s\non the fast path:\n%.2000s", i, a[0], a[1])
					}
				}
				for i := range got {
					if i == 0 || testPath() == generalPath { // net/http does not wait for what a client still sends
						got[i].end = strings.Replace(got[i].end, syscall.ECONNRESET.Error(), "<nil>", 1)
					}
				}
				if got[0].end != got[1].end {
					t.Errorf("connection: %s, on the fast path %s", got[0].end, got[1].end)
				}
				if a, b := strings.Join(got[0].upstream, "\n"), strings.Join(got[1].upstream, "\n"); a != b {
					t.Errorf("upstream got\n%s\non the fast path\n%s", a, b)
				}
				var a, b string
				for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
					var told [2]string
					for i, r := range rigs {
						after := r.counters()
						for _, name := range slices.Sorted(maps.Keys(after)) {
							if v := after[name]; v != before[i][name] {
								told[i] += fmt.Sprintf("%s: %s to %s\n", name, before[i][name], v)
							}
						}
						told[i] += strings.Join(r.entries(lines[i]), "\n")
					}
					if a, b = told[0], told[1]; a == b && rigs[0].inflight() == 0 && rigs[1].inflight() == 0 {
						break
					}
				}
				if a != b {
					t.Errorf("booked as\n%s\non the fast path\n%s", a, b)
				}
				if len(rigs[1].entries(lines[1])) < 1 && got[1].answers[0].header.Get("Switchback-Reason") == "" {
					t.Error("nothing was logged")
				}
			})
		}
	}
}
