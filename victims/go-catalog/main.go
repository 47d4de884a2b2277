// Command go-catalog recomputes prices and stock for the items that changed, from PostgreSQL through pgxpool.
//
// It shows: rows that are not closed, where the pool dials from a goroutine of its own, so that no frame of the
// service is on the stack of connect(2) at all.
package main

import (
	"flag"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shop.test/victims/go-catalog/catalog"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	options := traffic.Parse(70, 35)
	ctx, stop := options.Context()
	defer stop()

	config, err := pgxpool.ParseConfig(*dsn)
	traffic.Must(err)
	config.MaxConns = 300
	config.MaxConnIdleTime = 30 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, config)
	traffic.Must(err)
	traffic.Must(pool.Ping(ctx))

	repository := catalog.NewRepository(pool, options.Fixed)
	worker := &worker{repository: repository}
	options.Drive(ctx, 2, func(n int) {
		var err error
		switch {
		case options.Rare(n):
			err = worker.promote(ctx, n%200)
		case n%2 == 0:
			err = worker.reprice(ctx, n%200)
		default:
			err = worker.restock(ctx, n%200)
		}
		if err != nil && ctx.Err() == nil {
			slog.Error("item failed", "err", err)
		}
	})
}
