// Command go-reports answers what accountants ask, from a database that closes its books at times.
//
// It shows: a context that is not passed on. While a quarter is being closed its rows are locked; callers give up after a
// moment, but their queries wait on, and with each its request and the caller's connection, in CLOSE_WAIT. The callers
// are a process of their own.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	_ "github.com/lib/pq"

	"shop.test/victims/go-reports/reports"
	"shop.test/victims/internal/traffic"
)

func main() {
	dsn := flag.String("postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	office := flag.String("office", "", "be the callers of that office")
	closing := flag.Int("closing", os.Getpid(), "the quarter that is being closed; each service has its own")
	options := traffic.Parse(25, 12)
	ctx, stop := options.Context()
	defer stop()

	if *office != "" {
		options.Drive(ctx, 4, func(n int) { call(ctx, *office, n, *closing, options.Rare(n)) })
		return
	}
	db, err := sql.Open("postgres", *dsn)
	traffic.Must(err)
	defer db.Close()
	traffic.Must(reports.CloseBooks(ctx, db, *closing))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	server := &http.Server{Handler: reports.Routes(db, options.Fixed), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	callers := exec.Command(os.Args[0], "--office", listener.Addr().String(), "--rate", fmt.Sprint(options.Rate),
		"--every", fmt.Sprint(options.Every), "--closing", fmt.Sprint(*closing))
	callers.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	traffic.Must(callers.Start())
	go callers.Wait()
	fmt.Println("ready")
	<-ctx.Done()
}

// call asks for a quarter, and waits as long as people do.
func call(ctx context.Context, office string, n, closing int, rare bool) {
	quarter := n%8 + 1
	if rare {
		quarter = closing
	}
	patience, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(patience, http.MethodGet, fmt.Sprintf("http://%s/quarters/%d", office, quarter), nil)
	if err != nil {
		return
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
}
