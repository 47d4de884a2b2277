// Command go-relay passes its clients' requests on to the warehouse, and counts who is connected.
//
// It shows: a server whose error path returns before conn.Close. The count of clients still refers to the connection,
// so no finalizer closes it either; the goroutine that served it has ended.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"time"

	"shop.test/victims/go-relay/relay"
	"shop.test/victims/internal/traffic"
)

func main() {
	warehouse := flag.String("warehouse", "127.0.0.1:4101", "where requests go")
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	defer listener.Close()
	go relay.New(*warehouse, options.Fixed).Serve(listener)

	options.Drive(ctx, 2, func(n int) {
		article := fmt.Sprint(10000 + n%977)
		if options.Rare(n) {
			article = "moving-" + article
		}
		ask(listener.Addr().String(), "STOCK "+article)
	})
}

// ask is a client: it asks, waits for an answer as long as clients do, and hangs up.
func ask(address, question string) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	fmt.Fprintln(conn, question)
	answers := bufio.NewReader(conn)
	for {
		line, err := answers.ReadString('\n')
		if err != nil || line != "WAIT\n" {
			return
		}
	}
}
