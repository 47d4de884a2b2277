// Command go-parcel asks carriers over HTTP/2 where parcels are.
//
// It shows: a client and transport made for each call to a partner. Every answer is read and closed, and the one
// connection that all other calls share is innocent; but the partner's stays open in a transport that nobody has any more.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log/slog"
	"net"
	"net/http"

	"shop.test/victims/go-parcel/tracking"
	"shop.test/victims/internal/certificate"
	"shop.test/victims/internal/traffic"
)

func main() {
	plain := flag.Bool("plain", false, "HTTP/2 without TLS")
	library := flag.Bool("x-net", false, "by golang.org/x/net/http2")
	options := traffic.Parse(60, 20)
	ctx, stop := options.Context()
	defer stop()

	base, roots, err := carrier(*plain)
	traffic.Must(err)
	tracker := tracking.NewTracker(base, tracking.Dialect{Roots: roots, XNet: *library}, options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		if err := serve(ctx, tracker, n, options.Rare(n)); err != nil && ctx.Err() == nil {
			slog.Error("tracking failed", "err", err)
		}
	})
}

func serve(ctx context.Context, tracker *tracking.Tracker, n int, returned bool) error {
	switch {
	case returned:
		return tracker.Returned(ctx, n)
	case n%4 == 0:
		return tracker.Delivered(ctx, n)
	default:
		return tracker.Moving(ctx, n)
	}
}

// carrier stands for the service of a carrier, in a process of its own where the traffic is real. Without TLS there are
// no roots.
func carrier(plain bool) (string, *x509.CertPool, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"parcel": "` + r.URL.Path + `", "at": "Kassel"}`))
	})}
	if plain {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
		go server.Serve(listener)
		return "http://" + listener.Addr().String(), nil, nil
	}
	own, roots, err := certificate.Loopback()
	if err != nil {
		return "", nil, err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	go server.ServeTLS(listener, "", "")
	return "https://" + listener.Addr().String(), roots, nil
}
