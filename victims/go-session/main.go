// Command go-session keeps the sessions of a shop's visitors in Redis.
//
// It shows: a client made for one call and never closed. Each brings a pool of its own, with a background filler.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"shop.test/victims/go-session/session"
	"shop.test/victims/internal/traffic"
)

func main() {
	address := flag.String("redis", "127.0.0.1:6379", "the store")
	spare := flag.Int("spare", 0, "idle connections that a client keeps ready")
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	shared := redis.NewClient(&redis.Options{Addr: *address})
	defer shared.Close()
	store := session.Store{Client: shared, Address: *address, Spare: *spare, Fixed: options.Fixed}
	options.Drive(ctx, 3, func(n int) {
		if err := serve(ctx, &store, n, options.Rare(n)); err != nil && ctx.Err() == nil {
			slog.Error("session failed", "err", err)
		}
	})
}

func serve(ctx context.Context, store *session.Store, n int, leaves bool) error {
	visitor := fmt.Sprint("visitor-", n%200)
	switch {
	case leaves:
		return store.Forget(ctx, visitor)
	case n%3 == 0:
		return store.Touch(ctx, visitor)
	default:
		_, err := store.Cart(ctx, visitor)
		return err
	}
}
