package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// socket is an upstream that serves a WebSocket.
func socket(t testing.TB, serve func(ctx context.Context, c *websocket.Conn)) string {
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"chat"}})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		serve(r.Context(), c)
	})
}

// echoSocket sends back what it reads until the other side closes.
func echoSocket(_ context.Context, c *websocket.Conn) {
	for {
		kind, p, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, p) != nil {
			return
		}
	}
}

func (r *rig) websocket(secure bool) *websocket.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	c, res, err := websocket.Dial(ctx, scheme+"://"+r.addr+"/chat", &websocket.DialOptions{
		HTTPClient: tlsClient(r.t, false), CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"chat"},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Body != nil { // which it is not, but who reads this may wonder
		_ = res.Body.Close()
	}
	if res.Header.Get("Via") != "" || c.Subprotocol() != "chat" {
		r.t.Errorf("handshake is %v", res.Header)
	}
	c.SetReadLimit(-1)
	r.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func TestWebSocketEcho(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		blue := socket(t, echoSocket)
		r := start(t, one, map[string]string{"blue": blue})
		if secure {
			r = startTLS(t, one, map[string]string{"blue": blue})
		}
		c := r.websocket(secure)
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, len(noise)} {
			want := noise[:size]
			if err := c.Write(t.Context(), websocket.MessageBinary, want); err != nil {
				t.Fatal(err)
			}
			if kind, p, err := c.Read(t.Context()); err != nil || kind != websocket.MessageBinary || !bytes.Equal(p, want) {
				t.Fatalf("echo of %d bytes: %v, %d bytes", size, err, len(p))
			}
		}
		if got := r.server.InFlight(); kind(got, "long_lived") != 1 || kind(got, "request") != 0 {
			t.Errorf("in flight: %+v", got)
		}
		if err := c.Close(4001, "enough"); err != nil {
			t.Errorf("close: %v", err)
		}
		eventually(t, "tunnel ends", func() bool { return r.inflight() == 0 })
		if got := r.scrape("switchback_requests_total", "switchback_attempts_total"); got != `switchback_attempts_total{outcome="ok",pool="blue",service="web"} 1`+"\n"+
			`switchback_requests_total{code_class="1xx",pool="blue",service="web"} 1` {
			t.Errorf("booked as %s", got)
		}
	}
}

// Both sides learn how the other one closed.
func TestWebSocketCloseCodes(t *testing.T) {
	t.Parallel()
	heard := make(chan websocket.StatusCode, 1)
	blue := socket(t, func(ctx context.Context, c *websocket.Conn) {
		_, p, err := c.Read(ctx)
		if string(p) == "you first" {
			_ = c.Close(4002, "target is done")
			return
		}
		heard <- websocket.CloseStatus(err)
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.websocket(false)
	_ = c.Write(t.Context(), websocket.MessageText, []byte("you first"))
	_, _, err := c.Read(t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4002 || closed.Reason != "target is done" {
		t.Errorf("client heard %v", err)
	}
	c = r.websocket(false)
	_ = c.Close(4003, "client is done")
	if code := <-heard; code != 4003 {
		t.Errorf("target heard %d", code)
	}
}

// A WebSocket is told to go when the proxy shuts down, at once and properly.
func TestWebSocketAtShutdown(t *testing.T) {
	t.Parallel()
	blue := socket(t, echoSocket)
	r := start(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
	c := r.websocket(false)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.stop()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("client heard %v, want 1001", err)
	}
	_ = c.CloseNow()
	<-r.finished
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("shutdown took %v", d)
	}
}

// In the middle of a frame nothing of ours is put.
func TestWebSocketCutInsideAFrame(t *testing.T) {
	t.Parallel()
	sent := make(chan struct{})
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x7e\x01\x00half")
		close(sent)
		_, _ = io.Copy(io.Discard, br)
	})
	r := start(t, "shutdown: {timeout: 5s}\n"+one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, handshake+"\r\n")
	<-sent
	br := bufio.NewReader(c)
	_ = head(br)
	if p, _ := br.Peek(8); string(p) != "\x82\x7e\x01\x00half" {
		t.Fatalf("client got %q", p)
	}
	r.stop()
	if all, _ := io.ReadAll(br); string(all) != "\x82\x7e\x01\x00half" {
		t.Errorf("client got %q", all)
	}
}

const handshake = "GET /chat HTTP/1.1\r\n" + host + "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://else.example\r\n"

// What the client sends behind its handshake waits for the answer and then reaches the target.
func TestWebSocketEarlyData(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		heads <- head(br)
		time.Sleep(50 * time.Millisecond) // early data must not get here before the answer
		if br.Buffered() > 0 {
			t.Error("early data came before the answer")
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Extra: 1\r\n\r\nhello")
		early := make([]byte, 5)
		_, _ = io.ReadFull(br, early)
		_, _ = c.Write(bytes.ToUpper(early))
	})
	r := start(t, `services: {web: {sticky: {key: [{issue_cookie: id}]}, pools: {blue: ["{{blue}}"]}, weights: {blue: 100}}}`, map[string]string{"blue": blue})
	all := r.raw(handshake + "\r\nearly")
	answer, rest, _ := strings.Cut(all, "\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 101 ") || lineOf(t, answer, "Connection") != "Upgrade" || lineOf(t, answer, "Upgrade") != "websocket" ||
		lineOf(t, answer, "X-Extra") != "1" || !strings.HasPrefix(lineOf(t, answer, "Set-Cookie"), "id=") {
		t.Errorf("answer is %q", answer)
	}
	if rest != "helloEARLY" {
		t.Errorf("client got %q", rest)
	}
	got := <-heads
	if lineOf(t, got, "Connection") != "Upgrade" || !strings.EqualFold(lineOf(t, got, "Upgrade"), "websocket") ||
		lineOf(t, got, "Origin") != "http://else.example" || lineOf(t, got, "Sec-WebSocket-Key") == "" {
		t.Errorf("upstream got %q", got)
	}
}

// A refused upgrade is relayed and ends the connection: what follows may not be HTTP.
func TestWebSocketRefused(t *testing.T) {
	t.Parallel()
	blue, heads := answering(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	r := start(t, one, map[string]string{"blue": blue})
	all := r.raw(handshake + "\r\nGET /hidden HTTP/1.1\r\n" + host + "\r\n")
	br := bufio.NewReader(strings.NewReader(all))
	res, body := answer(t, br, http.MethodGet)
	if res.StatusCode != 403 || body != "no" || !res.Close {
		t.Errorf("answer is %d %q, close %v", res.StatusCode, body, res.Close)
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("behind it: %q", rest)
	}
	if n := len(heads); n != 1 {
		t.Errorf("%d requests reached the target", n)
	}
}
