//go:debug asynctimerchan=1

// Command go-reminders reminds people of what they put off.
//
// It shows: memory, not connections. Waiting for the next note it makes a timer of an hour, for each note a new one, as
// runtimes before Go 1.23 kept them until they fired. It serves its profiles on loopback, and prints where.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"runtime"

	"shop.test/victims/go-reminders/reminders"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(100, 1)
	ctx, stop := options.Context()
	defer stop()
	runtime.MemProfileRate = 16 << 10

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go http.Serve(listener, nil)
	fmt.Println(listener.Addr())

	book := reminders.Open(ctx, options.Fixed)
	options.Drive(ctx, 2, func(n int) {
		for i := range 100 {
			book.Note(fmt.Sprint("call back ", n, i))
		}
	})
}
