// Command go-fares quotes train fares from a feed of prices.
//
// It shows: a pool written by hand, whose filler goroutine dials ahead. One path of a borrower gives nothing back, so
// the opening names the filler, which is innocent.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"shop.test/victims/go-fares/fares"
	"shop.test/victims/internal/traffic"
)

func main() {
	feed := flag.String("feed", "127.0.0.1:4102", "the feed")
	options := traffic.Parse(60, 20)
	ctx, stop := options.Context()
	defer stop()

	pool := fares.NewPool(*feed, 4)
	desk := fares.Desk{Pool: pool, Fixed: options.Fixed}
	options.Drive(ctx, 3, func(n int) {
		train := fmt.Sprint("ICE", n%90)
		var err error
		switch {
		case options.Rare(n):
			_, err = desk.Saver(train) // sold out
		case n%4 == 0:
			_, err = desk.Group(train, 12)
		default:
			_, err = desk.Single(train)
		}
		if err != nil && !errors.Is(err, fares.ErrSoldOut) {
			slog.Error("quote failed", "err", err)
		}
	})
}
