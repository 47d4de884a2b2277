// Command go-bourse values portfolios with the help of an exchange that takes its time.
//
// It shows: a slow peer. Every request waits for its answer, connections pile up, and nothing leaks.
package main

import (
	"flag"
	"fmt"
	"log/slog"

	"shop.test/victims/internal/traffic"
)

func main() {
	exchange := flag.String("exchange", "127.0.0.1:4105", "the exchange")
	options := traffic.Parse(3, 20)
	ctx, stop := options.Context()
	defer stop()
	options.Drive(ctx, 1, func(n int) {
		go func() {
			if err := value(ctx, *exchange, fmt.Sprint("portfolio-", n)); err != nil && ctx.Err() == nil {
				slog.Error("valuation failed", "err", err)
			}
		}()
	})
}
