// Command go-invoices writes invoices from a database, through a small pool.
//
// It shows: a nested borrow. A query inside of the loop over another one's rows needs a second connection of the same pool;
// when as many do so at once as the pool has connections, each waits for the others, and nobody gets any further.
package main

import (
	"database/sql"
	"flag"

	_ "github.com/jackc/pgx/v5/stdlib"

	"shop.test/victims/go-invoices/invoices"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	options := traffic.Parse(40, 15)
	ctx, stop := options.Context()
	defer stop()

	db, err := sql.Open("pgx", *dsn)
	traffic.Must(err)
	defer db.Close()
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	desk := invoices.Desk{DB: db, Fixed: options.Fixed}
	options.Drive(ctx, 3, func(n int) {
		// Each request has its goroutine, and at the end of the month some come together.
		if !options.Rare(n) {
			go desk.Total(ctx, n)
			return
		}
		for i := range 6 {
			go desk.Print(ctx, n+i)
		}
	})
}
