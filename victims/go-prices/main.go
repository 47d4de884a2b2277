// Command go-prices streams prices to whoever watches them, and is its own watchers.
//
// It shows: connections that one goroutine reads and another one writes. The writer used each last, for as long as the
// peer took it; but the reader is told that the peer has gone, and returns without closing where a watcher had pinned
// its place.
package main

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"shop.test/victims/go-prices/feed"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 20)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	prices := feed.New(options.Fixed)
	go prices.Serve(listener)
	go prices.Quote(ctx, 20*time.Millisecond)
	defer listener.Close()

	options.Drive(ctx, 4, func(n int) {
		asks := "WATCH EUR"
		if options.Rare(n) {
			asks = "PIN EUR"
		}
		watch(listener.Addr().String(), asks)
	})
}

// watch sees three prices, and leaves.
func watch(address, asks string) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintln(conn, asks); err != nil {
		return
	}
	seen := bufio.NewScanner(conn)
	for i := 0; i < 3 && seen.Scan(); i++ {
	}
}
