// Command go-orders takes orders and books them in MariaDB.
//
// It shows: a transaction that is neither committed nor rolled back, when the article is out of stock.
package main

import (
	"database/sql"
	"errors"
	"flag"
	"log/slog"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"shop.test/victims/go-orders/orders"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("mariadb", "shop@tcp(127.0.0.1:3306)/shop", "the database")
	options := traffic.Parse(60, 30)
	ctx, stop := options.Context()
	defer stop()

	db, err := sql.Open("mysql", *dsn)
	traffic.Must(err)
	traffic.Must(db.PingContext(ctx))
	db.SetMaxIdleConns(3)
	db.SetConnMaxIdleTime(15 * time.Second)

	desk := orders.NewDesk(db, options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		item := n%19 + 1 // every twentieth article is sold out
		var err error
		switch {
		case options.Rare(n):
			_, err = desk.Place(ctx, orders.Order{Item: 20 * (n%19 + 1), Quantity: 1})
		case n%3 == 0:
			_, err = desk.Place(ctx, orders.Order{Item: item, Quantity: n%4 + 1})
		default:
			_, err = desk.Available(ctx, item)
		}
		if err != nil && !errors.Is(err, orders.ErrSoldOut) && ctx.Err() == nil {
			slog.Error("order failed", "err", err)
		}
	})
}
