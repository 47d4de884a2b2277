// Command go-counter serves a queue of customers from PostgreSQL.
//
// It shows: a pool that is too small. All its connections are in use all the time, callers wait, and nothing leaks.
package main

import (
	"context"
	"database/sql"
	"flag"
	"log/slog"

	_ "github.com/lib/pq"

	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	size := flag.Int("pool", 4, "connections at most")
	options := traffic.Parse(120, 20)
	ctx, stop := options.Context()
	defer stop()

	db, err := sql.Open("postgres", *dsn)
	traffic.Must(err)
	traffic.Must(db.PingContext(ctx))
	db.SetMaxOpenConns(*size)
	db.SetMaxIdleConns(*size)
	defer db.Close()

	// Customers come faster than the pool serves them, and give up at a queue of forty.
	queue := make(chan struct{}, 40)
	options.Drive(ctx, 2, func(n int) {
		select {
		case queue <- struct{}{}:
		default:
			return
		}
		go func() {
			defer func() { <-queue }()
			if err := serve(ctx, db, n); err != nil && ctx.Err() == nil {
				slog.Error("serve failed", "err", err)
			}
		}()
	})
}

func serve(ctx context.Context, db *sql.DB, customer int) error {
	var sum int
	return db.QueryRowContext(ctx, "SELECT sum(amount) FROM transfers, pg_sleep(0.08) WHERE account = $1", customer%400+1).Scan(&sum)
}
