// Command go-fetch asks the price service of another team for prices, through one shared http.Client.
//
// It shows: a response body that is not closed, on the way out that a retired article takes. net/http dials and sends
// from goroutines of its own, and the helper that asks serves healthy callers as well.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"

	"shop.test/victims/go-fetch/prices"
	"shop.test/victims/internal/traffic"
)

func main() {
	large := flag.Bool("large", false, "retired articles have a large answer")
	encrypted := flag.Bool("tls", false, "the price service speaks TLS")
	options := traffic.Parse(60, 25)
	ctx, stop := options.Context()
	defer stop()

	base, client, err := upstream(*large, *encrypted)
	traffic.Must(err)
	desk := prices.NewDesk(base, client, options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		article := 10000 + n%977
		switch {
		case options.Rare(n):
			desk.Discontinued(ctx, article)
		case n%3 == 0:
			desk.Quote(ctx, article)
		default:
			desk.Stock(ctx, article)
		}
	})
}

// upstream stands for the price service, in a process of its own where the traffic is real.
func upstream(large, encrypted bool) (string, *http.Client, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/price/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"article": %q, "cents": 1999}`, r.URL.Path[len("/price/"):])
	})
	mux.HandleFunc("/retired/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusGone)
		if large {
			fmt.Fprint(w, strings.Repeat("retired article, see the archive\n", 20000))
		} else {
			fmt.Fprint(w, `{"error": "retired"}`)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: mux}
	if encrypted {
		return serveEncrypted(server, listener)
	}
	go server.Serve(listener)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	return "http://" + listener.Addr().String(), &http.Client{Transport: transport}, nil
}
