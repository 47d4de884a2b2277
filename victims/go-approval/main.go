// Command go-approval is the purchasing desk of a shop: orders reserve stock, and large ones wait for an approval.
//
// It shows: a goroutine that waits for ever on a channel which nobody sends to or closes, with a connection in its hands. The
// connection is idle with its answer read, like one of a pool; what tells is who holds it, and where that goroutine stands.
package main

import (
	"net"

	"shop.test/victims/go-approval/desk"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 20)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go desk.Stock(listener)
	defer listener.Close()

	buyer := desk.New(listener.Addr().String(), options.Fixed)
	options.Drive(ctx, 2, func(n int) {
		// As a request has its goroutine in a server: nobody waits for the order to be done.
		go buyer.Order(n, options.Rare(n))
	})
}
