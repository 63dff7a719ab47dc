package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/router"
)

// asked are heads of requests, one or more for each rule of rewriting. The fields stand behind "Host: a".
var asked = []string{
	"GET / HTTP/1.1", "GET /a?b HTTP/1.1", "GET /? HTTP/1.1", "GET //a%2f?b HTTP/1.1", "GET //a\" HTTP/1.1", "GET http://b:80/c HTTP/1.1",
	"GET http://[::1]?c HTTP/1.1", "OPTIONS * HTTP/1.1", "OPTIONS http://b HTTP/1.1", "GET / HTTP/1.0", "HEAD / HTTP/1.1",
	"GET / HTTP/1.1|x-b:1|X-A: \t2 \t|x-b: 3|X-Empty:|Content-Length: 0|User-Agent:", "POST / HTTP/1.1|Content-Length: 007",
	"POST / HTTP/1.1", "PUT / HTTP/1.1|Content-Length: 0", "PATCH / HTTP/1.1", "DELETE / HTTP/1.1", "GET / HTTP/1.1|Content-Length: 1",
	"POST / HTTP/1.1|Transfer-Encoding: Chunked|Trailer: X-Sum, Set-Cookie,,proxy|trailer: x-b,Content-Type, Content-Range",
	"POST / HTTP/1.1|Transfer-Encoding: chunked|Trailer: Content-Encoding,", "GET / HTTP/1.1|Trailer: X-Sum",
	"GET / HTTP/1.1|Keep-Alive: 5|Proxy-Connection: close|Proxy-Authenticate: a|proxy-authorization: b|Proxy: c",
	"GET / HTTP/1.1|X-1: 1|Connection: close, x-1 ,X-2|x-2: 2|X-3: 3|Via: x|Connection: via,host", "GET / HTTP/1.1|TE: gzip, Trailers|Connection: TE",
	"GET / HTTP/1.1|Connection: a,b,c,d,e,f,g,x-forwarded-for|G: 1|H: 2|A: 3|connection: h|X-Forwarded-For: 1", "GET / HTTP/1.1|TE: trailers;q=1",
	"POST / HTTP/1.1|Content-Length: 3|Connection: content-length", "POST / HTTP/1.1|Transfer-Encoding: chunked|Connection: transfer-encoding, trailer|Trailer: a",
	"GET / HTTP/1.1|Connection: upgrade|Upgrade: WebSocket|Sec-WebSocket-Version: 13", "GET / HTTP/1.1|Connection: \xe2\x84\xaaeep|Keep: x",
	"GET / HTTP/1.1|Switchback-Pool: x|switchback-anything-with-a-long-name: y|Switchback: kept|Switchback-Flags: z|switch_back: w",
	"GET / HTTP/1.1|x-canary: blue|X-Canary2: y", "GET / HTTP/1.1|x-canary: blue|X-Forwarded-For: 10.0.0.9",
	"POST / HTTP/1.1|Content-Length: 1|Expect: 100-Continue", "POST / HTTP/1.0|Expect: 100-continue|Connection: keep-alive|Content-Length: 1",
	"GET / HTTP/1.1|Via: 1.1 a, 1.1 b|via: 2.0 c", "GET / HTTP/1.1|Pragma: no-cache", "GET / HTTP/1.1|Pragma: no-cache|Connection: pragma",
	"GET / HTTP/1.1|X-Forwarded-For: 1|x-forwarded-proto: https|X-Forwarded-Host: b|Forwarded: for=1|X-Forwarded-For: 2, 3|X-Real-IP: 1|forwarded: for=2",
	"GET / HTTP/1.1|X-Forwarded-Proto:|X-Forwarded-Proto: https|X-Forwarded-Host:|X-Forwarded-For:|Forwarded:|Via:|X-Forwarded-Host: c",
	"GET / HTTP/1.1|X-Forwarded-Proto: https|X-Forwarded-Proto:|X-Forwarded-Host: b|X-Forwarded-Host: c|X-Forwarded-Prefix-Of-Some-Length: /",
	"GET / HTTP/1.1|X-Forwarded-For: 1|Forwarded: for=1|X-Forwarded-Proto: https|Connection: X-Forwarded-For, forwarded, X-Forwarded-Proto",
	"GET / HTTP/1.1|Cookie: a|Cookie: b|te: x|X-Real-Ip: 1|Forwarded-For: 1|Proxy-: x|Close: y|Connection: close",
}

