// Command go-webhook tells subscribers over HTTP what happened to their orders.
//
// It shows: a client and transport made for each call. The answer is read and closed, but the connection goes to the idle
// list of a transport that nobody has any more.
package main

import (
	"io"
	"net"
	"net/http"

	"shop.test/victims/go-webhook/notify"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 8)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "thanks\n")
	}))
	sender := notify.NewSender("http://"+listener.Addr().String(), options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		if options.Rare(n) {
			sender.Refunded(ctx, n)
		} else {
			sender.Shipped(ctx, n)
		}
	})
}
