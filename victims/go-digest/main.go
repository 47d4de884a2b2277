// Command go-digest sums up the prices of a feed.
//
// It shows: a leak of the past. When it starts it looks at each market once, and leaves the answers unread of those
// that are shut; from then on it does everything right. With --late it does so once, for one market, after that time.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"time"

	"shop.test/victims/go-digest/digest"
	"shop.test/victims/internal/traffic"
)

func main() {
	feed := flag.String("feed", "127.0.0.1:4102", "the feed")
	late := flag.Duration("late", 0, "look at one market only, after this time")
	options := traffic.Parse(50, 20)
	ctx, stop := options.Context()
	defer stop()

	summary := digest.Summary{Feed: *feed, Fixed: options.Fixed}
	look := func(markets int) {
		for market := range markets {
			if err := summary.Look(fmt.Sprint("market-", market)); err != nil {
				slog.Error("look failed", "err", err)
			}
		}
	}
	if *late == 0 {
		look(12)
	} else {
		time.AfterFunc(*late, func() { look(1) })
	}
	options.Drive(ctx, 2, func(n int) {
		if err := summary.Add(fmt.Sprint("share-", n%40)); err != nil {
			slog.Error("digest failed", "err", err)
		}
	})
}
