package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// buys is the share of the customers who order what is in their cart.
const buys = 0.6

// customers look at their carts, so many a second, and most of them order within a second. Each comes once.
func customers(ctx context.Context, url string, rate int) error {
	if rate < 1 || rate > 10_000 {
		return fmt.Errorf("%d customers a second; 1 to 10000 can be had", rate)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	var shopping sync.WaitGroup
	defer shopping.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		shopping.Go(func() { visit(ctx, client, url, fmt.Sprint("customer", n)) })
	}
}

// visit is one customer's. What goes wrong is for the proxy to notice.
func visit(ctx context.Context, client *http.Client, url, name string) {
	if !ask(ctx, client, http.MethodGet, url+"/cart", name) || rand.Float64() > buys { //nolint:gosec // chance, no secret
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rand.Int64N(int64(time.Second)))): //nolint:gosec // the same
		ask(ctx, client, http.MethodPost, url+"/checkout", name)
	}
}

func ask(ctx context.Context, client *http.Client, method, url, name string) bool {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, url, strings.NewReader(""))
	if err != nil {
		return false
	}
	req.Header.Set("X-User-ID", name)
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}