// peers are where clients connect from: anybody, and trusted proxies.
var peers = []string{"192.0.2.9:1", "10.0.0.1:1", "[2001:db8::1]:1", "[fd00::1]:1", "[fe80::1%eth0]:1", "@", ""}

// FuzzForwarding: a request rewritten as bytes means to a target what the one sent through net/http's types
// means.
func FuzzForwarding(f *testing.F) {
	c, err := config.Parse("test.yaml", []byte(`{trust: {proxies: [10.0.0.0/8, "fd00::/8"], override: {header: X-Canary, from: [10.0.0.9, "2001:db8::/32"]}},
  services: {web: {host: preserve, pools: {blue: [http://10.0.0.2]}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	table, err := router.Compile(c, nil, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range asked {
		head := strings.Replace(s, "|", "\r\nHost: a\r\n", 1)
		if head == s {
			head += "\r\nHost: a"
		}
		head = strings.ReplaceAll(head, "|", "\r\n") + "\r\n\r\n"
		for i := range peers {
			f.Add([]byte(head), uint8(i), i%2 == 0)
		}
	}
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), uint8(0), false)
	f.Add([]byte("GET / HTTP/1.0\r\nX-Forwarded-Host:\r\n\r\n"), uint8(1), false)
	f.Fuzz(func(t *testing.T, head []byte, peer uint8, secure bool) {
		r, bad := h1.CheckRequest(head, h1.Limits{})
		if bad != nil {
			return
		}
		w := newWay(t, table, head, peers[int(peer)%len(peers)], secure)
		var sent bytes.Buffer
		bw := bufio.NewWriter(&sent)
		writeHead(bw, w.out.request)
		bw.Flush()
		w.forwarding.Close = w.out.request.Close
		rewritten := h1.AppendRequest(nil, head, &r, &w.forwarding)
		want, got := describeSent(t, sent.Bytes()), describeSent(t, rewritten)
		if strings.HasPrefix(w.client.path, "//") {
			// Only here the general path writes a path in its own way: "//" begins an authority in its types.
			want.target, got.target = unescaped(t, want.target), unescaped(t, got.target)
		}
		inventedCacheControl(want.header, head)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("of %q\n got %v\nwant %v", head, got, want)
		}
	})
}

// way is a request on its way to a target, for both paths.
type way struct {
	client     client
	out        *outgoing
	forwarding h1.Forwarding
}

func newWay(t *testing.T, table *router.Table, head []byte, remote string, secure bool) way {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	req.RemoteAddr = remote
	snap := &snapshot{table: table}
	c := (&handler{}).client(req, snap)
	c.secure = secure
	rec := httptest.NewRecorder()
	x := &exchange{snap: snap, decision: router.Decision{Service: table.Services[0]}}
	o := newOutgoing(t.Context(), rec, req, c, x, newUpload(rec, req, c.idle))
	target := table.Services[0].Pools[0].Targets[0]
	o.carryBody(true)
	o.request.URL, o.request.Host = o.url(target), req.Host
	o.request.Header["Switchback-Pool"] = []string{"blue"}
	f := h1.Forwarding{
		Host: req.Host, Target: c.path, Asked: req.Host, Proto: "http", Trusted: c.trusted, Pool: "blue",
	}
	if f.Host == "" {
		f.Host = target.Addr
	}
	if c.asked {
		f.Target += "?" + c.query
	}
	if secure {
		f.Proto = "https"
	}
	if c.peer.IsValid() {
		f.Peer = c.peer.String()
	}
	if !table.MayOverride(c.addr) {
		f.Drop = table.OverrideHeader()
	}
	return way{c, o, f}
}

// sentRequest is a head as a target reads it.
type sentRequest struct {
	method, target, host string
	length               int64
	close                bool
	trailer              []string
	header               http.Header
}

func describeSent(t *testing.T, head []byte) sentRequest {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(head))
	r, err := http.ReadRequest(br)
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	if br.Buffered() > 0 {
		t.Errorf("the head ends before the end of %q", head)
	}
	return sentRequest{
		method: r.Method, target: r.RequestURI, host: r.Host, length: r.ContentLength, close: r.Close,
		trailer: slices.Sorted(maps.Keys(r.Trailer)), header: r.Header,
	}
}

func unescaped(t *testing.T, target string) string {
	t.Helper()
	path, query, asked := strings.Cut(target, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(path, asked, query)
}

// inventedCacheControl takes away what net/http made of a Pragma that Connection names: it adds the field
// when it reads a head, and we would pass on what nobody sent.
func inventedCacheControl(h http.Header, head []byte) {
	_, told := h1.Field(head, "cache-control")
	_, reason := h["Pragma"]
	if !told && !reason {
		delete(h, "Cache-Control")
	}
}

// answers are heads of responses, one or more for each rule of rewriting.
var answers = []string{
	"HTTP/1.1 200 OK|Content-Length: 3", "HTTP/1.1 299 Very \t Fine\xff|Content-Length: 0", "HTTP/1.1 200 ", "HTTP/1.1 200",
	"HTTP/1.0 404 No|Content-Length: 1|Connection: keep-alive", "HTTP/1.0 200 OK|Connection: x|X: y", "HTTP/1.1 200 OK|x-b:1|content-length:003|X-A: \t2 \t|x-b: 3|X-E:",
	"HTTP/1.1 200 OK|X: y|transfer-encoding: Chunked", "HTTP/1.1 200 OK|Trailer: X-Sum, Set-Cookie|Transfer-Encoding: chunked|Trailer: x-b,proxy,",
	"HTTP/1.1 200 OK|Trailer: X-Sum|Content-Length: 3", "HTTP/1.1 200 OK|Connection: content-length, x|Content-Length: 3|X: y",
	"HTTP/1.1 304 Not Modified|Content-Length: 3|Content-Type: a/b|ETag: c", "HTTP/1.1 304 x|Transfer-Encoding: chunked|Trailer: a",
	"HTTP/1.1 304 x|Connection: content-length|Content-Length: 3", "HTTP/1.1 204 No Content|Content-Length: 3|X: y",
	"HTTP/1.1 200 OK|Keep-Alive: 5|Proxy-Connection: x|Proxy-Authenticate: a|Proxy-Authorization: b|TE: trailers|Upgrade: h2c|Content-Length: 0|Proxy: x",
	"HTTP/1.1 200 OK|X-1: 1|Connection: close, x-1|x-2: 2|Content-Length: 0|Connection: X-2,X-3", "HTTP/1.1 200 OK|Connection: date|date: then",
	"HTTP/1.1 200 OK|Connection: a,b,c,d,e,f,g|G: 1|H: 2|connection: h", "HTTP/1.1 200 OK|Date: then|Set-Cookie: b=2|set-cookie: c=3",
	"HTTP/1.1 200 OK|Connection: set-cookie|Set-Cookie: b=2", "HTTP/1.1 200 OK|Pragma: no-cache|Connection: Pragma", "HTTP/1.1 200 OK|Pragma: no-cache",
	"HTTP/1.1 103 Early Hints|Link: a|Link: b|Content-Length: 0|Connection: x|X: y", "HTTP/1.1 100 Continue",
	"HTTP/1.1 101 x|Upgrade: WebSocket|Connection: upgrade, x|Sec-WebSocket-Accept: a|X: y", "HTTP/1.1 502 x|Date:|X_Forwarded_For: 1|Switchback-Pool: x",
}

// FuzzAnswering: a response rewritten as bytes means to a client what the one that went through net/http's
// types means. The framing is that of the target: what net/http's server makes of it is not compared.
func FuzzAnswering(f *testing.F) {
	for _, s := range answers {
		for i := range uint8(8) {
			f.Add([]byte(strings.ReplaceAll(s, "|", "\r\n")+"\r\n\r\n"), i)
		}
	}
	f.Fuzz(func(t *testing.T, head []byte, bits uint8) {
		method := http.MethodGet
		if bits&1 != 0 {
			method = http.MethodHead
		}
		r, bad := h1.CheckResponse(head, method, h1.Limits{})
		if bad != nil {
			return
		}
		a := h1.Answering{Close: bits&2 != 0}
		if bits&4 != 0 {
			a.Date, a.Cookie = "Mon, 01 Jan 2024 00:00:00 GMT", "a=1; Path=/"
		}
		if r.Status < http.StatusOK {
			a = h1.Answering{}
		}
		want := describeAnswer(t, generalAnswer(t, head, method, &r, &a), method)
		got := describeAnswer(t, h1.AppendResponse(nil, head, &r, &a), method)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("of %q\n got %v\nwant %v", head, got, want)
		}
	})
}

// generalAnswer is the head that the general path makes, as far as that is ours to say; net/http's server
// adds and removes the rest.
func generalAnswer(t *testing.T, head []byte, method string, r *h1.Response, a *h1.Answering) []byte {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	defer res.Body.Close()
	h := http.Header{}
	if a.Cookie != "" {
		h.Add("Set-Cookie", a.Cookie)
	}
	// net/http drops a Connection field that has "close", and with it the names of what else goes.
	delete(res.Header, "Connection")
	for v := range h1.Fields(head, "connection") {
		res.Header.Add("Connection", string(v))
	}
	copyFields(h, res.Header)
	inventedCacheControl(h, head)
	announceResponseTrailers(h, res.Trailer)
	if r.Framing != h1.Chunked {
		delete(h, "Trailer") // nothing will follow a 304, or an answer to HEAD, whatever they announce
	}
	if length, ok := h1.Field(head, "content-length"); ok && r.Framing == h1.Length {
		h.Set("Content-Length", string(length)) // named by Connection, it is gone from the general path, which then chunks
	}
	if r.Status < http.StatusOK || r.Status == http.StatusNoContent {
		delete(h, "Content-Length")
	}
	if _, ok := h["Date"]; !ok && a.Date != "" {
		h.Set("Date", a.Date)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\n", res.Status)
	for line, on := range map[string]bool{
		"Connection: close": a.Close || r.Framing == h1.UntilClose, "Connection: Upgrade\r\nUpgrade: websocket": r.Upgrade,
		"Transfer-Encoding: chunked": r.Framing == h1.Chunked,
	} {
		if on {
			b.WriteString(line + "\r\n")
		}
	}
	h.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// sentAnswer is a head as a client reads it.
type sentAnswer struct {
	status  string
	code    int
	length  int64
	close   bool
	coding  []string
	trailer []string
	header  http.Header
}

func describeAnswer(t *testing.T, head []byte, method string) sentAnswer {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(head))
	r, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	defer r.Body.Close()
	if br.Buffered() > 0 {
		t.Errorf("the head ends before the end of %q", head)
	}
	return sentAnswer{
		status: strings.TrimRight(r.Status, " "), code: r.StatusCode, length: r.ContentLength, close: r.Close, coding: r.TransferEncoding,
		trailer: slices.Sorted(maps.Keys(r.Trailer)), header: r.Header,
	}
}
