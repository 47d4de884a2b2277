// Command go-tunnel talks to its tenants' warehouses, all questions of one tenant over one connection.
//
// It shows: a leak behind a multiplexer that nobody else has: a writer goroutine sends for all streams, a reader
// receives for all. A tenant that was looked at once keeps its whole session.
package main

import (
	"flag"
	"fmt"
	"log/slog"

	"shop.test/victims/go-tunnel/tunnel"
	"shop.test/victims/internal/traffic"
)

func main() {
	warehouse := flag.String("warehouse", "127.0.0.1:4101", "the warehouses")
	options := traffic.Parse(60, 20)
	ctx, stop := options.Context()
	defer stop()

	tenants := tenants{address: *warehouse, fixed: options.Fixed, sessions: map[string]*tunnel.Session{}}
	options.Drive(ctx, 2, func(n int) {
		var err error
		if options.Rare(n) {
			err = tenants.audit(fmt.Sprint("tenant-", n))
		} else {
			err = tenants.stock(fmt.Sprint("tenant-", n%4), fmt.Sprint("article-", n%30))
		}
		if err != nil {
			slog.Error("tunnel failed", "err", err)
		}
	})
}
