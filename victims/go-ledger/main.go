// Command go-ledger answers questions about accounts from PostgreSQL (lib/pq) over HTTP.
//
// It shows: rows that are not closed. FirstOverdue stops at the first row it likes and leaves the rest unread; the
// pool then dials a new connection for whoever comes next, so an innocent function opened what is leaked.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	_ "github.com/lib/pq"

	"shop.test/victims/go-ledger/store"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	options := traffic.Parse(70, 14)
	ctx, stop := options.Context()
	defer stop()

	db, err := sql.Open("postgres", *dsn)
	traffic.Must(err)
	traffic.Must(db.PingContext(ctx))
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(10 * time.Second)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	server := &http.Server{Handler: routes(store.New(db, options.Fixed)), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	base := "http://" + listener.Addr().String()
	options.Drive(ctx, 3, func(n int) {
		account := n%400 + 1
		switch {
		case options.Rare(n):
			get(ctx, fmt.Sprintf("%s/overdue/%d", base, account))
		case n%3 == 0:
			get(ctx, fmt.Sprintf("%s/transfers/%d", base, account))
		default:
			get(ctx, fmt.Sprintf("%s/balance/%d", base, account))
		}
	})
}

func get(ctx context.Context, url string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
}
