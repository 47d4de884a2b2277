// Command go-freight asks carriers over gRPC what a load costs.
//
// It shows: a client connection made for one call and never closed. gRPC dials and sends from goroutines of its own, so
// that no stack of connect or write holds a line of ours.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"

	"shop.test/victims/go-freight/carrier"
	"shop.test/victims/internal/traffic"
)

func main() {
	encrypted := flag.Bool("tls", false, "the carriers speak TLS")
	options := traffic.Parse(60, 20)
	ctx, stop := options.Context()
	defer stop()

	address, credentials, err := carriers(*encrypted)
	traffic.Must(err)
	shared, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials))
	traffic.Must(err)
	defer shared.Close()
	desk := carrier.Desk{Address: address, Credentials: credentials, Shared: shared, Fixed: options.Fixed}
	options.Drive(ctx, 3, func(n int) {
		if err := serve(ctx, &desk, n, options.Rare(n)); err != nil && ctx.Err() == nil {
			slog.Error("quote failed", "err", err)
		}
	})
}

func serve(ctx context.Context, desk *carrier.Desk, n int, oversize bool) error {
	load := fmt.Sprint("load-", n%300)
	switch {
	case oversize:
		return desk.Oversize(ctx, load)
	case n%4 == 0:
		_, err := desk.Express(ctx, load)
		return err
	default:
		_, err := desk.Standard(ctx, load)
		return err
	}
}

// carriers stands for the services of the carriers, in a process of their own where the traffic is real.
func carriers(encrypted bool) (string, carrier.Credentials, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server, client, err := carrier.Secrets(encrypted)
	if err != nil {
		return "", nil, err
	}
	go carrier.NewServer(server).Serve(listener)
	return listener.Addr().String(), client, nil
}
