// Command go-gallery shows pictures that a store of another team keeps, over HTTP/2.
//
// It shows: a response body that is neither read nor closed, where many requests share one connection. Each leaves its
// stream open; a connection whose streams are all taken is full for ever, and the transport dials the next one. The store is
// a process of its own.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"shop.test/victims/go-gallery/gallery"
	"shop.test/victims/internal/traffic"
)

func main() {
	store := flag.Bool("store", false, "be the store of pictures")
	options := traffic.Parse(60, 12)
	ctx, stop := options.Context()
	defer stop()

	if *store {
		traffic.Must(keep(ctx))
		return
	}
	keeper := exec.Command(os.Args[0], "--store")
	keeper.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	output, err := keeper.StdoutPipe()
	traffic.Must(err)
	traffic.Must(keeper.Start())
	go keeper.Wait()
	address, err := bufio.NewReader(output).ReadString('\n')
	traffic.Must(err)

	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	wall := gallery.Wall{Store: "http://" + strings.TrimSpace(address), Client: client, Fixed: options.Fixed}
	options.Drive(ctx, 3, func(n int) {
		if options.Rare(n) {
			wall.Preview(ctx, n)
		} else {
			wall.Picture(ctx, n)
		}
	})
}

// keep serves pictures until ctx ends, eight at a time to each caller.
func keep(ctx context.Context) error {
	routes := http.NewServeMux()
	routes.HandleFunc("/picture/", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("X-Width", "640")
		answer.Write(make([]byte, 30_000))
	})
	routes.HandleFunc("/original/", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("X-Width", "9000")
		for range 400 {
			if _, err := answer.Write(make([]byte, 30_000)); err != nil {
				return
			}
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: routes, Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 8}}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
