// Command go-boxoffice reserves seats, each in a transaction that is to be answered soon.
//
// It shows: an answer that nobody takes any more. Whoever asked has given up, the goroutine that has the seat waits for ever to
// hand it over, and its transaction keeps a connection of a small pool; soon the pool has none left, and everything stands still.
package main

import (
	"database/sql"
	"flag"

	_ "github.com/jackc/pgx/v5/stdlib"

	"shop.test/victims/go-boxoffice/boxoffice"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	options := traffic.Parse(40, 12)
	ctx, stop := options.Context()
	defer stop()

	db, err := sql.Open("pgx", *dsn)
	traffic.Must(err)
	defer db.Close()
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	office := boxoffice.Office{DB: db, Fixed: options.Fixed}
	options.Drive(ctx, 4, func(n int) {
		_, _ = office.Reserve(ctx, n, options.Rare(n))
	})
}
