// Command go-ferry carries lines between clients and a price feed: a connection to the feed for each client.
//
// It shows: a proxy that forgets the connection behind when the client leaves first. Most clients stay, and say nothing
// for long: their connections are as idle as the forgotten ones, and new ones are dialled past them all the time. The
// clients are a process of their own.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"shop.test/victims/go-ferry/ferry"
	"shop.test/victims/internal/traffic"
)

func main() {
	feed := flag.String("feed", "127.0.0.1:4102", "the feed behind")
	landing := flag.String("landing", "", "be the clients of the ferry there")
	options := traffic.Parse(6, 3)
	ctx, stop := options.Context()
	defer stop()

	if *landing != "" {
		options.Drive(ctx, 2, func(n int) { visit(*landing, options.Rare(n)) })
		return
	}
	boat, err := ferry.Listen(*feed, options.Fixed)
	traffic.Must(err)
	clients := exec.Command(os.Args[0], "--landing", boat.Address(), "--rate", fmt.Sprint(options.Rate),
		"--every", fmt.Sprint(options.Every))
	clients.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	traffic.Must(clients.Start())
	fmt.Println("ready")
	<-ctx.Done()
	boat.Close()
}

var (
	staying []net.Conn
	mutex   sync.Mutex
)

// visit asks for a price, and leaves or stays.
func visit(landing string, leaves bool) {
	conn, err := net.Dial("tcp", landing)
	if err != nil {
		return
	}
	fmt.Fprintln(conn, "GET copper")
	bufio.NewReader(conn).ReadString('\n')
	if leaves {
		conn.Close()
		return
	}
	mutex.Lock()
	staying = append(staying, conn)
	mutex.Unlock()
}
