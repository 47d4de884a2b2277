// Command go-alerts tells visitors when a price moves while they look at it.
//
// It shows: a goroutine that waits for ctx.Done() alone, and the context is the service's, not the visit's. Those who look
// at a share that is traded again get their subscription ended with the visit; the others' stays until the service ends.
package main

import (
	"context"
	"flag"
	"time"

	"shop.test/victims/go-alerts/alerts"
	"shop.test/victims/internal/traffic"
)

func main() {
	feed := flag.String("feed", "127.0.0.1:4102", "the feed")
	options := traffic.Parse(30, 12)
	ctx, stop := options.Context()
	defer stop()

	board := alerts.Board{Feed: *feed, Service: ctx, Fixed: options.Fixed}
	options.Drive(ctx, 2, func(n int) {
		visit, leave := context.WithTimeout(ctx, 50*time.Millisecond)
		defer leave()
		board.Look(visit, n%80, options.Rare(n))
	})
}
