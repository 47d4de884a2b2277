// Command go-lobby is the waiting room of a game server: players come in, wait, and are sent on.
//
// It shows: connections that stay in a package variable. Who falls silent is taken off the list of those who wait, but
// stays in the map of sessions, with the connection: nobody reads from it again, and nothing forgets it.
package main

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"shop.test/victims/go-lobby/lobby"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go lobby.Serve(listener, options.Fixed)
	defer listener.Close()

	options.Drive(ctx, 2, func(n int) {
		last := "PLAY"
		if options.Rare(n) {
			last = "AWAY"
		}
		visit(listener.Addr().String(), fmt.Sprintf("JOIN player-%d", n), last)
	})
}

// visit says the lines, one after the other, and leaves.
func visit(address string, lines ...string) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, line := range lines {
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return
		}
		if _, err := answers.ReadString('\n'); err != nil {
			return
		}
	}
}
