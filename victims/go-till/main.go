// Command go-till rings up what a shop sells, and prints receipts for those who want one.
//
// It shows: producers that stall at a full buffered channel. The printer's goroutine ended when the paper did; from then on
// the channel fills, and whoever has a receipt for it waits for ever, with the connection to the card terminal in hand.
package main

import (
	"net"

	"shop.test/victims/go-till/till"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 12)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go till.Terminal(listener)
	defer listener.Close()

	shop := till.Open(listener.Addr().String(), options.Fixed)
	options.Drive(ctx, 2, func(n int) {
		// Each customer is served by a goroutine of their own, as by a server.
		go shop.Sell(n, options.Rare(n))
	})
}
